"""A list of access, read through the sources of persons: its own columns, and who is named by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from moodle_coupling.contract.frames import ACCESS_LIST
from moodle_coupling.errors import SourceError
from moodle_coupling.sources.access_list import read_list
from moodle_coupling.sources.files.settings import AccessFile

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str, **columns: str) -> list[dict[str, Any]]:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    found = read_list(AccessFile(path="list.csv", columns=columns), tmp_path)
    assert ACCESS_LIST.misfit(found.rows) is None
    return [{name: value for name, value in row.items() if value != ""} for row in found.rows.to_dict("records")]


def test_one_person_may_have_many_rows_and_the_line_is_kept(tmp_path):
    text = "PersonId;Cursus;Van\np1;BHV;2027-01-01\n\np1;EHBO;\n"
    assert read(tmp_path, text, course="Cursus", **{"from": "Van"}) == [
        {"line": 2, "person_id": "p1", "course": "BHV", "from": "2027-01-01"},
        {"line": 4, "person_id": "p1", "course": "EHBO"},
    ]


@pytest.mark.parametrize("columns", [{}, {"idnumber": "ID number"}])
def test_a_heading_of_the_id_number_names_the_idnumber_and_no_extern_id(tmp_path, columns):
    assert read(tmp_path, "ID number;Groep\nCV-1;a\n", cohort="Groep", **columns) == [
        {"line": 2, "idnumber": "CV-1", "cohort": "a"}
    ]


def test_an_extern_id_stays_one(tmp_path):
    assert read(tmp_path, "ExternId;Groep\nCV-1;a\n", cohort="Groep") == [
        {"line": 2, "extern_id": "CV-1", "cohort": "a"}
    ]


def test_a_line_that_cannot_be_read_makes_the_list_not_whole(tmp_path):
    (tmp_path / "list.csv").write_text("PersonId;Cursus\np1;BHV\np2;BHV;too;many\n", encoding="utf-8")
    found = read_list(AccessFile(path="list.csv", columns={"course": "Cursus"}), tmp_path)
    assert (len(found.rows), found.whole) == (1, False)


def test_a_heading_that_is_gone_is_an_error_and_no_empty_list(tmp_path):
    with pytest.raises(SourceError, match="Cursus"):
        read(tmp_path, "PersonId;Training\np1;BHV\n", course="Cursus")


@pytest.mark.parametrize("columns", [{}, {"idnumber": "ID number"}])
def test_the_rows_of_one_person_are_those_of_any_of_his_ids(tmp_path, columns):
    (tmp_path / "list.csv").write_text("PersonId;ID number;Cursus\np1;;A\n;CV-1;B\np2;CV-2;C\n", encoding="utf-8")
    said = AccessFile(path="list.csv", columns={"course": "Cursus"} | columns)
    assert read_list(said, tmp_path, ids=["p1", "CV-1"]).rows["course"].tolist() == ["A", "B"]
