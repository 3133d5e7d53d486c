"""Parquet: types become texts, rows that are none are told, and half a file is none."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.kinds import read_persons
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract

DUTCH = Texts("nl")


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, row_group_size=2)
    return buffer.getvalue()


def read(folder: Path, data: bytes, **settings: Any) -> Extract:
    (folder / "persons.parquet").write_bytes(data)
    return read_persons(FileSource(path="persons.parquet", **settings), folder)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([1042, None]), ["1042", ""]),
        (pa.array([1042.0, float("nan")]), ["1042", ""]),
        (pa.array([decimal.Decimal("12.50"), decimal.Decimal("7.00")]), ["12.50", "7"]),
        (pa.array(["00123", None]), ["00123", ""]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([dt.date(2024, 5, 1), None]), ["2024-05-01", ""]),
        (
            pa.array([dt.datetime.fromisoformat("2024-05-01"), dt.datetime.fromisoformat("2024-05-01T09:30")]),
            ["2024-05-01", "2024-05-01T09:30:00"],
        ),
        (pa.array([["Docent", "Mentor"], []]), ["Docent|Mentor", ""]),
        (pa.array([b"Zo\xc3\xab", None], pa.binary()), ["Zoë", ""]),
        (pa.array([{"a": 1}, None]), ['{"a": 1}', ""]),
        (pa.nulls(2), ["", ""]),
        (pa.array(["x", "y"], pa.large_string()), ["x", "y"]),
        (pa.array(["x", "y"], pa.string_view()), ["x", "y"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_values_become_the_texts_a_person_would_write(tmp_path, values, texts):
    extract = read(tmp_path, parquet(person_id=["1", "2"], Waarde=values), columns={"free1": "Waarde"})
    assert extract.persons["free1"].tolist() == texts


def test_headings_and_rows_are_found_across_row_groups(tmp_path):
    extract = read(tmp_path, parquet(PersonId=list(range(5)), Voornaam=list("abcde"), Iets=[None] * 5))
    assert extract.persons["row"].tolist() == [1, 2, 3, 4, 5]
    assert extract.persons["person_id"].tolist() == ["0", "1", "2", "3", "4"]
    assert extract.headings == {"person_id": "PersonId", "firstname": "Voornaam"}


def test_rows_that_are_no_text_are_left_out_with_their_number_and_id(tmp_path):
    names = pa.array([b"Jan", b"Zo\xeb", b"Pi\0et", b"Kees"], pa.binary())
    extract = read(tmp_path, parquet(PersonId=["a", "b", "c", "d"], Voornaam=names))
    assert extract.persons["person_id"].tolist() == ["a", "d"]
    assert extract.persons["row"].tolist() == [1, 4]
    assert [(line.line, line.code) for line in extract.left_out] == [(2, "not_text"), (3, "nul_byte")]
    assert str(extract.left_out[0].said).startswith("Row 2 (id b) holds bytes in 'Voornaam' that are no text")
    assert DUTCH.say(extract.left_out[1].said).startswith("Rij 3 (id c) bevat een NUL-byte in 'Voornaam'")
    assert (extract.counts.records, extract.counts.persons, extract.counts.left_out) == (4, 2, 2)


def test_a_row_that_is_wrong_twice_is_left_out_once(tmp_path):
    broken = pa.array([b"\xeb", b"a"], pa.binary())
    extract = read(tmp_path, parquet(PersonId=["a", "b"], Voornaam=broken, Achternaam=broken, Plaats=["x\0", "y"]))
    assert [line.code for line in extract.left_out] == ["not_text"]
    assert (extract.counts.records, extract.counts.persons) == (2, 1)


def test_fewer_rows_than_it_announces_are_an_error(tmp_path, monkeypatch):
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *args, **more: list(whole(*args, **more))[:-1])
    with pytest.raises(SourceError, match="announces 3 rows and holds 2"):
        read(tmp_path, parquet(PersonId=["a", "b", "c"]))


def test_a_text_that_is_none_in_spite_of_its_type_is_left_out(tmp_path):
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"Jan", b"Zo\xeb"], pa.binary()).buffers())
    extract = read(tmp_path, parquet(PersonId=["a", "b"], Voornaam=broken))
    assert extract.persons["firstname"].tolist() == ["Jan"]
    assert [(line.line, line.code) for line in extract.left_out] == [(2, "not_text")]


def test_rows_without_any_text_are_counted(tmp_path):
    extract = read(tmp_path, parquet(PersonId=["1", None, "", "2"], Voornaam=["Jan", None, "", "Piet"]))
    assert extract.persons["row"].tolist() == [1, 4]
    assert (extract.counts.records, extract.counts.blank) == (4, 2)


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_file_that_was_cut_off_is_none(tmp_path, keep):
    data = parquet(PersonId=[str(number) for number in range(1000)])
    with pytest.raises(SourceError, match=r"cannot be read as Parquet .*cut off"):
        read(tmp_path, data[: int(len(data) * keep)])


def test_damage_in_the_middle_is_found(tmp_path):
    data = bytearray(parquet(PersonId=[f"person {number}" for number in range(1000)]))
    data[200:400] = bytes(200)
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read(tmp_path, bytes(data))


def test_without_an_id_the_columns_are_told(tmp_path):
    with pytest.raises(SourceError, match=r"no column with an id .* The headings are: 'Voornaam'"):
        read(tmp_path, parquet(Voornaam=["Jan"]))
