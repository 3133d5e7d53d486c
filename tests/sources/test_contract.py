"""What every source must do, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from sources.cases import CASES, Case

from moodle_coupling.contract.columns import PERSON_COLUMNS
from moodle_coupling.errors import CoachviewError, SourceError, SourceUnavailable
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.persons import merge_changed

if TYPE_CHECKING:
    from moodle_coupling.sources.contract import Extract

JAN = {
    "PersonId": "00123",
    "ExternId": "E1",
    "Voornaam": "Jan",
    "Tussenvoegsel": "van der",
    "Achternaam": "Berg",
    "Email": "jan@example.org",
    "Inactief": "nee",
    "Plaats": "Utrecht",
}
ZOE = {"PersonId": "7", "ExternId": "E2", "Voornaam": "Zoë", "Achternaam": "Öztürk", "Inactief": "ja", "Plaats": "Łódź"}
NULL = {"PersonId": "8", "Voornaam": "NA", "Achternaam": "Null", "Plaats": "1e5"}
EVERYONE = [JAN, ZOE, NULL]


@pytest.fixture(params=CASES, ids=lambda kind: kind.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param(request)


def by_id(extract: Extract | pd.DataFrame) -> dict[str, dict[str, object]]:
    persons = extract if isinstance(extract, pd.DataFrame) else extract.persons
    assert persons["person_id"].is_unique
    return {person["person_id"]: person for person in persons.drop(columns="row").to_dict("records")}


def test_it_gives_everyone_in_the_declared_columns(case):
    case.fill(EVERYONE)
    extract = case.open().extract(Wanted())
    assert {name: str(dtype) for name, dtype in extract.persons.dtypes.items()} == {
        column.name: column.dtype for column in PERSON_COLUMNS
    }
    assert extract.complete
    found = by_id(extract)
    assert set(found) == {"00123", "7", "8"}
    assert found["00123"] == dict.fromkeys(found["00123"], "") | {
        "person_id": "00123",
        "extern_id": "E1",
        "firstname": "Jan",
        "infix": "van der",
        "lastname": "Berg",
        "email1": "jan@example.org",
        "inactive": False,
        "city": "Utrecht",
    }
    assert (found["7"]["firstname"], found["7"]["lastname"], found["7"]["city"]) == ("Zoë", "Öztürk", "Łódź")
    assert found["7"]["inactive"] is True


def test_what_is_absent_is_empty_and_text_stays_text(case):
    case.fill(EVERYONE)
    persons = case.open().extract(Wanted()).persons
    assert not persons.isna().any().any()
    null = by_id(persons)["8"]
    assert (null["firstname"], null["lastname"], null["city"]) == ("NA", "Null", "1e5")
    assert (null["extern_id"], null["email1"], null["inactive"]) == ("", "", False)


def test_rows_are_unique_and_the_counts_add_up(case):
    case.fill(EVERYONE)
    extract = case.open().extract(Wanted())
    assert extract.persons["row"].is_unique
    assert (extract.persons["row"] > 0).all()
    counts = extract.counts
    assert (counts.persons, counts.left_out) == (3, 0)
    assert counts.records == counts.persons + counts.left_out + counts.blank


def test_it_says_where_each_column_was_found(case):
    case.fill(EVERYONE)
    headings = case.open().extract(Wanted()).headings
    assert {"person_id", "extern_id", "firstname", "lastname", "inactive"} <= set(headings)
    assert "department" not in headings


def test_nobody_is_an_answer_too(case):
    case.fill([])
    extract = case.open().extract(Wanted())
    assert extract.complete
    assert len(extract.persons) == 0
    assert {name: str(dtype) for name, dtype in extract.persons.dtypes.items()} == {
        column.name: column.dtype for column in PERSON_COLUMNS
    }


@pytest.mark.parametrize(("ids", "found"), [(("00123",), {"00123"}), (("E2", "8"), {"7", "8"}), (("123", "e2"), set())])
def test_ids_give_those_persons_by_either_id_exactly(case, ids, found):
    case.fill(EVERYONE)
    extract = case.open().extract(Wanted(Mode.IDS, ids=ids))
    assert set(extract.persons["person_id"]) == found
    assert not extract.complete
    assert extract.counts.persons == len(found)


def test_a_changed_run_without_a_watermark_gives_everyone(case):
    case.fill(EVERYONE)
    extract = case.open().extract(Wanted(Mode.CHANGED))
    assert extract.complete
    assert set(by_id(extract)) == {"00123", "7", "8"}


def test_what_changed_put_into_what_was_known_is_the_whole(case):
    case.fill([ZOE, NULL])
    case.fill(EVERYONE)
    source = case.open()
    known = source.extract(Wanted())
    case.fill([JAN | {"Plaats": "Delft"}, ZOE, NULL, {"PersonId": "9", "Voornaam": "Nieuw", "Achternaam": "Hier"}])
    changed = source.extract(Wanted(Mode.CHANGED, known.watermark, known=known.kept))
    assert changed.complete is not case.incremental
    if case.incremental:
        assert set(changed.persons["person_id"]) == {"00123", "9"}
    whole = changed.persons if changed.complete else merge_changed(known.persons, changed.persons)
    assert by_id(whole) == by_id(source.extract(Wanted()))
    rows = dict(zip(known.persons["person_id"], known.persons["row"], strict=True))
    assert {key: row for key, row in zip(whole["person_id"], whole["row"], strict=True) if key in rows} == rows
    assert whole["row"].is_unique


def test_the_watermark_goes_on_when_nothing_changed(case):
    case.fill(EVERYONE)
    source = case.open()
    known = source.extract(Wanted())
    again = source.extract(Wanted(Mode.CHANGED, known.watermark, known=known.kept))
    assert again.watermark == known.watermark
    whole = again.persons if again.complete else merge_changed(known.persons, again.persons)
    assert by_id(whole) == by_id(known)


@pytest.mark.parametrize("watermark", ["nonsense", "{}", '{"of": "another"}', "[1]"])
def test_a_watermark_that_is_not_its_own_means_everyone(case, watermark):
    case.fill(EVERYONE)
    extract = case.open().extract(Wanted(Mode.CHANGED, watermark))
    assert extract.complete
    assert len(extract.persons) == 3


def test_a_watermark_of_other_settings_means_everyone(case):
    case.fill(EVERYONE)
    known = case.open().extract(Wanted())
    source = case.open(columns={"free1": "Plaats"})
    extract = source.extract(Wanted(Mode.CHANGED, known.watermark, known=known.kept))
    assert extract.complete
    assert {person["free1"] for person in by_id(extract).values()} == {"Utrecht", "Łódź", "1e5"}


def test_half_is_an_error_and_never_a_smaller_school(case):
    case.fill(EVERYONE)
    source = case.open()
    source.extract(Wanted())
    case.halve()
    with pytest.raises((SourceError, SourceUnavailable, CoachviewError)):
        source.extract(Wanted())


def test_an_error_names_the_source_and_nobody(case):
    case.fill(EVERYONE)
    source = case.open()
    case.halve()
    with pytest.raises((SourceError, SourceUnavailable, CoachviewError)) as caught:
        source.extract(Wanted())
    said = str(caught.value)
    assert any(part in said for part in str(source.where).replace("*", "10").split(" + ")), said
    assert not [
        word for person in EVERYONE for word in (person["Achternaam"], person.get("Email")) if word and word in said
    ]


def test_what_it_says_of_itself_holds_no_secret_and_nobody(case):
    case.fill(EVERYONE)
    source = case.open()
    extract = source.extract(Wanted())
    assert source.kind
    for text in (str(source.where), extract.watermark, *extract.notes.values(), *map(str, extract.warnings)):
        assert "a-password" not in text
        assert "Berg" not in text
        assert "@example.org" not in text
