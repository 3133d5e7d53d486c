"""A column that is used and not there is never an empty one, whatever the source."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping import Mapping
from moodle_coupling.people.transform import transform
from moodle_coupling.sources.contract import Source, Wanted
from moodle_coupling.sources.kinds import open_source
from moodle_coupling.sources.needs import brought_columns, lost_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = {
    "PersonId": "1",
    "ExternId": "A1",
    "Voornaam": "Jan",
    "Tussenvoegsel": "van",
    "Achternaam": "Jansen",
    "E-mail": "jan@example.org",
    "Plaats": "Ede",
    "Inactief": "nee",
}


def csv(folder: Path, row: dict[str, str], name: str = "persons") -> dict[str, Any]:
    (folder / f"{name}.csv").write_text(";".join(row) + "\n" + ";".join(row.values()) + "\n", encoding="utf-8")
    return {"path": f"{name}.csv"}


def xlsx(folder: Path, row: dict[str, str]) -> dict[str, Any]:
    book = openpyxl.Workbook()
    book.active.append(list(row))
    book.active.append(list(row.values()))
    book.save(folder / "persons.xlsx")
    return {"path": "persons.xlsx"}


def parquet(folder: Path, row: dict[str, str]) -> dict[str, Any]:
    pd.DataFrame([row]).to_parquet(folder / "persons.parquet")
    return {"path": "persons.parquet"}


def sql(folder: Path, row: dict[str, str]) -> dict[str, Any]:
    with sqlite3.connect(folder / "hr.db") as connection:
        columns = ", ".join(f"'{value}' AS \"{name}\"" for name, value in row.items())
        connection.execute(f"CREATE TABLE staff AS SELECT {columns}")
    connection.close()
    return {"type": "sql", "connection": "hr", "table": "staff"}


KINDS = [csv, xlsx, parquet, sql]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "hr.db")}))
    return request.param


def mapped(source: Any, **keys: Any) -> Mapping:
    return Mapping.model_validate(
        {
            "environment": "demo",
            "connection": "moodle_demo",
            "source": source,
            "idnumber": "extern_id",
            "fields": {"city": {"column": "city"}},
            **keys,
        }
    )


def opened(folder: Path, source: Any, **keys: Any) -> Source:
    return open_source(mapped(source, **keys), folder)


def renamed(**names: str) -> dict[str, str]:
    return {names.get(name.replace("-", ""), name): value for name, value in GOOD.items()}


def refusal(folder: Path, source: Any, **keys: Any) -> str:
    with pytest.raises(SourceError) as caught:
        opened(folder, source, **keys).extract(Wanted())
    return str(caught.value)


def test_all_there_is_read(tmp_path, kind):
    found = opened(tmp_path, kind(tmp_path, GOOD)).extract(Wanted())
    assert found.persons["city"].tolist() == ["Ede"]
    assert found.left_alone == ()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (
            "Plaats",
            "Plaatsnaam",
            "city (fields.city); did you mean 'Plaatsnaam'? Then say source.columns.city: Plaatsnaam",
        ),
        (
            "Voornaam",
            "Voornaam deelnemer",
            "firstname (every account has a first name); did you mean 'Voornaam deelnemer'",
        ),
        ("ExternId", "Extern-nummer", "extern_id (idnumber)"),
        ("Email", "Mailadres werk", "email1 (email)"),
        ("Tussenvoegsel", "Tussenvoegsel(s)", "infix (the last name and the username are made with it); did you mean"),
        ("Inactief", "Inactief (j/n)", "inactive (it says who has left); did you mean 'Inactief (j/n)'"),
    ],
)
def test_a_renamed_heading_is_an_error_with_the_likeliest_one(tmp_path, kind, old, new, key):
    said = refusal(tmp_path, kind(tmp_path, renamed(**{old: new})))
    assert key in said
    assert f"'{new}'" in said.partition("headings")[2]


def test_a_condition_and_a_recipe_need_their_columns(tmp_path, kind):
    said = refusal(
        tmp_path,
        kind(tmp_path, GOOD),
        scope={"include": [{"column": "department", "equals": "x"}]},
        username={"recipe": "initials_infix_last"},
    )
    assert "department (scope.include[0])" in said
    assert "initials (username.recipe)" in said


def test_inactive_is_needed_where_the_mapping_says_so(tmp_path, kind):
    row = {name: value for name, value in GOOD.items() if name != "Inactief"}
    assert "inactive (scope.inactive)" in refusal(tmp_path, kind(tmp_path, row), scope={"inactive": False})


def test_without_it_is_left_to_who_never_had_it(tmp_path, kind):
    row = {name: value for name, value in GOOD.items() if name not in ("Inactief", "Tussenvoegsel", "PersonId")}
    assert len(opened(tmp_path, kind(tmp_path, row)).extract(Wanted()).persons) == 1


def test_a_field_that_no_heading_can_stand_for_is_left_alone_and_said(tmp_path, kind):
    row = {name: value for name, value in GOOD.items() if name != "Plaats"}
    mapping = mapped(kind(tmp_path, row))
    found = open_source(mapping, tmp_path).extract(Wanted())
    assert found.left_alone == ("city",)
    assert "fields.city (city): the field is left as it is in Moodle" in str(found.warnings[-1])
    candidates = transform(found.persons, mapping.leaving_alone(found.left_alone)).candidates
    assert "city" not in candidates


@pytest.mark.parametrize("column", ["infix", "inactive"])
def test_what_a_source_does_not_have_on_purpose_is_said_in_the_mapping(tmp_path, kind, column):
    heading = {"infix": "Tussenvoegsel", "inactive": "Inactief"}[column]
    settings = kind(tmp_path, renamed(**{heading: f"{heading} (oud)"})) | {"without": [column]}
    assert len(opened(tmp_path, settings).extract(Wanted()).persons) == 1


class TestSinceTheLastGoodRun:
    def lost(self, folder: Path, gone: str, before: list[str], **keys: Any) -> str:
        mapping = mapped(csv(folder, {name: value for name, value in GOOD.items() if name != gone}), **keys)
        found = open_source(mapping, folder).extract(Wanted())
        try:
            lost_columns(mapping, found, dict.fromkeys(brought_columns(mapping, found, {}), before))
        except SourceError as error:
            return str(error)
        return ""

    @pytest.mark.parametrize(
        ("gone", "column"), [("Tussenvoegsel", "infix"), ("Inactief", "inactive"), ("Plaats", "city")]
    )
    def test_a_used_column_that_is_gone_is_an_error(self, tmp_path, gone, column):
        assert f"- {column} (" in self.lost(tmp_path, gone, [column, "extern_id"])
        assert self.lost(tmp_path, gone, ["extern_id"]) == ""

    def test_one_that_nothing_uses_is_not_missed(self, tmp_path):
        assert self.lost(tmp_path, "PersonId", ["person_id", "department"]) == ""

    def test_one_that_the_mapping_says_is_gone_is_not_missed(self, tmp_path):
        row = {name: value for name, value in GOOD.items() if name != "Tussenvoegsel"}
        mapping = mapped(csv(tmp_path, row) | {"without": ["infix"]})
        found = open_source(mapping, tmp_path).extract(Wanted())
        lost_columns(mapping, found, {key: ["infix"] for key in brought_columns(mapping, found, {})})

    def test_another_source_has_its_own_columns(self, tmp_path):
        first = mapped(csv(tmp_path, GOOD, "old"))
        before = brought_columns(first, open_source(first, tmp_path).extract(Wanted()), {})
        second = mapped(csv(tmp_path, {name: text for name, text in GOOD.items() if name != "Inactief"}, "new"))
        lost_columns(second, open_source(second, tmp_path).extract(Wanted()), before)


class TestSeveral:
    def both(self, folder: Path, second: dict[str, str]) -> list[dict[str, Any]]:
        return [csv(folder, GOOD, "hr") | {"name": "HR"}, csv(folder, second, "it") | {"name": "IT"}]

    def test_what_one_of_them_brings_is_there(self, tmp_path):
        second = {"ExternId": "A1", "Afdeling": "ICT"}
        found = opened(tmp_path, self.both(tmp_path, second)).extract(Wanted())
        assert [one.source for one in found.brought] == ["HR", "IT"]

    def test_a_heading_that_looks_renamed_in_one_is_an_error_there(self, tmp_path):
        said = refusal(tmp_path, self.both(tmp_path, renamed(Inactief="Inactief j/n")))
        assert "inactive of IT (it says who has left); did you mean 'Inactief j/n'" in said

    def test_what_none_brings_is_an_error_with_the_headings_of_each(self, tmp_path):
        source = [csv(tmp_path, renamed(Plaats="Ort"), "hr") | {"name": "HR"}, csv(tmp_path, {"ExternId": "A1"}, "it")]
        said = refusal(tmp_path, source)
        assert "city (fields.city)" in said
        assert "The headings of HR are: 'PersonId'" in said

    def test_what_one_of_them_lost_since_the_last_good_run_is_missed_there(self, tmp_path):
        mapping = mapped(self.both(tmp_path, {"ExternId": "A1", "Afdeling": "ICT"}))
        found = open_source(mapping, tmp_path).extract(Wanted())
        with pytest.raises(SourceError, match=r"city of IT \(fields\.city; the last good run had it\)"):
            lost_columns(mapping, found, {key: ["city"] for key in brought_columns(mapping, found, {})})


def test_a_mapping_that_uses_what_it_says_is_nowhere_is_wrong():
    with pytest.raises(ValueError, match=r"source\.without says that there is no 'city'"):
        mapped({"path": "a.csv", "without": ["city"]})
