"""Rows of persons: read whatever the case of their keys, and refused where they are no persons."""

from __future__ import annotations

from typing import Any

import pytest
from hooks.coachview_small import guid, person_row

from moodle_coupling.errors import CoachviewAnswerUnreadable
from moodle_coupling.hooks.coachview.rows import (
    CoachviewPerson,
    category_names,
    check_persons,
    lowered,
    person,
    text_at,
)


def read(row: dict[str, Any], **other: Any) -> CoachviewPerson:
    return person(lowered(row), **{"person_id_key": "id", "free": {}, **other})


def test_a_row_gives_what_the_coupling_needs_of_a_person() -> None:
    row = person_row(
        1, inactief=True, titel="drs.", geboortedatum="1980-01-01", tel1="038 1234567", email2="j@example.org"
    )
    assert read(row) == CoachviewPerson(
        id=guid(1), person_id=guid(1), extern_id="E1", extern_source="HR", initials="J.", firstname="Jan 1",
        infix="van der", lastname="Jansen", email1="jan1@example.org", email2="j@example.org", inactive=True,
        city="Zwolle", country="NL", changed="2020-06-01T09:30:00",
    )  # fmt: skip


def test_nothing_else_of_a_person_is_kept() -> None:
    assert "1980" not in repr(read(person_row(1, geboortedatum="1980-01-01", tel1="038 1234567")))


def test_only_the_surname_is_sure_to_be_there() -> None:
    assert read({"id": "a", "achternaam": "Jansen"}) == CoachviewPerson(id="a", person_id="a", lastname="Jansen")


def test_names_of_keys_match_without_letter_case() -> None:
    row = {"ID": "a", "Achternaam": "Jansen", "ADRES": {"Plaats": "Zwolle", "LandCode": "NL"}, "ExternID": "7"}
    found = read(row)
    assert (found.city, found.country, found.extern_id) == ("Zwolle", "NL", "7")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"achternaam": "x"}, "no id. Keys on it: achternaam"),
        ({"id": None, "achternaam": "x"}, "no id"),
        ({"id": " ", "achternaam": "x"}, "no id"),
        ({"id": "a", "achternaam": ["x"]}, "'achternaam' is a list"),
        ({"id": "a", "achternaam": "x", "email1": {"adres": "geheim@example.org"}}, "'email1' is a group"),
        (
            {"id": "a", "achternaam": "x", "adres": "Dorpsstraat 1"},
            "'adres.plaats' leads into something that is no object",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_by_its_keys_never_by_its_values(row: dict[str, Any], said: str) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match=said) as caught:
        read(row)
    assert not {"geheim", "Dorpsstraat", "Excel"} & set(str(caught.value).replace("@", " ").split())


def test_another_key_may_be_the_person_id() -> None:
    assert read({"id": "a", "achternaam": "x", "persoonNummer": 42}, person_id_key="persoonNummer").person_id == "42"
    assert read({"id": "a", "achternaam": "x", "keys": {"number": "7"}}, person_id_key="keys.number").person_id == "7"
    assert read({"id": "a", "achternaam": "x"}, person_id_key="persoonNummer").person_id == ""


def test_one_person_may_lack_surname_or_person_id_and_all_of_several_may_not() -> None:
    whole, bare = {"id": "a", "achternaam": "x", "nummer": 1}, {"id": "b"}
    check_persons([], "nummer")
    check_persons([bare], "nummer")
    check_persons([bare, whole], "nummer")
    with pytest.raises(CoachviewAnswerUnreadable, match="so they are no persons"):
        check_persons([bare, {"id": "c"}], "id")
    with pytest.raises(CoachviewAnswerUnreadable, match="no row has 'nummer', the connection's person_id_key"):
        check_persons([{"id": "b", "achternaam": "y"}, {"id": "c", "nummer": None}], "nummer")


@pytest.mark.parametrize(
    ("value", "inactive", "unread"),
    [(True, True, ""), (False, False, ""), (None, False, ""), ("", False, ""), ("TRUE", True, ""), ("false", False, ""),
     ("ja", True, ""), (1, True, ""), (0, False, ""), ("misschien", False, "misschien"), (2, False, "2"),
     ({"x": 1}, False, "{'x': 1}")],
)  # fmt: skip
def test_inactive_is_yes_or_no_and_anything_else_is_kept_as_unread(value: Any, *, inactive: bool, unread: str) -> None:
    found = read(person_row(1, inactief=value))
    assert (found.inactive, found.inactive_unread) == (inactive, unread)


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), ("", ""), (0, "0"), (1.5, "1.5"), (True, "true"), (" a ", " a ")]
)
def test_values_become_text_as_they_are(value: Any, text: str) -> None:
    assert text_at({"x": value}, "x") == text


def test_a_path_that_ends_early_is_empty() -> None:
    assert text_at({"adres": None}, "adres.plaats") == ""
    assert text_at({}, "adres.plaats") == ""


def test_names_of_categories() -> None:
    assert category_names([{"naam": "Docent"}, {"Naam": "Cursist"}, {"naam": "Docent"}], "x") == ("Docent", "Cursist")
    assert category_names([], "x") == ()


@pytest.mark.parametrize("row", [{}, {"naam": None}, {"naam": " "}, {"omschrijving": "x"}])
def test_a_category_without_a_name_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(CoachviewAnswerUnreadable, match="no 'naam'"):
        category_names([row], "Persoonscategorieen")
