"""What a run will write for a decision, told from the facts alone: the same as the plan that obeys it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from matching.people import account, account_of, mapping, person
from web.mismatched import judged

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.obedience import as_plan, foreseen


def facts_of(persons: list[dict[str, Any]], accounts: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Give the verdict on the first person, or else on an account, and its facts."""
    row = judged((persons, accounts)).iloc[0]
    return row["verdict"], MismatchFacts.read(row["facts"]).plain()


def writes(verdict: str, facts: dict[str, Any], kind: str, account_id: int | None = None, **said: Any) -> list[Any]:
    found = foreseen(verdict, facts, kind, account_id, mapping(**said))
    return [(str(one.action), one.account_id, dict(one.changes)) for one in found]


def test_a_link_gives_the_idnumber_and_what_is_kept_up_to_date() -> None:
    someone = person(1, firstname="Jürgen")
    verdict, facts = facts_of([someone], [account_of(someone, 21, idnumber="", firstname="Jurgen")])
    assert verdict == "id_missing"
    assert writes(verdict, facts, "link", 21) == [
        ("link", 21, {"idnumber": ("", "E1"), "firstname": ("Jurgen", "Jürgen")})
    ]
    assert writes(verdict, facts, "link") == writes(verdict, facts, "link", 21)
    (create,) = writes(verdict, facts, "create_separate")
    assert create[:2] == ("create", None)
    assert create[2]["firstname"] == (None, "Jürgen")


def test_a_field_that_the_mapping_leaves_alone_is_not_told() -> None:
    someone = person(1, firstname="Jürgen")
    verdict, facts = facts_of([someone], [account_of(someone, 21, idnumber="", firstname="Jurgen")])
    kept = {"firstname": "on_create"}
    assert writes(verdict, facts, "link", 21, write=kept) == [("link", 21, {"idnumber": ("", "E1")})]
    assert [dict(one.changes) for one in foreseen(verdict, facts, "link", 21, None)] == [{"idnumber": ("", "E1")}]


def test_of_several_accounts_the_others_lose_the_idnumber() -> None:
    someone = person(1)
    verdict, facts = facts_of([someone], [account_of(someone, 29), account_of(someone, 30, email="z@example.org")])
    assert verdict == "duplicate_account"
    assert writes(verdict, facts, "link", 29) == [("update", 29, {}), ("update", 30, {"idnumber": ("E1", "")})]
    assert writes(verdict, facts, "suspend", 30) == [("suspend", 30, {"suspended": (False, True)})]
    assert writes(verdict, facts, "link") == []


def test_one_that_somebody_else_suspended_is_reactivated() -> None:
    someone = person(1)
    verdict, facts = facts_of([someone], [account_of(someone, 31, suspended=True)])
    assert verdict == "held"
    assert writes(verdict, facts, "link") == [("reactivate", 31, {"suspended": (True, False)})]


def test_an_address_that_another_account_has_is_kept_out() -> None:
    someone = person(1)
    accounts = [account_of(someone, 27, idnumber="", email="old@example.org"), account(28, email=someone["email"])]
    facts = MismatchFacts(
        person={
            name: someone[name] for name in ("person_id", "extern_id", "idnumber", "firstname", "lastname", "email")
        },
        accounts={
            str(one["id"]): {
                name: one[name] for name in ("username", "idnumber", "firstname", "lastname", "email", "suspended")
            }
            for one in accounts
        },
    ).plain()
    (one,) = writes("ambiguous", facts, "link", 27)
    assert "email" not in one[2]
    (one,) = writes("ambiguous", facts, "link", 27, matching={"shared_email": True})
    assert one[2]["email"] == ("old@example.org", someone["email"])


def test_an_account_chosen_elsewhere_is_told_by_its_number() -> None:
    someone = person(1)
    verdict, facts = facts_of([someone], [account_of(someone, 21, idnumber="")])
    assert writes(verdict, facts, "link", 99) == [("link", 99, {"idnumber": (None, "E1")})]


@pytest.mark.parametrize("kind", ["ignore", "do_not_touch", "later"])
def test_what_no_run_does_anything_for_writes_nothing(kind: str) -> None:
    someone = person(1)
    verdict, facts = facts_of([someone], [account_of(someone, 21, idnumber="")])
    assert writes(verdict, facts, kind) == []


def test_writes_are_weighed_as_a_plan_is() -> None:
    someone = person(1)
    verdict, facts = facts_of([someone], [account_of(someone, 21, idnumber="")])
    plan = as_plan(foreseen(verdict, facts, "link", None, mapping()))
    assert plan["action"].tolist() == [Action.LINK]
    assert json.loads(plan["changes"][0]) == {"idnumber": ["", "E1"]}
    assert as_plan([]).columns.tolist() == ["action", "changes"]
