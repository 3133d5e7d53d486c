"""``moodle-coupling preview``: from files to a plan, on stdout or in a file, with nothing written to Moodle."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from moodle_coupling.cli import main
from moodle_coupling.matching.frames import PLAN_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

PERSONS = """PersonId;ExternId;Voornaam;Tussenvoegsel;Achternaam;E-mail;Inactief
1;E1;Anna;van der;Berg;anna@example.org;nee
2;E2;Bert;;Jansen;bert@example.org;nee
3;;Cees;;Pietersen;cees@example.org;nee
5;E5;Weg;;Gegaan;weg@example.org;ja
"""
ACCOUNTS = """id,username,email,idnumber,firstname,lastname,auth,suspended
11,anna-vanderberg,ANNA@example.org,E1,Anna,Berg,manual,0
13,weg,weg@example.org,E5,Weg,Gegaan,manual,0
"""
MAPPING = """environment: school
connection: moodle_school
source:
  path: persons.csv
idnumber: extern_id
"""
KEYS = [
    "person_id",
    "extern_id",
    "idnumber",
    "account_id",
    "verdict",
    "action",
    "username",
    "firstname",
    "lastname",
    "email",
    "changes",
    "reasons",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with a mapping, persons and accounts, as working directory."""
    folder = tmp_path / "include" / "mappings"
    folder.mkdir(parents=True)
    (folder / "school.yaml").write_text(MAPPING)
    (folder / "persons.csv").write_text(PERSONS)
    (tmp_path / "people.csv").write_text(PERSONS)
    (tmp_path / "accounts.csv").write_text(ACCOUNTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(folder))
    return tmp_path


def json_rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["preview", "school", "--format", "json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


ACCESS = """access:
  rules:
    - cohort: staf
      when: [{column: lastname, any_of: [Jansen]}]
  source:
    path: enrolments.csv
    columns: {person_id: PersonId, course: Cursus, until: Tot}
"""
ENROLMENTS = """PersonId;Cursus;Tot
1;BHV;2027-06-30
2;=EHBO;31-31-31
99;BHV;
"""


@pytest.fixture
def access(project: Path) -> Path:
    """That project, with access by a rule and by a list."""
    (project / "include" / "mappings" / "school.yaml").write_text(MAPPING + ACCESS)
    (project / "include" / "mappings" / "enrolments.csv").write_text(ENROLMENTS)
    return project


@pytest.mark.usefixtures("access")
class TestAccess:
    def test_each_person_is_told_where_they_belong_and_why_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["preview", "school", "--format", "json", "--accounts", "accounts.csv"]) == 0
        said = capsys.readouterr()
        rows = {row["person_id"]: row for row in map(json.loads, said.out.splitlines())}
        assert list(rows["1"]) == [*KEYS, "access"]
        unsaid = {"role": "", "suspended": False, "code": "", "value": "", "from": "", "until": ""}
        anna = unsaid | {"kind": "course", "target": "BHV", "role": "student", "until": "2027-06-30 22:00 UTC"}
        assert rows["1"]["access"] == [anna]
        assert [(one["target"], one["code"], one["value"]) for one in rows["2"]["access"]] == [
            ("staf", "", ""),
            ("=EHBO", "date_unread", "31-31-31"),
        ]
        assert rows["3"]["access"] == []
        assert "Rows of the list of access that name nobody of the source, or several: 1" in said.err

    def test_the_table_says_it_in_words_of_the_language(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["preview", "school", "--accounts", "accounts.csv", "--lang", "nl"]) == 0
        words = " ".join(capsys.readouterr().out.split())
        assert "Hoort in" in words
        assert "staf" in words

    def test_a_spreadsheet_has_it_too_and_no_formula(self, access: Path) -> None:
        assert main(["preview", "school", "--accounts", "accounts.csv", "--output", "plan.csv"]) == 0
        with (access / "plan.csv").open(newline="", encoding="utf-8") as file:
            rows = {row["person_id"]: row["access"] for row in csv.DictReader(file)}
        assert [one["target"] for one in json.loads(rows["2"])] == ["staf", "=EHBO"]
        assert "=" not in rows["2"]

    def test_only_those_who_are_asked_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        (row,) = json_rows(capsys, "--accounts", "accounts.csv", "--only", "E1")
        assert [one["target"] for one in row["access"]] == ["BHV"]


