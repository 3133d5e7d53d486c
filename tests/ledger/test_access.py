"""What the ledger remembers of access: what was given, by which run, and what became of each row of a plan."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from moodle_coupling.contract.frames import ACCESS_GIVEN, ACCESS_OUTCOMES
from moodle_coupling.ledger.access import (
    access_outcomes,
    ever_gave,
    given_access,
    intention_key,
    note_found,
    refused_access,
    settle_access,
)
from moodle_coupling.ledger.intentions import mark_sent, plan_intentions, unsettled
from moodle_coupling.ledger.people import Who, access_of
from moodle_coupling.ledger.removal import PersonIds, forget_person, purge
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.people.table import made

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


PLAN = "plan"


def rows(*some: dict[str, Any]) -> pd.DataFrame:
    unsaid: dict[str, Any] = dict.fromkeys(ACCESS_OUTCOMES.texts, "")
    unsaid |= {"position": 0, "account_id": 101, "person_id": "p1", "idnumber": "x1", "kind": "course", "target": "BHV"}
    unsaid |= {"target_id": 7, "role": "student", "timestart": 5, "timeend": 9, "suspended": False}
    unsaid |= {"action": "give", "status": "done", "at": pd.Timestamp("2026-03-01T01:00Z")}
    return made(ACCESS_OUTCOMES, [unsaid | row for row in some])


@pytest.fixture
def run(ledger: Ledger) -> str:
    found = begin_run(ledger, "demo", "dag", "run", mode="full").id
    plan_intentions(ledger, found, [intention_key(PLAN, position) for position in range(4)], digest="plan")
    return found


def known(ledger: Ledger) -> list[tuple[Any, ...]]:
    found = given_access(ledger, "demo")
    assert ACCESS_GIVEN.misfit(found) is None
    return list(
        found[["account_id", "kind", "target", "timestart", "timeend", "ours"]].itertuples(index=False, name=None)
    )


def test_what_was_given_is_remembered_and_what_was_taken_back_is_not(ledger: Ledger, run: str) -> None:
    assert not ever_gave(ledger, "demo")
    settle_access(ledger, run, PLAN, rows({}, {"position": 1, "account_id": 102, "kind": "cohort", "target": "a"}))
    assert known(ledger) == [(101, "course", "BHV", 5, 9, True), (102, "cohort", "a", 5, 9, True)]
    settle_access(ledger, run, PLAN, rows({"position": 2, "action": "take_back"}))
    assert known(ledger) == [(102, "cohort", "a", 5, 9, True)]
    assert ever_gave(ledger, "demo")
    assert not ever_gave(ledger, "other")


def test_an_extension_changes_the_window_and_not_when_it_was_given(ledger: Ledger, run: str, clock: Clock) -> None:
    settle_access(ledger, run, PLAN, rows({}))
    before = access_of(ledger, ["demo"], "demo", Who(person_id="p1"))
    clock.forward(days=1)
    settle_access(ledger, run, PLAN, rows({"position": 1, "action": "extend", "timeend": 99}))
    after = access_of(ledger, ["demo"], "demo", Who(idnumber="x1"))
    assert after["timeend"].tolist() == [99]
    assert after["given_at"].tolist() == before["given_at"].tolist()


@pytest.mark.parametrize("status", ["failed", "rejected", "skipped"])
def test_only_what_was_done_counts_as_given_or_as_taken_back(ledger: Ledger, run: str, status: str) -> None:
    settle_access(ledger, run, PLAN, rows({"status": status}))
    assert known(ledger) == []
    settle_access(ledger, run, PLAN, rows({"position": 1}, {"position": 2, "action": "take_back", "status": status}))
    assert len(known(ledger)) == 1


def test_what_was_sent_and_never_answered_counts_as_given_for_nobody_had_it_before(ledger: Ledger, run: str) -> None:
    lost = {"status": "unknown"}
    settle_access(ledger, run, PLAN, rows(lost, {"position": 1, "account_id": 102, "action": "take_back", **lost}))
    assert known(ledger) == [(101, "course", "BHV", 5, 9, True)]


def test_the_window_by_which_a_cohort_is_given_is_noted_anew(ledger: Ledger, run: str) -> None:
    cohort = {"kind": "cohort", "target": "a", "role": ""}
    settle_access(ledger, run, PLAN, rows(cohort))
    note_found(ledger, "demo", run, rows({**cohort, "timeend": 77}), rows()[["account_id", "kind", "target"]])
    assert known(ledger) == [(101, "cohort", "a", 5, 77, True)]


def test_a_final_outcome_stands_and_another_is_followed_by_the_later_try(ledger: Ledger, run: str) -> None:
    settle_access(ledger, run, PLAN, rows({"status": "failed"}, {"position": 1, "account_id": 102}))
    settle_access(ledger, run, PLAN, rows({"status": "done"}, {"position": 1, "account_id": 102, "status": "failed"}))
    assert access_outcomes(ledger, run)["status"].tolist() == ["done", "done"]
    assert access_outcomes(ledger, run, statuses=["failed"]).empty
    assert len(known(ledger)) == 2


def test_telling_twice_doubles_nothing(ledger: Ledger, run: str) -> None:
    for _ in range(2):
        settle_access(ledger, run, PLAN, rows({}))
    assert len(access_outcomes(ledger, run)) == len(known(ledger)) == 1
    with pytest.raises(ValueError, match="doubles"):
        settle_access(ledger, run, PLAN, rows({}, {}))


def test_another_plan_of_the_run_begins_anew_and_what_was_given_stays(ledger: Ledger, run: str) -> None:
    settle_access(ledger, run, PLAN, rows({}))
    settle_access(ledger, run, "other", rows({"status": "failed", "account_id": 102}))
    assert access_outcomes(ledger, run)["status"].tolist() == ["failed"]
    assert access_outcomes(ledger, run, PLAN)["status"].tolist() == ["done"]
    assert len(known(ledger)) == 1


def test_a_settled_row_is_no_longer_in_doubt(ledger: Ledger, run: str) -> None:
    mark_sent(ledger, run, [intention_key(PLAN, 0), intention_key(PLAN, 1)], "batch")
    settle_access(ledger, run, PLAN, rows({}))
    states = unsettled(ledger, run).set_index("key")["state"]
    assert dict(states) == {"access plan 1": "sent", "access plan 2": "planned", "access plan 3": "planned"}


def test_what_was_found_there_is_not_ours_until_we_give_it(ledger: Ledger, run: str) -> None:
    nobody = rows()[["account_id", "kind", "target"]]
    note_found(ledger, "demo", run, rows({}), nobody)
    assert known(ledger) == [(101, "course", "BHV", 5, 9, False)]
    assert not given_access(ledger, "demo")["ours"].any()
    settle_access(ledger, run, PLAN, rows({}))
    note_found(ledger, "demo", run, rows({"timeend": 77}), nobody)
    assert known(ledger) == [(101, "course", "BHV", 5, 9, True)]
    assert given_access(ledger, "demo")["ours"].tolist() == [True]


def test_what_somebody_else_took_away_is_forgotten(ledger: Ledger, run: str) -> None:
    settle_access(ledger, run, PLAN, rows({}, {"position": 1, "account_id": 102}))
    note_found(ledger, "demo", run, rows(), rows({})[["account_id", "kind", "target"]])
    assert [row[0] for row in known(ledger)] == [102]


def test_a_forgotten_person_leaves_no_access_behind(ledger: Ledger, run: str) -> None:
    settle_access(ledger, run, PLAN, rows({}, {"position": 1, "account_id": 102, "person_id": "p2", "idnumber": "x2"}))
    assert forget_person(ledger, "demo", PersonIds(person_ids=("p1",), idnumbers=("x1",))).access == 2
    assert [row[0] for row in known(ledger)] == [102]
    told = access_outcomes(ledger, run)
    assert told["person_id"].tolist() == ["", "p2"]
    assert told["account_id"].isna().tolist() == [True, False]


def test_old_outcomes_go_and_what_was_given_stays(ledger: Ledger, run: str, clock: Clock) -> None:
    settle_access(ledger, run, PLAN, rows({}))
    end_run(ledger, run, RunState.DONE)
    gone = purge(ledger, clock.forward(days=400))
    assert gone.access_outcomes == 1
    assert len(known(ledger)) == 1


def test_what_moodle_refused_in_another_run_of_late_is_told_and_nothing_else(
    ledger: Ledger, run: str, clock: Clock
) -> None:
    refused = {"status": "rejected", "code": "wsinvaliduser"}
    rest = ({"position": 1, "account_id": 102}, {"position": 2, "account_id": 103, "action": "reject", **refused})
    settle_access(ledger, run, PLAN, rows(refused, *rest))

    def told(by: str, environment: str = "demo") -> frozenset[tuple[Any, ...]]:
        return refused_access(ledger, by, environment, within=dt.timedelta(days=8))

    assert told("another run") == {(101, "course", "BHV", "give")}
    assert told(run) == told("another run", "other") == frozenset()
    clock.forward(days=9)
    assert told("another run") == frozenset()
