"""``moodle-coupling init``: what it makes of a source's headings validates, and previews as one would expect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openpyxl import Workbook

from moodle_coupling.cli import main
from moodle_coupling.mapping.file import load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).resolve().parents[2] / "include" / "samples"
DUTCH = """\
Studentnummer;Roepnaam;Tussenv.;Familienaam;Schoolmail;Privé-mail;Woonplaats leerling;Klas;Uit dienst
1001;Zoë;van der;Meer;zoe@example.org;zoe.thuis@example.org;Utrecht;4H2;nee
1002;Ali;;Kaya;ali@example.org;;Ede;4H1;ja
1003;Bo;de;Vries;bo@example.org;;Ede;4H1;nee
"""
ENGLISH = """\
Employee no,Forename(s),Surname,Work e-mail,Home town,Cost centre
E1,Zoë,Meer,zoe@example.org,Utrecht,#12: "A"
E2,Ali,Kaya,ali@example.org,Ede,12
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "include" / "mappings"
    made.mkdir(parents=True)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(made))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    return made


@pytest.fixture
def preview(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    """Give the function that makes a mapping, validates it, and gives the rows of its plan for an empty Moodle."""

    def run(environment: str, *init: str) -> list[dict[str, Any]]:
        assert main(["init", environment, *init]) == 0
        assert main(["validate", str(folder / f"{environment}.yaml")]) == 0
        capsys.readouterr()
        assert main(["preview", environment, "--format", "json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_the_sample_needs_no_guess(folder: Path, preview: Callable[..., list[dict[str, Any]]]) -> None:
    shutil.copytree(SAMPLES, folder.parent / "samples")
    plan = preview("school", "--from", str(folder.parent / "samples" / "persons.csv"))
    mapping = load_mapping(folder / "school.yaml")
    (source,) = mapping.sources
    assert source.model_dump()["path"] == "../samples/persons.csv"
    assert source.columns == {}
    assert (str(mapping.idnumber), str(mapping.username.recipe)) == ("extern_id", "first_infix_last")
    assert [str(name) for name in mapping.fields] == ["auth", "city", "country", "department"]
    assert sum(row["action"] == "create" for row in plan) > 300
    assert {row["idnumber"][:3] for row in plan if row["action"] == "create"} == {"CV-"}


def test_dutch_headings_of_its_own_are_guessed(folder: Path, preview: Callable[..., list[dict[str, Any]]]) -> None:
    (folder / "leerlingen.csv").write_text(DUTCH, encoding="utf-8")
    plan = preview("school", "--from", str(folder / "leerlingen.csv"))
    mapping = load_mapping(folder / "school.yaml")
    assert mapping.sources[0].columns == {
        "person_id": "Studentnummer",
        "infix": "Tussenv.",
        "lastname": "Familienaam",
        "email1": "Schoolmail",
        "email2": "Privé-mail",
        "city": "Woonplaats leerling",
        "inactive": "Uit dienst",
    }
    assert str(mapping.idnumber) == "person_id"
    made = {row["idnumber"]: (row["username"], row["email"]) for row in plan if row["action"] == "create"}
    assert made == {"1001": ("zoe-vander-meer", "zoe@example.org"), "1003": ("bo-de-vries", "bo@example.org")}


def test_english_headings_of_its_own_are_guessed(folder: Path, preview: Callable[..., list[dict[str, Any]]]) -> None:
    (folder / "staff.csv").write_text(ENGLISH, encoding="utf-8")
    plan = preview("staff", "--from", str(folder / "staff.csv"), "--connection", "moodle_hr")
    mapping = load_mapping(folder / "staff.yaml")
    assert mapping.connection == "moodle_hr"
    assert mapping.sources[0].columns["person_id"] == "Employee no"
    assert mapping.sources[0].columns["firstname"] == "Forename(s)"
    assert [(row["idnumber"], row["username"]) for row in plan] == [("E1", "zoe-meer"), ("E2", "ali-kaya")]
    assert '#   costcentre: "Cost centre"' in (folder / "staff.yaml").read_text(encoding="utf-8")


def test_what_was_guessed_and_left_aside_is_told_in_the_configured_language(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    (folder / "leerlingen.csv").write_text(DUTCH, encoding="utf-8")
    assert main(["init", "school", "--from", str(folder / "leerlingen.csv")]) == 0
    out = capsys.readouterr().out
    assert "person_id uit 'Studentnummer'" in out
    assert "Niet gebruikt: Klas." in out
    text = (folder / "school.yaml").read_text(encoding="utf-8")
    assert "# GERADEN: " in text
    assert load_mapping(folder / "school.yaml").environment == "school"


def test_a_file_that_is_there_stays_unless_force_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "staff.csv").write_text(ENGLISH, encoding="utf-8")
    (folder / "staff.yaml").write_text("mine\n", encoding="utf-8")
    init = ["init", "staff", "--from", str(folder / "staff.csv")]
    assert main(init) == 1
    assert "--force" in capsys.readouterr().err
    assert (folder / "staff.yaml").read_text(encoding="utf-8") == "mine\n"
    assert main([*init, "--force"]) == 0
    assert load_mapping(folder / "staff.yaml").environment == "staff"
    assert sorted(path.name for path in folder.iterdir()) == ["staff.csv", "staff.yaml"]


def test_two_headings_that_mean_the_same_are_both_kept(
    folder: Path, preview: Callable[..., list[dict[str, Any]]]
) -> None:
    (folder / "two.csv").write_text(
        "PersonId;Voornaam;Roepnaam;Achternaam;E-mail;Mail\n1;Johannes;Jan;Bos;jan@example.org;jan2@example.org\n",
        encoding="utf-8",
    )
    (row,) = preview("two", "--from", str(folder / "two.csv"))
    assert (row["firstname"], row["email"]) == ("Johannes", "jan@example.org")
    assert load_mapping(folder / "two.yaml").sources[0].columns == {"roepnaam": "Roepnaam", "email2": "Mail"}


def test_a_workbook_is_looked_at_too(folder: Path, preview: Callable[..., list[dict[str, Any]]]) -> None:
    book = Workbook()
    for row in (["Leerlingnummer", "Roepnaam", "Achternaam", "Mailadres"], ["7", "Bo", "Bos", "bo@example.org"]):
        book.active.append(row)
    book.save(folder / "book.xlsx")
    (found,) = preview("book", "--from", str(folder / "book.xlsx"))
    assert (found["idnumber"], found["username"], found["email"]) == ("7", "bo-bos", "bo@example.org")


def test_a_table_of_a_database_is_looked_at_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preview: Callable[..., list[dict[str, Any]]]
) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "people.db") as database:
        database.execute("CREATE TABLE people (staff_no TEXT, firstname TEXT, lastname TEXT, work_mail TEXT)")
        database.execute("INSERT INTO people VALUES ('9', 'Bo', 'Bos', 'bo@example.org')")
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "people.db")}))
    (row,) = preview("people", "--from", "people", "--table", "people")
    assert (row["idnumber"], row["username"], row["email"]) == ("9", "bo-bos", "bo@example.org")


