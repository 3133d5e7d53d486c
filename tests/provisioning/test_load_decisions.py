"""Decisions all the way into Moodle: planned on what was read back, loaded over HTTP, and found right by the next plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from matching.people import decided_frame, links_frame, mapping, person, persons_frame, reasons_frame
from provisioning.plans import AT_ONCE, hook_for, people_in, plan_of
from provisioning.plans import row as plan_row

from moodle_coupling.ledger.cells import row_keys
from moodle_coupling.matching.frames import Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.provisioning.load.loader import load
from moodle_coupling.provisioning.load.rows import merge_outcomes
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from moodle_coupling.provisioning.load.rows import Outcome

ANNA = person(1)
OWN = {"username": "anna-bos1x", "firstname": "Anna", "lastname": "Bos1", "email": "anna1@example.org"}


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle() as sandbox:
        yield sandbox


class Notebook:
    """A journal that remembers by which key each row was announced and settled."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.sent: list[str] = []
        self.settled_as: dict[str, str] = {}

    def sending(self, indexes: Sequence[int], _batch: str) -> None:
        self.sent += [self.keys[index] for index in indexes]

    def withdrawn(self, indexes: Sequence[int]) -> None:
        raise AssertionError(f"{indexes} did not go out")

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        self.settled_as |= {self.keys[outcome.index]: str(outcome.status) for outcome in outcomes}


def planned(moodle: SandboxMoodle, *decisions: dict[str, Any], full: bool = False, **known: Any) -> pd.DataFrame:
    candidates = persons_frame([ANNA])
    with hook_for(moodle) as hook:
        accounts = read_accounts(hook, candidates, full=full).accounts
        service_userid = hook.site_info().userid
    remembered = Remembered(decided=decided_frame(*({"row": 1} | one for one in decisions)), **known)
    return make_plan(
        candidates, reasons_frame(), accounts, mapping(), remembered=remembered, full=full, service_userid=service_userid
    )  # fmt: skip


def loaded(moodle: SandboxMoodle, plan: pd.DataFrame, notebook: Notebook | None = None) -> pd.DataFrame:
    journal = notebook or Notebook()
    journal.keys = row_keys(plan)
    with hook_for(moodle) as hook:
        result = load(plan, hook, pace=AT_ONCE, journal=journal)
    assert result.stopped is None
    assert len(result.outcomes) == len(plan)
    return result.outcomes


def add(moodle: SandboxMoodle, *accounts: dict[str, Any]) -> list[int]:
    return list(moodle.add_accounts([OWN | one for one in accounts]))


def by_id(moodle: SandboxMoodle) -> dict[int, dict[str, Any]]:
    return {account["id"]: account for account in moodle.accounts()}


@pytest.mark.parametrize("full", [False, True])
def test_of_two_accounts_one_keeps_the_idnumber_and_it_is_taken_off_the_other(
    moodle: SandboxMoodle, full: bool
) -> None:
    old, kept = add(
        moodle,
        {"username": "old", "email": "old@example.org", "idnumber": "E1"},
        {"idnumber": "E1", "lastname": "Bos"},
    )
    before = by_id(moodle)[old]
    plan = planned(moodle, {"kind": "link", "account_id": kept}, full=full)
    notebook = Notebook()
    outcomes = loaded(moodle, plan, notebook)

    assert list(outcomes["status"]) == ["done", "done"]
    assert row_keys(plan) == ["1", f"account {old}"]
    assert sorted(notebook.sent) == ["1", f"account {old}"]
    assert notebook.settled_as == {"1": "done", f"account {old}": "done"}
    assert list(outcomes["account_id"]) == [kept, old]
    assert len(merge_outcomes([outcomes.iloc[:1], outcomes.iloc[1:]])) == 2
    after = by_id(moodle)
    assert (after[kept]["idnumber"], after[kept]["lastname"]) == ("E1", "Bos1")
    assert after[old]["idnumber"] == ""
    assert {**after[old], "idnumber": "E1", "timemodified": 0} == {**before, "timemodified": 0}
    again = planned(moodle, full=full)
    assert list(again.loc[again["row"].notna(), "verdict"]) == ["linked"]
    assert set(again["action"]) == {"none"}


