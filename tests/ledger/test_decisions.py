"""Decisions: two analysts never overwrite each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger.frames import found, mismatch
from ledger.workers import decide_all, in_processes

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.decisions import (
    Choice,
    DecidedMany,
    decide,
    decide_many,
    decision_history,
    decisions_in_force,
    decisions_on,
    lapse_choices,
    mark_applied,
    protections,
    withdraw,
)
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged, NotInLedger, NotItsAccount
from moodle_coupling.ledger.mismatches import get_mismatch, mismatches_frame, record_mismatches
from moodle_coupling.ledger.words import MismatchStatus

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


def test_who_decides_on_what_changed_by_itself_is_told_so_and_not_of_a_decision_that_lapsed(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    decide(ledger, number, 1, LINK)
    for run, rows in (("run 2", []), ("run 3", [mismatch("p0")])):
        record_mismatches(ledger, "demo", run, found(*rows), full=True)
    with pytest.raises(MismatchChanged, match="it is 'open' now"):
        decide(ledger, number, 2, LINK)


def test_what_a_run_carried_out_is_decided_no_more(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    mark_applied(ledger, "run 2", [decide(ledger, number, 1, LINK).id])
    with pytest.raises(AlreadyDecided, match="'link' by anna"):
        decide(ledger, number, 3, Choice(DecisionKind.IGNORE, by="bram"))


def test_an_account_that_the_mismatch_does_not_point_at_cannot_be_chosen(ledger: Ledger) -> None:
    numbers = with_mismatches(ledger, 2)
    wrong = Choice(DecisionKind.LINK, by="anna", account_id=78)
    with pytest.raises(NotItsAccount, match=r"does not point at account 78, .* It points at 77"):
        decide(ledger, numbers[0], 1, wrong)
    with pytest.raises(NotItsAccount):
        decide_many(ledger, [(number, 1) for number in numbers], wrong)
    assert set(mismatches_frame(ledger, "demo")["version"]) == {1}


def test_one_that_was_purged_is_named_among_the_others(ledger: Ledger) -> None:
    (number,) = with_mismatches(ledger, 1)
    result = decide_many(ledger, [(number, 1), (number + 1, 1)], LINK)
    assert (result.decided, [refused.mismatch for refused in result.refused]) == ((number,), [number + 1])


def test_a_decision_for_many_is_one_line_of_activity_in_each_environment(ledger: Ledger) -> None:
    numbers = with_mismatches(ledger, 3)
    record_mismatches(ledger, "other", "run 1", found(mismatch("p1")), full=True)
    decide_many(ledger, [(number, 1) for number in [*numbers, numbers[-1] + 1]], LINK)
    decide(ledger, numbers[0], 2, Choice(DecisionKind.IGNORE, by="bram"))
    noted = [(one.by, one.environment, one.action, one.subject, one.detail) for one in activity.recent(ledger)]
    assert noted[0] == ("bram", "demo", "decide", f"mismatch {numbers[0]}", "ignore")
    assert sorted(noted[1:]) == [
        ("anna", "demo", "decide", "", "link: 3 mismatches"),
        ("anna", "other", "decide", f"mismatch {numbers[-1] + 1}", "link"),
    ]


def test_a_run_gets_the_decisions_on_exactly_what_it_found(ledger: Ledger) -> None:
    rows = [mismatch(f"p{n}") for n in range(4)] + [mismatch("p9", "orphan", row=None, account_id=9)]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    record_mismatches(ledger, "other", "run 1", found(*rows), full=True)
    ids = mismatches_frame(ledger, "demo").set_index("subject")["id"].astype(int).to_dict()
    decide(ledger, ids["person p0"], 1, Choice(DecisionKind.LATER, by="anna"))
    decide(ledger, ids["account 9"], 1, Choice(DecisionKind.SUSPEND, by="bram", note="left"))
    for person in ("p1", "p2", "p3"):
        decide(ledger, ids[f"person {person}"], 1, LINK)
    decide(ledger, ids["person p3"], 2, Choice(DecisionKind.DO_NOT_TOUCH, by="anna"))
    now = [mismatch("p0"), mismatch("p1"), mismatch("p2", facts={"other": "facts"}), mismatch("p3"), rows[-1]]
    told = decisions_on(ledger, "demo", found(*now))
    assert told[["kind", "by", "note"]].values.tolist() == [["suspend", "bram", "left"], ["link", "anna", LINK.note]]
    assert told["row"].fillna(-1).tolist() == [-1, 1]
    assert told["orphan"].fillna(-1).tolist() == [9, -1]
    assert told["account_id"].fillna(-1).tolist() == [-1, 77]
    assert [str(kind) for kind in told.dtypes] == [
        *["Int64"] * 3,
        "str",
        "Int64",
        "str",
        "datetime64[us, UTC]",
        "str",
        "str",
    ]
    assert decisions_on(ledger, "demo", found()).empty


def test_twenty_thousand_are_decided_at_once(ledger: Ledger) -> None:
    numbers = with_mismatches(ledger, 20_000)
    decide(ledger, numbers[7], 1, Choice(DecisionKind.IGNORE, by="bram"))
    result = decide_many(ledger, [(number, 1) for number in numbers], Choice(DecisionKind.LINK, by="anna"))
    assert (len(result.decided), [refused.mismatch for refused in result.refused]) == (19_999, [numbers[7]])
    told = decisions_on(ledger, "demo", found(*(mismatch(f"p{n}") for n in range(20_000))))
    assert mark_applied(ledger, "run 2", told["decision"].astype(int).tolist()) == 20_000


def test_of_two_analysts_in_two_processes_one_decides_and_the_other_learns_who(ledger: Ledger, url: str) -> None:
    numbers = with_mismatches(ledger, 25)
    told = in_processes(decide_all, [(url, "anna", numbers), (url, "bram", numbers)])
    assert told[0] == told[1]
    assert [[kept.by for kept in decision_history(ledger, number)] for number in numbers] == [[by] for by in told[0]]


def test_a_choice_of_an_account_that_the_mismatch_does_not_point_at_lapses_by_itself(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(mismatch("p1"), mismatch("p2")), full=True)
    for number in (1, 2):
        decide(ledger, number, 1, Choice(DecisionKind.LINK, by="anna", account_id=900, account_print="abc"))
    first = decisions_in_force(ledger, "demo")
    assert (first["account_id"].tolist(), first["account_print"].tolist()) == ([900, 900], ["abc", "abc"])
    assert lapse_choices(ledger, [int(first["decision"][0])]) == 1
    assert decisions_in_force(ledger, "demo")["mismatch"].tolist() == [2]
    again = get_mismatch(ledger, 1)
    assert (again["status"], again["version"]) == ("open", 3)


def test_a_decision_is_taken_back_and_says_by_whom_and_when(ledger: Ledger, clock: Clock) -> None:
    number, other = with_mismatches(ledger, 2)
    decide(ledger, number, 1, LINK)
    decide(ledger, other, 1, LINK)
    clock.forward(hours=1)
    done = withdraw(ledger, [(number, 2)], by="bram")
    assert done == DecidedMany((number,), ())
    (taken,) = decision_history(ledger, number)
    assert (taken.by, taken.withdrawn_by, taken.lapsed_at) == ("anna", "bram", clock.time)
    row = get_mismatch(ledger, number)
    assert (row["status"], row["version"], row["since"]) == ("open", 3, clock.time)
    assert decisions_in_force(ledger, "demo")["mismatch"].tolist() == [other]
    (noted, *_) = activity.recent(ledger, "demo")
    assert (noted.by, noted.action, noted.subject, noted.detail) == ("bram", "take back", f"mismatch {number}", "link")
    decide(ledger, number, 3, Choice(DecisionKind.IGNORE, by="anna"))
    assert [one.kind for one in decision_history(ledger, number)] == ["link", "ignore"]


def test_what_was_carried_out_or_changed_meanwhile_is_not_taken_back(ledger: Ledger) -> None:
    applied, again, untouched, gone = with_mismatches(ledger, 4)
    made = decide_many(ledger, [(applied, 1), (again, 1), (gone, 1)], LINK)
    assert len(made.decided) == 3
    mark_applied(ledger, "run 2", [one.id for one in decision_history(ledger, applied)])
    decide(ledger, again, 2, Choice(DecisionKind.IGNORE, by="bram"))
    rows = [mismatch(f"p{n}") for n in range(3)]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    done = withdraw(ledger, [(applied, 3), (again, 2), (untouched, 1), (gone, 2), (999, 1)], by="anna")
    assert done.decided == ()
    assert [type(one) for one in done.refused] == [MismatchChanged, AlreadyDecided, *[MismatchChanged] * 3]
    assert [getattr(one, "status", one.mismatch) for one in done.refused] == ["applied", again, "open", "gone", "gone"]
    assert [one.withdrawn_by for number in (applied, again) for one in decision_history(ledger, number)] == [""] * 3


def test_taking_back_not_to_touch_takes_the_protection_off(ledger: Ledger) -> None:
    number, other = with_mismatches(ledger, 2)
    decide_many(ledger, [(number, 1), (other, 1)], Choice(DecisionKind.DO_NOT_TOUCH, by="anna"))
    assert len(protections(ledger, "demo")) == 1
    assert withdraw(ledger, [(number, 2)], by="anna").decided == (number,)
    assert len(protections(ledger, "demo")) == 1  # the other mismatch protects the same account
    assert withdraw(ledger, [(other, 2)], by="anna").decided == (other,)
    assert protections(ledger, "demo").empty
    assert {get_mismatch(ledger, one)["status"] for one in (number, other)} == {"open"}


def test_many_kinds_are_taken_back_at_once_with_a_line_for_each(ledger: Ledger) -> None:
    numbers = with_mismatches(ledger, 3)
    decide_many(ledger, [(number, 1) for number in numbers[:2]], LINK)
    decide(ledger, numbers[2], 1, Choice(DecisionKind.LATER, by="anna"))
    assert withdraw(ledger, [(number, 2) for number in numbers], by="anna").decided == tuple(numbers)
    told = {(one.action, one.detail) for one in activity.recent(ledger, "demo")[:2]}
    assert told == {("take back", "link: 2 mismatches"), ("take back", "later")}
