"""Decisions: two analysts never overwrite each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger.frames import found, mismatch
from ledger.workers import decide_all, in_processes

from moodle_coupling.ledger.decisions import (
    Choice,
    DecidedMany,
    decide,
    decide_many,
    decision_history,
    decisions_in_force,
)
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged, NotInLedger
from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.words import DecisionKind, MismatchStatus

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

LINK = Choice(DecisionKind.LINK, by="anna", note="same person, I called her", account_id=77)


def with_mismatches(ledger: Ledger, count: int) -> list[int]:
    rows = [mismatch(f"p{n}") for n in range(count)]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    return sorted(mismatches_frame(ledger, "demo")["id"].astype(int))


def test_a_decision_says_what_by_whom_when_and_on_which_facts(ledger: Ledger, clock: Clock) -> None:
    (number,) = with_mismatches(ledger, 1)
    clock.forward(hours=8)
    decision = decide(ledger, number, 1, LINK)
    assert (decision.kind, decision.by, decision.note, decision.account_id, decision.at) == (
        DecisionKind.LINK,
        "anna",
        "same person, I called her",
        77,
        clock.time,
    )
    row = mismatches_frame(ledger, "demo", statuses=[MismatchStatus.DECIDED]).iloc[0]
    assert (row["facts_digest"], row["version"]) == (decision.facts_digest, 2)
    assert decision_history(ledger, number) == [decision]


def test_the_second_analyst_is_told_who_was_first_and_nothing_is_overwritten(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    first = decide(ledger, number, 1, LINK)
    with pytest.raises(AlreadyDecided, match="'link' by anna at 2026-03-01 02:00:00 UTC"):
        decide(ledger, number, 1, Choice(DecisionKind.IGNORE, by="bram"))
    assert decision_history(ledger, number) == [first]


def test_a_decision_can_be_changed_by_who_has_seen_it(ledger: Ledger, clock: Clock) -> None:
    (number,) = with_mismatches(ledger, 1)
    decide(ledger, number, 1, LINK)
    clock.forward(minutes=1)
    decide(ledger, number, 2, Choice(DecisionKind.IGNORE, by="bram"))
    assert decisions_in_force(ledger, "demo")["kind"].tolist() == ["ignore"]
    assert [(kept.by, kept.lapsed_at) for kept in decision_history(ledger, number)] == [
        ("anna", clock.time),
        ("bram", None),
    ]


def test_later_leaves_it_open_with_the_note_on_record(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    decide(ledger, number, 1, Choice(DecisionKind.LATER, by="anna", note="ask HR"))
    assert mismatches_frame(ledger, "demo")["version"].tolist() == [2]
    assert decision_history(ledger, number)[0].note == "ask HR"
    assert decisions_in_force(ledger, "demo").empty


def test_what_is_gone_cannot_be_decided(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    record_mismatches(ledger, "demo", "run 2", found(), full=True)
    for version in (1, 2):
        with pytest.raises(MismatchChanged, match="it is 'gone' now"):
            decide(ledger, number, version, LINK)


def test_what_is_not_there_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotInLedger, match="no mismatch 12"):
        decide(ledger, 12, 1, LINK)


def test_many_are_decided_at_once_and_those_that_changed_are_named(ledger: Ledger) -> None:
    numbers = with_mismatches(ledger, 5)
    decide(ledger, numbers[2], 1, Choice(DecisionKind.IGNORE, by="bram"))
    result = decide_many(ledger, [(number, 1) for number in numbers], LINK)
    assert isinstance(result, DecidedMany)
    assert result.decided == (*numbers[:2], *numbers[3:])
    assert [(refused.mismatch, str(refused.args[0])[:40]) for refused in result.refused] == [
        (numbers[2], f"Mismatch {numbers[2]} was already decided: 'ignore'"[:40])
    ]
    assert decisions_in_force(ledger, "demo")["kind"].tolist().count("link") == 4


def test_of_two_analysts_in_two_processes_one_decides_and_the_other_learns_who(ledger: Ledger, url: str) -> None:
    numbers = with_mismatches(ledger, 25)
    told = in_processes(decide_all, [(url, "anna", numbers), (url, "bram", numbers)])
    assert told[0] == told[1]
    assert [[kept.by for kept in decision_history(ledger, number)] for number in numbers] == [[by] for by in told[0]]
