"""What was changed by hand in Moodle: told of whoever the source has as last written, and of nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import account, account_of, mapping, named_links, person, plan_of, reasons_frame

ANNA = person(1, city="Ede")
THERE = account_of(ANNA, city="Hier", lastname="Bosch")
CITY = {"fields": {"city": {"column": "city"}}}


def drift_of(
    there: dict[str, Any] = THERE, anna: dict[str, Any] = ANNA, *others: dict[str, Any], **values: Any
) -> dict[str, Any]:
    options = {name: values.pop(name) for name in ("links", "reasons", "as_written") if name in values}
    rows = plan_of([anna], [there, *others], mapping(**CITY | values), **{"as_written": frozenset({1})} | options)
    found: dict[str, Any] = rows[0]["drift"]
    return found


def test_what_differs_is_drift_and_is_put_right() -> None:
    assert drift_of() == {"city": ["Hier", "Ede", "repaired"], "lastname": ["Bosch", "Bos1", "repaired"]}


def test_of_whom_the_source_changed_nothing_is_drift() -> None:
    assert drift_of(as_written=frozenset({2})) == {}


@pytest.mark.parametrize("policy", ["on_create", "if_empty"])
def test_what_the_mapping_does_not_overwrite_is_reported_only(policy: str) -> None:
    found = drift_of(write={"lastname": policy})
    assert found == {"city": ["Hier", "Ede", "repaired"], "lastname": ["Bosch", "Bos1", "reported"]}


def test_a_value_that_somebody_emptied_is_drift() -> None:
    assert drift_of(account_of(ANNA, city="")) == {"city": ["", "Ede", "repaired"]}


def test_a_value_that_the_source_has_empty_is_drift_where_the_plan_empties_it() -> None:
    anna = person(1, city="")
    assert drift_of(account_of(anna, city="Hier"), anna) == {"city": ["Hier", "", "repaired"]}
    kept = {"city": {"column": "city", "write": "on_create"}}
    assert drift_of(account_of(anna, city="Hier"), anna, fields=kept) == {}


def test_a_difference_that_is_none_to_moodle_is_no_drift() -> None:
    assert drift_of(account_of(ANNA, city=" Ede", email="ANNA1@Example.org")) == {}


@pytest.mark.parametrize("name", ["auth", "lang", "timezone", "theme"])
def test_what_users_set_themselves_is_no_drift(name: str) -> None:
    settings = {"fields": {name: {"column": "free1", "write": "always"}}}
    anna = person(1, **{name: "nl"})
    there = account_of(anna, **{name: "en"})
    assert plan_of([anna], [there], mapping(**settings))[0]["changes"] == {name: ["en", "nl"]}
    assert drift_of(there, anna, **settings) == {}


def test_a_value_that_was_not_usable_is_no_drift() -> None:
    given = reasons_frame((1, "lastname_too_long", "lastname", "create"))
    assert drift_of(reasons=given) == {"city": ["Hier", "Ede", "repaired"]}


def test_an_address_that_is_another_accounts_by_now_is_a_question_and_no_drift() -> None:
    there = account_of(ANNA, city="Ede", email="old@example.org")
    assert drift_of(there, ANNA, account(12, email="anna1@example.org")) == {}


@pytest.mark.parametrize(
    ("links", "found"),
    [
        (named_links((11, "E1", "anna-bos1x")), {"username": ["anna", "anna-bos1x", "reported"]}),
        (named_links((11, "E1", "anna")), {}),
        (named_links((11, "E1", "")), {}),
        (named_links((11, "E2", "anna-bos1x")), {}),
        (named_links(), {}),
        (named_links((11, "E1", "anna-bos1x")).drop(columns="username"), {}),
    ],
    ids=["another", "the same", "unknown", "another's link", "no links", "links without usernames"],
)
def test_a_username_that_is_not_the_one_we_knew_is_drift(links: Any, found: dict[str, Any]) -> None:
    assert drift_of(account_of(ANNA, username="anna", city="Ede"), links=links) == found


def test_a_username_that_the_mapping_renames_back_is_put_right() -> None:
    links = named_links((11, "E1", "anna-bos1x"))
    there = account_of(ANNA, username="anna", city="Ede")
    settings = {"username": {"recipe": "first_infix_last", "rename": True}}
    assert drift_of(there, links=links, **settings) == {"username": ["anna", "anna-bos1x", "repaired"]}


def test_a_new_person_has_no_drift() -> None:
    (row,) = plan_of([ANNA], [], mapping(**CITY), as_written=frozenset({1}))
    assert (row["action"], row["drift"]) == ("create", {})