def test_coachview_is_not_asked_anything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CV", json.dumps({"conn_type": "coachview", "host": "http://127.0.0.1:9"}))
    assert main(["init", "academy", "--from", "cv"]) == 0
    mapping = load_mapping(folder / "academy.yaml")
    assert mapping.sources[0].model_dump()["connection"] == "cv"
    assert str(mapping.username.recipe) == "first_infix_last"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["school", "--from", "nowhere/persons.csv"], "There is no file"),
        (["school", "--from", "nobody"], "neither a file here nor an Airflow connection"),
        (["school", "--from", "a_moodle"], "--connection"),
        (["school", "--from", "a_database"], "--table"),
        (["No Such Name", "--from", "{csv}"], "environment"),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is_written(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A_MOODLE", json.dumps({"conn_type": "moodle", "host": "https://m.example.org"}))
    monkeypatch.setenv("AIRFLOW_CONN_A_DATABASE", json.dumps({"conn_type": "postgres", "host": "db.example.org"}))
    (tmp_path / "staff.csv").write_text(ENGLISH, encoding="utf-8")
    assert main(["init", *(one.format(csv=tmp_path / "staff.csv") for one in arguments)]) == 1
    assert said in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_heading_that_yaml_reads_otherwise_is_quoted(folder: Path) -> None:
    (folder / "odd.csv").write_text("yes;E-mail: 'werk' # 1;Naam\n1;bo@example.org;Bo\n", encoding="utf-8")
    assert main(["init", "odd", "--from", str(folder / "odd.csv")]) == 0
    said = yaml.safe_load((folder / "odd.yaml").read_text(encoding="utf-8"))
    assert said["source"]["columns"] == {"email1": "E-mail: 'werk' # 1", "person_id": "yes"}
