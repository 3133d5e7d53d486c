"""Approvals and quarantine."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from moodle_coupling.ledger import approvals, leases
from moodle_coupling.ledger.errors import LedgerConflict, NotInLedger
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.ledger.words import ApprovalAnswer

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


@pytest.fixture
def run(ledger: Ledger) -> str:
    return begin_run(ledger, "demo", "dag", "run", mode="full").id


def test_a_question_waits_with_its_reasons(ledger: Ledger, run: str, clock: Clock) -> None:
    asked = approvals.ask(ledger, run, "plan A", ["25 people would be suspended; more than 20.", "<script>"])
    assert (asked.asked_at, asked.decision, asked.reasons[1]) == (clock.time, None, "<script>")
    assert approvals.waiting(ledger) == approvals.waiting(ledger, "demo") == [asked]
    assert approvals.waiting(ledger, "other") == []
    assert not approvals.is_approved(ledger, run, "plan A")


def test_asking_again_is_the_same_question(ledger: Ledger, run: str) -> None:
    assert approvals.ask(ledger, run, "plan A", ["x"]) == approvals.ask(ledger, run, "plan A", ["x"])


def test_an_approval_holds_for_exactly_that_plan_of_that_run(ledger: Ledger, run: str, clock: Clock) -> None:
    asked = approvals.ask(ledger, run, "plan A", ["x"])
    given = approvals.answer(ledger, asked.id, ApprovalAnswer.APPROVED, by="anna")
    assert (given.decided_by, given.at, given.decision) == ("anna", clock.time, ApprovalAnswer.APPROVED)
    assert approvals.is_approved(ledger, run, "plan A")
    assert not approvals.is_approved(ledger, run, "plan B")
    other = begin_run(ledger, "demo", "dag", "the next run", mode="full").id
    assert not approvals.is_approved(ledger, other, "plan A")
    assert approvals.ask(ledger, run, "plan A", ["x"]) == given


def test_when_nobody_answered_in_time_the_question_is_put_anew(ledger: Ledger, run: str) -> None:
    first = approvals.ask(ledger, run, "plan A", ["x"])
    approvals.answer(ledger, first.id, ApprovalAnswer.LAPSED, by="nobody in time")
    assert not approvals.is_approved(ledger, run, "plan A")
    second = approvals.ask(ledger, run, "plan A", ["x"])
    assert second.id != first.id
    assert second.decision is None


def test_a_rejected_plan_is_never_asked_about_again(ledger: Ledger, run: str) -> None:
    first = approvals.ask(ledger, run, "plan A", ["x"])
    no = approvals.answer(ledger, first.id, ApprovalAnswer.REJECTED, by="anna")
    assert approvals.ask(ledger, run, "plan A", ["x"]) == no == approvals.asked_about(ledger, run, "plan A")
    assert approvals.waiting(ledger) == []
    with pytest.raises(LedgerConflict):
        approvals.answer(ledger, first.id, ApprovalAnswer.APPROVED, by="bram")
    assert approvals.ask(ledger, run, "plan B", ["x"]).decision is None
    assert approvals.asked_about(ledger, run, "plan C") is None


def test_the_first_answer_stands(ledger: Ledger, run: str) -> None:
    asked = approvals.ask(ledger, run, "plan A", ["x"])
    first = approvals.answer(ledger, asked.id, ApprovalAnswer.REJECTED, by="anna")
    assert approvals.answer(ledger, asked.id, ApprovalAnswer.REJECTED, by="bram") == first
    with pytest.raises(LedgerConflict, match=r"'rejected' by anna at 2026-03-01"):
        approvals.answer(ledger, asked.id, ApprovalAnswer.APPROVED, by="bram")


def test_a_question_that_is_not_there_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotInLedger):
        approvals.answer(ledger, 12, ApprovalAnswer.APPROVED, by="anna")
    with pytest.raises(NotInLedger):
        approvals.ask(ledger, "no run", "plan A", [])


def test_quarantine_takes_longer_each_time(ledger: Ledger, clock: Clock) -> None:
    hours = []
    for _ in range(4):
        imposed = leases.impose(ledger, "demo", "45 % of 120 attempts failed")
        hours.append((imposed.until - clock.time) / dt.timedelta(hours=1))
        clock.time = imposed.until
    assert hours == [6, 12, 24, 24]
    assert leases.in_quarantine(ledger, "demo") == imposed
    assert imposed.level == 4


def test_a_lifted_quarantine_is_over_and_the_next_starts_low(ledger: Ledger, clock: Clock) -> None:
    leases.impose(ledger, "demo", "x")
    leases.impose(ledger, "demo", "y")
    assert leases.lift(ledger, "demo", by="anna")
    assert leases.in_quarantine(ledger, "demo") is None
    assert not leases.lift(ledger, "demo", by="anna")
    assert leases.impose(ledger, "demo", "z").level == 1
    history = leases.quarantine_history(ledger, "demo")
    assert [(kept.reason, kept.level, kept.lifted_by) for kept in history] == [
        ("z", 1, ""),
        ("y", 2, "anna"),
        ("x", 1, "next level"),
    ]


def test_quarantine_is_of_one_environment(ledger: Ledger) -> None:
    leases.impose(ledger, "demo", "x")
    assert leases.in_quarantine(ledger, "other") is None
