"""Accounts that an analyst said must not be touched: they match as protected, and the evidence names who said so."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import account, account_of, links_frame, mapping, person, plan_of

ANNA = person(1)
STRANGER = account(11, email="anna1@example.org")
BY_BERT = "it is protected (do not touch, by bert) and never written."


@pytest.mark.parametrize(
    "there",
    [
        account_of(ANNA, firstname="An"),
        account_of(ANNA, suspended=True),
        STRANGER,
        STRANGER | {"idnumber": "Z9"},
        STRANGER | {"idnumber": "P1"},
        account(11, idnumber="e1"),
    ],
    ids=["linked", "held", "id_missing", "id_differs", "id_other_scheme", "id_case"],
)
def test_whatever_it_would_be_an_account_not_to_be_touched_is_protected(there: dict[str, Any]) -> None:
    settings = mapping(matching={"link_on": ["email"]})
    (row,) = plan_of([ANNA], [there], settings, protections={11: "bert", 99: "carla"})
    assert (row["verdict"], row["action"], row["changes"]) == ("protected", "none", {})
    assert row["evidence"].endswith(BY_BERT)


def test_an_orphan_not_to_be_touched_is_not_told_and_not_suspended() -> None:
    settings = mapping(leavers={"policy": "suspend", "grace_days": 0})
    options: dict[str, Any] = {"links": links_frame((11, "Z9", False)), "full": True}
    there = [account(11, idnumber="Z9")]
    assert [row["action"] for row in plan_of([], there, settings, **options)] == ["suspend"]
    assert plan_of([], there, settings, protections={11: "bert"}, **options) == []


DOUBLE = [account_of(ANNA), account_of(ANNA, 12)]
AMBIGUOUS = [STRANGER, account(12, username="anna-bos1x")]


@pytest.mark.parametrize(("there", "verdict"), [(DOUBLE, "duplicate_account"), (AMBIGUOUS, "ambiguous")])
def test_of_several_accounts_all_must_be_protected_for_the_question_to_be_over(
    there: list[dict[str, Any]], verdict: str
) -> None:
    (row,) = plan_of([ANNA], there, protections={12: "bert"})
    assert row["verdict"] == verdict
    (row,) = plan_of([ANNA], there, protections={11: "bert", 12: "carla"})
    assert (row["verdict"], row["action"], row["other_accounts"]) == ("protected", "none", [11, 12])
    assert row["evidence"].endswith("; all of them are protected and never written.")


def test_a_protected_account_with_the_address_leaves_the_persons_own_account_up_to_date() -> None:
    there = [account_of(ANNA, email="old@example.org", firstname="An"), account(12, email="anna1@example.org")]
    (row,) = plan_of([ANNA], there, protections={12: "bert"})
    assert (row["verdict"], row["changes"]) == ("email_taken", {"firstname": ["An", "Anna"]})


@pytest.mark.parametrize("username", ["admin", "guest"])
def test_moodles_own_accounts_are_so_without_anyones_word(username: str) -> None:
    (row,) = plan_of([ANNA], [account_of(ANNA, username=username)], protections={11: "bert"})
    assert f"it is protected (Moodle's {username} account)" in row["evidence"]
