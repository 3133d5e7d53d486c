"""Two mapping files with one connection: the first goes on, the newcomer is refused; and validate says so beforehand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from moodle_coupling.cli import main
from moodle_coupling.errors import MappingError
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.leases import claim, owner_of
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.run import refuse_newcomer, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", url)
    schema.upgrade(url)
    found = open_ledger(url)
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(folder))
    return folder


def couple(folder: Path, name: str, connection: str = "moodle_x", more: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"environment: {name}\nconnection: {connection}\nsource: {{path: a.csv}}\nidnumber: extern_id\n{more}"
    )
    return path


def run_of(ledger: Ledger, folder: Path, name: str) -> str:
    """What a run of this environment meets: '' when it goes on, else the error."""
    try:
        refuse_newcomer(ledger, load_mapping(folder / f"{name}.yaml"), folder)
    except MappingError as error:
        return str(error)
    return ""


def test_who_ran_first_goes_on_whatever_the_names(ledger, folder):
    couple(folder, "school")
    assert run_of(ledger, folder, "school") == ""
    couple(folder, "academy")
    assert "connection: 'moodle_x' is the connection of school.yaml, which had it first" in run_of(
        ledger, folder, "academy"
    )
    assert run_of(ledger, folder, "school") == ""
    assert list(refused(ledger, folder)) == ["academy"]


def test_a_first_file_that_turns_wrong_does_not_lose_its_moodle_to_the_newcomer(ledger, folder):
    couple(folder, "school")
    run_of(ledger, folder, "school")
    couple(folder, "academy")
    couple(folder, "school", more="fields: [\n")
    assert "which had it first" in run_of(ledger, folder, "academy")


def test_one_that_changes_its_connection_is_the_newcomer_there(ledger, folder):
    couple(folder, "old", "moodle_old")
    couple(folder, "school")
    assert run_of(ledger, folder, "old") == run_of(ledger, folder, "school") == ""
    couple(folder, "old")
    assert "is the connection of school.yaml" in run_of(ledger, folder, "old")


def test_a_renamed_file_takes_its_moodle_along(ledger, folder):
    couple(folder, "school")
    run_of(ledger, folder, "school")
    (folder / "school.yaml").unlink()
    couple(folder, "academy")
    assert run_of(ledger, folder, "academy") == ""
    assert owner_of(ledger, "moodle_x", ["academy", "school"]) == "academy"


def test_a_ledger_from_before_knows_by_its_runs(ledger):
    begin_run(ledger, "school", "d", "r", mode="full")
    assert owner_of(ledger, "moodle_x", ["academy", "school"]) == "school"
    assert owner_of(ledger, "moodle_y", ["b", "a"]) == "a"
    assert claim(ledger, "moodle_x", ["academy", "school"]) == "school"


class TestValidate:
    def test_a_folder_in_order_is_status_0(self, folder, capsys):
        couple(folder, "school", more="schedule: {provision: '@hourly'}\n")
        assert main(["validate"]) == 0
        shown = capsys.readouterr().out
        assert "school.yaml  moodle_x    @hourly    by hand    right" in shown
        assert "1 mapping file, 0 wrong." in shown

    def test_all_files_and_what_does_not_fit_between_them(self, folder, capsys):
        couple(folder, "a")
        couple(folder, "b")
        couple(folder, "c", "moodle_c", more="fields: {city: {column: [city]}}\n")
        (folder / "d.yml").write_text("environment: d")
        couple(folder, "e", "moodle_e").rename(folder / "f.yaml")
        assert main(["validate", str(folder)]) == 1
        shown = capsys.readouterr().out
        assert "b.yaml:2:1: connection: 'moodle_x' is the connection of a.yaml" in shown
        assert "fields.city.column: must be a text, not a list" in shown
        assert "a mapping file is called d.yaml" in shown
        assert "f.yaml:1:1: environment: 'e' is not the name of the file" in shown
        assert "5 mapping files, 4 wrong." in shown

    def test_one_file_may_be_asked_for(self, folder, capsys):
        couple(folder, "a", "moodle_a")
        couple(folder, "b", "moodle b")
        assert main(["validate", str(folder / "a.yaml")]) == 0
        assert main(["validate", str(folder / "b.yaml")]) == 1
        assert main(["validate", str(folder / "none.yaml")]) == 1
        assert "There are no mapping files in" in capsys.readouterr().out


def test_status_tells_of_wrong_files_also_of_one_that_names_no_connection(ledger, folder, capsys):
    couple(folder, "school")
    couple(folder, "other", "moodle_o", more="usernam: {}\n")
    (folder / "empty.yaml").write_text("")
    main(["status"])
    shown = capsys.readouterr().out
    assert "empty is held up.\n  Its mapping file is wrong: " in shown
    assert re.search(r"other \(connection moodle_o\) is .*\n  Its mapping file is wrong: ", shown)
    assert "unknown key; did you mean 'username'?" in shown
