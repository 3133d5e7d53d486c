"""What a plan writes: all of a new account, and of an existing one only what differs and may be written."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import account, account_of, codes, links_frame, mapping, person, plan_of, reasons_frame

ANNA = person(1)


def changes_of(
    anna: dict[str, Any],
    there: dict[str, Any],
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, list[Any]]:
    return plan_of([anna], [there], mapping(**(settings or {})), **options)[0]["changes"]


def test_a_new_account_gets_every_filled_field_and_a_password_mailed_by_moodle() -> None:
    anna = ANNA | {"city": "Utrecht", "country": "", "profile_field_klas": "4B", "profile_field_b": ""}
    changes = plan_of([anna], [], mapping())[0]["changes"]
    assert changes == {
        "username": [None, "anna-bos1x"],
        "firstname": [None, "Anna"],
        "lastname": [None, "Bos1"],
        "email": [None, "anna1@example.org"],
        "idnumber": [None, "E1"],
        "city": [None, "Utrecht"],
        "profile_field_klas": [None, "4B"],
        "createpassword": [None, True],
    }


@pytest.mark.parametrize(
    ("auth", "password", "asked"),
    [
        ("manual", "mailed_by_moodle", True),
        ("email", "mailed_by_moodle", True),
        *((name, "mailed_by_moodle", True) for name in ("nologin", "lti", "none")),
        ("", "mailed_by_moodle", True),
        ("oidc", "mailed_by_moodle", False),
        ("ldap", "mailed_by_moodle", False),
        ("manual", "none", False),
    ],
)
def test_a_password_is_asked_for_where_moodle_keeps_it(auth: str, password: str, asked: bool) -> None:
    changes = plan_of([ANNA | {"auth": auth}], [], mapping(password=password))[0]["changes"]
    assert ("createpassword" in changes) is asked


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"firstname": " Anna "}, {}),
        ({"firstname": "Zoe\u0308"}, {"firstname": "Zo\u00eb"}),
        ({"email": "ANNA1@Example.ORG"}, {}),
        ({"city": "0"}, {"city": "0"}),
        ({"country": "0"}, {"country": ""}),
        ({"country": "0"}, {"country": "Nederland"}),
        ({"profile_field_klas": ""}, {"profile_field_klas": ""}),
        ({}, {"profile_field_klas": ""}),
    ],
)
def test_what_is_the_same_to_moodle_is_not_written(theirs: dict[str, str], ours: dict[str, str]) -> None:
    settings = {
        "fields": {"city": {"column": "city"}, "country": {"column": "country"}},
        "profile_fields": {"klas": {"column": "free1"}},
    }
    assert changes_of(ANNA | ours, account_of(ANNA, **theirs), settings) == {}


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("firstname", "Ann", "Anna"),
        ("firstname", "anna", "Anna"),
        ("lastname", "Jan &amp; Bos", "Jan & Bos"),
        ("email", "old@example.org", "anna1@example.org"),
        ("city", "", "Utrecht"),
        ("country", "0", "NL"),
        ("profile_field_klas", "4A", "4B"),
        ("profile_field_klas", "", "0"),
    ],
)
def test_a_difference_is_written_with_old_and_new(field: str, old: str, new: str) -> None:
    settings = {
        "fields": {"city": {"column": "city"}, "country": {"column": "country"}},
        "profile_fields": {"klas": {"column": "free1"}},
    }
    anna = ANNA | {field: new}
    assert changes_of(anna, account_of(anna) | {field: old}, settings) == {field: [old, new]}


def test_a_profile_field_that_no_account_has_is_empty() -> None:
    settings = {"profile_fields": {"klas": {"column": "free1"}}}
    assert changes_of(ANNA | {"profile_field_klas": "4B"}, account_of(ANNA), settings) == {
        "profile_field_klas": ["", "4B"]
    }


def test_a_field_that_was_not_read_is_not_taken_for_empty() -> None:
    there = account_of(ANNA)
    del there["city"]
    assert changes_of(ANNA | {"city": "Utrecht"}, there, {"fields": {"city": {"column": "city"}}}) == {}


@pytest.mark.parametrize("field", ["firstname", "lastname", "email"])
def test_a_name_or_address_is_never_emptied_and_the_reason_is_kept(field: str) -> None:
    reasons = reasons_frame((1, f"{field}_missing", field, "create"))
    row = plan_of([ANNA | {field: ""}], [account_of(ANNA)], reasons=reasons)[0]
    assert (row["verdict"], row["action"], row["changes"]) == ("linked", "none", {})
    assert codes(row) == [(f"{field}_missing", field)]


def test_a_value_that_moodle_would_refuse_stays_as_it_is_and_the_rest_is_written() -> None:
    reasons = reasons_frame((1, "firstname_has_tags", "firstname", "create"))
    row = plan_of([ANNA | {"firstname": "<b>x"}], [account_of(ANNA, lastname="Old")], reasons=reasons)[0]
    assert row["action"] == "update"
    assert row["changes"] == {"lastname": ["Old", "Bos1"]}


def test_a_new_person_that_moodle_would_refuse_is_rejected_and_uses_up_no_username() -> None:
    persons = [person(1, username="anna"), person(2, username="anna")]
    reasons = reasons_frame((1, "firstname_missing", "firstname", "create"))
    first, second = plan_of(persons, [], reasons=reasons)
    assert (first["verdict"], first["action"], first["username"], first["changes"]) == ("new", "reject", "", {})
    assert second["username"] == "anna"


@pytest.mark.parametrize("field", ["username", "firstname", "lastname", "email"])
def test_a_new_person_without_a_field_that_moodle_demands_is_rejected(field: str) -> None:
    row = plan_of([ANNA | {field: ""}], [])[0]
    assert (row["verdict"], row["action"]) == ("new", "reject")
    assert codes(row) == [(f"{field}_missing", field)]


@pytest.mark.parametrize(
    ("write", "old", "expected"),
    [
        ("always", "Old", {"city": ["Old", "Utrecht"]}),
        ("on_create", "Old", {}),
        ("on_create", "", {}),
        ("if_empty", "Old", {}),
        ("if_empty", "  ", {"city": ["  ", "Utrecht"]}),
        ("if_empty", "", {"city": ["", "Utrecht"]}),
    ],
)
def test_a_field_is_written_when_its_policy_says_so(write: str, old: str, expected: dict[str, Any]) -> None:
    settings = {"fields": {"city": {"column": "city", "write": write}}}
    assert changes_of(ANNA | {"city": "Utrecht"}, account_of(ANNA, city=old), settings) == expected


def test_names_and_addresses_have_a_policy_too() -> None:
    settings = {"write": {"firstname": "on_create", "lastname": "if_empty"}}
    assert changes_of(ANNA, account_of(ANNA, firstname="Anne", lastname="Y", email="z@example.org"), settings) == {
        "email": ["z@example.org", "anna1@example.org"]
    }


@pytest.mark.parametrize(
    ("field", "setting", "reasons", "expected"),
    [
        ("city", {"column": "city"}, [], {"city": ["Old", ""]}),
        ("city", {"column": "city", "write": "if_empty"}, [], {}),
        ("city", {"column": "city"}, [(1, "city_too_long", "city", "")], {}),
        ("lang", {"column": "lang"}, [], {}),
    ],
)
def test_an_emptied_field_is_cleared_unless_its_value_was_not_usable(
    field: str, setting: dict[str, str], reasons: list[tuple[int, str, str, str]], expected: dict[str, Any]
) -> None:
    settings = {"fields": {field: setting}}
    given = reasons_frame(*reasons)
    assert changes_of(ANNA | {field: ""}, account_of(ANNA, **{field: "Old"}), settings, reasons=given) == expected


def test_an_emptied_profile_field_is_cleared() -> None:
    settings = {"profile_fields": {"klas": {"column": "free1"}}}
    anna = ANNA | {"profile_field_klas": ""}
    assert changes_of(anna, account_of(ANNA, profile_field_klas="4B"), settings) == {"profile_field_klas": ["4B", ""]}


@pytest.mark.parametrize(("write", "written"), [(None, False), ("on_create", False), ("always", True)])
def test_how_somebody_logs_in_changes_only_when_the_mapping_says_always(write: str | None, written: bool) -> None:
    setting = {"value": "oidc"} | ({"write": write} if write else {})
    changes = changes_of(ANNA | {"auth": "oidc"}, account_of(ANNA), {"fields": {"auth": setting}})
    assert changes == ({"auth": ["manual", "oidc"]} if written else {})


def test_a_username_stays_unless_the_mapping_renames() -> None:
    there = account_of(ANNA, username="a.bos")
    assert changes_of(ANNA, there) == {}
    assert changes_of(ANNA, there, {"username": {"rename": True}}) == {"username": ["a.bos", "anna-bos1x"]}


@pytest.mark.parametrize("present", ["anna", "anna2", "Anna13"])
def test_a_renaming_mapping_leaves_a_numbered_name_as_it_is(present: str) -> None:
    anna = ANNA | {"username": "anna"}
    assert changes_of(anna, account_of(anna, username=present), {"username": {"rename": True}}) == {}


@pytest.mark.parametrize("present", ["anna1", "anna02", "annab", "anna-2"])
def test_a_renaming_mapping_renames_what_is_no_numbered_name(present: str) -> None:
    anna = ANNA | {"username": "anna"}
    changes = changes_of(anna, account_of(anna, username=present), {"username": {"rename": True}})
    assert changes == {"username": [present, "anna"]}


def test_renamed_and_new_persons_never_get_the_same_name() -> None:
    persons = [person(1, username="anna"), person(2, username="anna"), person(3, username="anna")]
    there = [account_of(persons[1], username="old"), account(12, username="ANNA", idnumber="Z")]
    rows = plan_of(persons, there, mapping(username={"rename": True}))
    assert [row["username"] for row in rows] == ["anna2", "anna3", "anna4"]
    assert rows[1]["changes"] == {"username": ["old", "anna3"]}


@pytest.mark.parametrize("name", ["admin", "guest"])
@pytest.mark.parametrize("rename", [True, False])
def test_moodles_own_names_are_given_to_nobody_also_where_their_accounts_were_not_read(
    name: str, *, rename: bool
) -> None:
    persons = [person(1, username=name), person(2, username=name)]
    there = [account_of(persons[1], username="old")]
    rows = plan_of(persons, there, mapping(username={"rename": rename}))
    assert [row["username"] for row in rows] == [f"{name}2", f"{name}3" if rename else "old"]


def test_a_link_writes_the_idnumber_and_what_differs() -> None:
    settings = {"matching": {"link_on": ["email"]}, "fields": {"city": {"column": "city", "write": "on_create"}}}
    there = account(11, email="anna1@example.org", idnumber=" ", firstname="Anna", lastname="Bosch")
    row = plan_of([ANNA | {"city": "Utrecht"}], [there], mapping(**settings))[0]
    assert (row["verdict"], row["action"], row["username"]) == ("id_missing", "link", "user11")
    assert row["changes"] == {"lastname": ["Bosch", "Bos1"], "idnumber": [" ", "E1"]}


def test_who_returns_is_reactivated_and_brought_up_to_date() -> None:
    there = account_of(ANNA, suspended=True, lastname="Old")
    row = plan_of([ANNA], [there], links=links_frame((11, "E1", True)))[0]
    assert row["action"] == "reactivate"
    assert row["changes"] == {"lastname": ["Old", "Bos1"], "suspended": [True, False]}


def test_who_returns_with_an_address_that_is_taken_keeps_the_old_one() -> None:
    there = [account_of(ANNA, suspended=True, email="old@example.org"), account(12, email="anna1@example.org")]
    row = plan_of([ANNA], there, links=links_frame((11, "E1", True)))[0]
    assert (row["verdict"], row["action"], row["changes"]) == ("returned", "reactivate", {"suspended": [True, False]})
    assert codes(row) == [("email_taken", "email")]


def test_who_gets_the_bare_name_is_decided_by_the_persons_id() -> None:
    persons = [person(1, person_id="20", username="anna"), person(2, person_id="3", username="anna")]
    rows = plan_of(persons, [])
    assert [row["username"] for row in rows] == ["anna2", "anna"]
    assert "'anna' is taken" in rows[0]["evidence"]


def test_a_name_that_is_taken_but_for_its_accents_is_taken() -> None:
    # MariaDB compares without accents: 'josé' blocks 'jose' (recording 050).
    (row,) = plan_of([person(username="jose")], [account(username="josé", idnumber="other")])
    assert row["username"] == "jose2"