def test_loading_it_again_changes_nothing(moodle: SandboxMoodle) -> None:
    _, kept = add(moodle, {"username": "old", "email": "old@example.org", "idnumber": "E1"}, {"idnumber": "E1"})
    plan = planned(moodle, {"kind": "link", "account_id": kept})
    assert list(loaded(moodle, plan)["status"]) == ["skipped", "done"]
    before = moodle.accounts()
    assert list(loaded(moodle, plan)["status"]) == ["skipped", "done"]
    assert moodle.accounts() == before


def test_the_idnumber_is_not_taken_off_an_account_that_has_another_by_then(moodle: SandboxMoodle) -> None:
    old, kept = add(moodle, {"username": "old", "email": "old@example.org", "idnumber": "E1"}, {"idnumber": "E1"})
    plan = planned(moodle, {"kind": "link", "account_id": kept})
    moodle.table.update(old, {"idnumber": "X5"})
    outcomes = loaded(moodle, plan)
    assert list(outcomes["code"]) == ["mismatch", "changed_meanwhile"]
    assert by_id(moodle)[old]["idnumber"] == "X5"


def test_an_idnumber_is_emptied_by_a_decision_only(moodle: SandboxMoodle) -> None:
    (there,) = add(moodle, {"idnumber": "E1"})
    undecided = plan_row(1, "update", verdict="linked", account_id=there, new={"idnumber": ("E1", "")})
    assert list(loaded(moodle, plan_of([undecided]))["code"]) == ["idnumber_empty"]
    assert by_id(moodle)[there]["idnumber"] == "E1"


def test_a_stranger_at_whom_somebody_points_is_suspended_and_the_question_stays(moodle: SandboxMoodle) -> None:
    (there,) = add(moodle, {"username": "x", "idnumber": "Z9"})
    outcomes = loaded(moodle, planned(moodle, {"kind": "suspend"}))
    assert list(outcomes["status"]) == ["skipped", "done"]
    assert list(outcomes["idnumber"]) == ["E1", "Z9"]
    assert (by_id(moodle)[there]["suspended"], by_id(moodle)[there]["idnumber"]) == (1, "Z9")
    (row,) = planned(moodle).to_dict("records")
    assert (row["verdict"], row["action"]) == ("id_differs", "none")


def test_who_was_suspended_by_decision_and_returns_is_reactivated(moodle: SandboxMoodle) -> None:
    (there,) = add(moodle, {"idnumber": "E1", "suspended": 1})
    plan = planned(moodle, links=links_frame((there, "E1", True)))
    assert list(loaded(moodle, plan)["action"]) == ["reactivate"]
    assert by_id(moodle)[there]["suspended"] == 0


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        ({"username": "x"}, "link"),
        ({"username": "x", "idnumber": "Z9"}, "rekey"),
        ({"username": "x", "idnumber": "e1"}, "rekey"),
        ({"idnumber": "E1", "suspended": 1, "lastname": "Bos"}, "link"),
    ],
    ids=["id_missing", "id_differs", "id_case", "held"],
)
def test_an_account_that_became_the_persons_is_right_at_the_next_plan(
    moodle: SandboxMoodle, there: dict[str, Any], kind: str
) -> None:
    (number,) = add(moodle, there)
    assert list(loaded(moodle, planned(moodle, {"kind": kind}))["status"]) == ["done"]
    mine = people_in(moodle)["E1"]
    assert (mine["id"], mine["lastname"], mine["suspended"]) == (number, "Bos1", 0)
    (row,) = planned(moodle).to_dict("records")
    assert (row["verdict"], row["action"]) == ("linked", "none")


def test_an_account_of_its_own_gets_the_next_free_username(moodle: SandboxMoodle) -> None:
    add(moodle, {"email": "a@example.org"}, {"username": "anna-bos1x2", "email": "b@example.org"})
    assert list(loaded(moodle, planned(moodle, {"kind": "create_separate"}))["status"]) == ["done"]
    assert people_in(moodle)["E1"]["username"] == "anna-bos1x3"
    (row,) = planned(moodle).to_dict("records")
    assert (row["verdict"], row["action"]) == ("linked", "none")