@pytest.mark.usefixtures("project")
class TestJson:
    def test_every_row_has_the_same_keys_and_absent_is_empty_or_null(self, capsys: pytest.CaptureFixture[str]) -> None:
        rows = json_rows(capsys, "--persons", "people.csv", "--accounts", "accounts.csv")
        assert [list(row) for row in rows] == [KEYS] * 4
        anna, bert, cees, gone = rows
        assert (anna["account_id"], anna["verdict"], anna["action"]) == (11, "linked", "update")
        assert anna["changes"] == {"lastname": ["Berg", "van der Berg"]}
        assert anna["reasons"] == []
        assert (bert["account_id"], bert["verdict"], bert["action"]) == (None, "new", "create")
        assert bert["changes"]["createpassword"] == [None, True]
        assert (cees["extern_id"], cees["verdict"], cees["action"]) == ("", None, "reject")
        assert set(cees["reasons"][0]) == {"code", "field", "message"}
        assert (gone["person_id"], gone["account_id"], gone["verdict"]) == ("5", 13, "orphan")

    def test_changed_leaves_orphans_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        rows = json_rows(capsys, "--accounts", "accounts.csv", "--changed")
        assert [row["verdict"] for row in rows] == ["linked", "new", None]

    @pytest.mark.parametrize("id_", ["2", "E2"])
    def test_only_shows_those_persons(self, capsys: pytest.CaptureFixture[str], id_: str) -> None:
        rows = json_rows(capsys, "--accounts", "accounts.csv", "--only", id_)
        assert [row["person_id"] for row in rows] == ["2"]

    def test_rejections_are_told_in_dutch_when_asked(self, capsys: pytest.CaptureFixture[str]) -> None:
        english = json_rows(capsys, "--only", "3")[0]["reasons"][0]["message"]
        dutch = json_rows(capsys, "--only", "3", "--lang", "nl")[0]["reasons"][0]["message"]
        assert english != dutch
        assert "ontbreekt" in dutch

    def test_without_accounts_everyone_is_new_and_that_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["preview", "school", "--format", "json"]) == 0
        shown = capsys.readouterr()
        assert [json.loads(line)["verdict"] for line in shown.out.splitlines()] == ["new", "new", None]
        assert "empty Moodle is assumed" in shown.err


