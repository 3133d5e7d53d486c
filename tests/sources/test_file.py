"""A file as a source: its format, yesterday's file, a file that was cut off."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import pytest

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.files.source import FileReader
from moodle_coupling.sources.kinds import read_persons

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract

NIGHT = dt.datetime(2026, 3, 2, 2, 0, tzinfo=dt.UTC)
JAN, PIET = "PersonId;Voornaam\n1;Jan\n", "PersonId;Voornaam\n2;Piet\n"


class Nights:
    """A file that is read at moments of our choice."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.path = folder / "persons.csv"
        self.settings = FileSource(path="persons.csv", **settings)
        self.folder = folder

    def write(self, text: str, at: dt.datetime) -> None:
        self.path.write_text(text)
        os.utime(self.path, (at.timestamp(),) * 2)

    def read(self, at: dt.datetime, wanted: Wanted | None = None) -> Extract:
        return FileReader(self.settings, self.folder, now=lambda: at).extract(wanted or Wanted())


def hours(number: float) -> dt.timedelta:
    return dt.timedelta(hours=number)


class TestYesterdaysFile:
    def test_a_fresh_file_is_not_remarked_upon(self, tmp_path):
        nights = Nights(tmp_path)
        nights.write(JAN, NIGHT - hours(2))
        first = nights.read(NIGHT)
        nights.write(PIET, NIGHT + hours(22))
        assert nights.read(NIGHT + hours(24), Wanted(since=first.watermark)).warnings == first.warnings == ()

    def test_one_that_was_written_too_long_ago_is_told(self, tmp_path):
        nights = Nights(tmp_path)
        nights.write(JAN, NIGHT - hours(37))
        (warning,) = nights.read(NIGHT).warnings
        assert str(nights.path) in str(warning)
        assert "it was written at 2026-02-28 13:00 UTC (37 hours ago; source.max_age_hours is 36)" in str(warning)
        assert nights.read(NIGHT - hours(1.5)).warnings == ()

    def test_one_that_was_put_there_again_is_as_old_as_its_content(self, tmp_path):
        nights = Nights(tmp_path, max_age_hours=12)
        nights.write(JAN, NIGHT)
        first = nights.read(NIGHT)
        nights.write(JAN, NIGHT + hours(23))
        soon = nights.read(NIGHT + hours(11), Wanted(since=first.watermark))
        assert soon.warnings == ()
        late = nights.read(NIGHT + hours(24), Wanted(since=soon.watermark))
        assert "its content has not changed since 2026-03-02 02:00 UTC (24 hours ago" in str(late.warnings[0])
        nights.write(PIET, NIGHT + hours(24))
        assert nights.read(NIGHT + hours(24), Wanted(since=late.watermark)).warnings == ()

    def test_without_a_patience_every_run_wants_another_content(self, tmp_path):
        nights = Nights(tmp_path, max_age_hours=0)
        nights.write(JAN, NIGHT - hours(500))
        first = nights.read(NIGHT)
        assert first.warnings == ()
        again = nights.read(NIGHT + hours(0.1), Wanted(since=first.watermark))
        assert "its content is that of the last good run" in str(again.warnings[0])

    def test_it_can_be_refused(self, tmp_path):
        nights = Nights(tmp_path, stale="refuse")
        nights.write(JAN, NIGHT - hours(37))
        for mode in (Mode.FULL, Mode.CHANGED):
            with pytest.raises(SourceError, match=r"persons.csv is old: .* source\.stale in the mapping file"):
                nights.read(NIGHT, Wanted(mode))

    def test_one_person_by_hand_is_read_from_an_old_file_with_a_word(self, tmp_path):
        nights = Nights(tmp_path, stale="refuse")
        nights.write(JAN, NIGHT - hours(37))
        for mode in Mode:
            found = nights.read(NIGHT, Wanted(mode, ids=("1",)))
            assert len(found.persons) == 1
            assert "is old" in str(found.warnings[0])

    def test_it_can_be_allowed(self, tmp_path):
        nights = Nights(tmp_path, stale="allow")
        nights.write(JAN, NIGHT - hours(3700))
        assert nights.read(NIGHT).warnings == ()

    def test_how_old_it_may_be_does_not_make_it_another_source(self, tmp_path):
        nights = Nights(tmp_path, max_age_hours=100)
        nights.write(JAN, NIGHT)
        first = nights.read(NIGHT)
        nights.settings = FileSource(path="persons.csv", max_age_hours=1, name="HR")
        nights.write(JAN, NIGHT + hours(2))
        assert nights.read(NIGHT + hours(2), Wanted(since=first.watermark)).warnings

    def test_the_fingerprint_is_that_of_the_bytes(self, tmp_path):
        nights = Nights(tmp_path)
        nights.write(JAN, NIGHT)
        first = nights.read(NIGHT)
        nights.write(JAN, NIGHT + hours(1))
        assert nights.read(NIGHT).fingerprint == first.fingerprint
        assert len(first.fingerprint) == 64
        nights.write(PIET, NIGHT)
        assert nights.read(NIGHT).fingerprint != first.fingerprint


class TestCutOff:
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_a_csv_that_ends_in_the_middle_of_a_line_is_half_a_file(self, tmp_path, newline):
        text = newline.join(["PersonId;Voornaam;Achternaam", "1;Jan;Jansen", "2;Piet"])
        (tmp_path / "persons.csv").write_bytes(text.encode())
        with pytest.raises(
            SourceError, match=r"persons\.csv, line 3: the file ends in the middle of a line .2 cells of 3"
        ):
            read_persons(FileSource(path="persons.csv"), tmp_path)

    def test_a_short_line_that_has_an_end_is_only_left_out(self, tmp_path):
        (tmp_path / "persons.csv").write_text("PersonId;Voornaam;Achternaam\n1;Jan;Jansen\n2;Piet\n")
        extract = read_persons(FileSource(path="persons.csv"), tmp_path)
        assert [line.line for line in extract.left_out] == [3]
        assert extract.complete

    def test_a_last_line_without_an_end_may_be_whole(self, tmp_path):
        (tmp_path / "persons.csv").write_text("PersonId;Voornaam\n1;Jan\n2;")
        assert len(read_persons(FileSource(path="persons.csv"), tmp_path).persons) == 2


class TestFormat:
    @pytest.mark.parametrize(
        ("said", "content", "found"),
        [("csv", b"PAR1...", "parquet"), ("parquet", b"PersonId\n1\n", "csv"), ("xlsx", b"PAR1...", "parquet")],
    )
    def test_another_format_than_was_said_is_an_error(self, tmp_path, said, content, found):
        (tmp_path / "persons").write_bytes(content)
        with pytest.raises(SourceError, match=f"source.format says {said}. Set it to {found} or auto"):
            read_persons(FileSource(path="persons", format=said), tmp_path)

    def test_the_notes_say_which_file_was_taken(self, tmp_path):
        (tmp_path / "persons-1.csv").write_text(JAN)
        (tmp_path / "persons-2.csv").write_text(PIET)
        extract = read_persons(FileSource(path="persons-*.csv"), tmp_path)
        assert extract.notes["file"] == f"{tmp_path}/persons-2.csv"

    def test_a_home_folder_is_known(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "persons.csv").write_text(JAN)
        assert len(read_persons(FileSource(path="~/persons.csv"), tmp_path / "elsewhere").persons) == 1