class TestFiles:
    def test_csv_parquet_and_json_hold_the_same_plan(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("plan.csv", "plan.parquet", "plan.jsonl"):
            assert main(["preview", "school", "--accounts", "accounts.csv", "--output", name]) == 0
            assert f"4 rows written to {name}" in capsys.readouterr().err
        with (project / "plan.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        frame = pd.read_parquet(project / "plan.parquet")
        lines = (project / "plan.jsonl").read_text(encoding="utf-8").splitlines()
        assert list(rows[0]) == list(frame.columns) == list(PLAN_COLUMNS)
        assert [row["evidence"] for row in rows] == list(frame["evidence"])
        assert [json.loads(line)["changes"] for line in lines] == [json.loads(row["changes"]) for row in rows]

    @pytest.mark.usefixtures("project")
    def test_the_table_can_be_read_and_ends_with_the_counts(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["preview", "school", "--accounts", "accounts.csv"]) == 0
        shown = capsys.readouterr().out
        assert "lastname: 'Berg' → 'van der Berg'" in shown
        assert "Actions: 1 create, 1 update, 1 none, 1 reject" in shown
        assert "1 rejected before matching" in shown

    def test_a_name_does_not_drive_the_terminal(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        accounts = ACCOUNTS.replace(",Anna,Berg", ",\x1b[31mAnna[bold],Berg")
        (project / "accounts.csv").write_text(accounts)
        assert main(["preview", "school", "--accounts", "accounts.csv"]) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "[bold]" in shown

    def test_lines_that_cannot_be_read_are_counted_and_told(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "people.csv").write_text(PERSONS + "6;E6;Dirk;;Smit;dirk@example.org;nee;too;many\n")
        assert main(["preview", "school", "--persons", "people.csv"]) == 0
        assert "line 6" in capsys.readouterr().err

    def test_a_field_that_the_accounts_file_lacks_is_told(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with (project / "include/mappings/school.yaml").open("a") as stream:
            stream.write("fields:\n  city:\n    value: Ede\n")
        assert main(["preview", "school", "--accounts", "accounts.csv"]) == 0
        assert "accounts.csv has no column city: not compared" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
class TestSources:
    def test_a_database_is_read_and_says_nothing_on_the_plans_own_way_out(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connection = sqlite3.connect(project / "hr.db")
        connection.execute(
            "CREATE TABLE staff AS SELECT 7 AS person_id, 'E7' AS extern_id, 'Noor' AS voornaam, 'Smit' AS achternaam, '' AS email"
        )
        connection.close()
        monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps({"conn_type": "sqlite", "host": str(project / "hr.db")}))
        source = "source: {type: sql, connection: hr, table: staff}"
        (project / "include/mappings/school.yaml").write_text(MAPPING.replace("source:\n  path: persons.csv", source))
        assert [row["idnumber"] for row in json_rows(capsys)] == ["E7"]

    def test_several_sources_are_one_and_what_they_say_differently_is_shown(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "include/mappings/it.csv").write_text(
            "ExternId;Achternaam;E-mail\nE1;Bergsma;anna@example.org\nE3\n"
        )
        source = "source:\n  - path: persons.csv\n  - {path: it.csv, name: IT}"
        (project / "include/mappings/school.yaml").write_text(MAPPING.replace("source:\n  path: persons.csv", source))
        assert main(["preview", "school", "--format", "json", "--only", "E1"]) == 0
        told = capsys.readouterr()
        row = json.loads(told.out)
        assert [(reason["code"], reason["field"]) for reason in row["reasons"]] == [("sources_differ", "lastname")]
        assert "'Bergsma' in IT" in row["reasons"][0]["message"]
        assert "IT, line 3: Line 3 has 1 cells" in told.err

    def test_a_file_takes_the_place_of_all_of_them_and_may_be_old(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = "source:\n  - {type: sql, connection: none, table: x}\n  - {path: none.csv, stale: refuse}"
        (project / "include/mappings/school.yaml").write_text(MAPPING.replace("source:\n  path: persons.csv", source))
        os.utime(project / "people.csv", (1, 1))
        assert [row["person_id"] for row in json_rows(capsys, "--persons", "people.csv")] == ["1", "2", "3"]

    def test_an_old_file_is_told(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        os.utime(project / "include/mappings/persons.csv", (1, 1))
        assert main(["preview", "school", "--format", "json"]) == 0
        assert "persons.csv is old: it was written at 1970-01-01" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
class TestWrong:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["nowhere"], "no mapping file 'nowhere'"),
            (["school", "--persons", "nowhere.csv"], "nowhere.csv"),
            (["school", "--accounts", "nowhere.csv"], "nowhere.csv"),
            (["school", "--only", "unknown"], "no person has the id unknown"),
            (["school", "--output", "no/such/folder.csv"], "cannot be written"),
        ],
    )
    def test_a_wrong_input_is_told_in_a_line_with_status_1(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
    ) -> None:
        assert main(["preview", *arguments]) == 1
        shown = capsys.readouterr()
        assert words in shown.err
        assert "Traceback" not in shown.err
        assert shown.out == ""

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["school", "--format", "xml"],
            ["school", "--format", "parquet"],
            ["school", "--connection", "moodle_x"],
            ["school", "--unknown"],
        ],
    )
    def test_a_usage_error_is_status_2(self, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert main(["preview", *arguments]) == 2
        assert "usage:" in capsys.readouterr().err
