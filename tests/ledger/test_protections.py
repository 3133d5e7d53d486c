"""What must not be touched: from the decision until somebody takes it off again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger.frames import found, mismatch

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.decisions import (
    Choice,
    decide,
    decide_many,
    decision_history,
    decisions_in_force,
    protect,
    protections,
    unprotect,
)
from moodle_coupling.ledger.errors import AlreadyDecided, NotItsAccount
from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

HANDS_OFF = Choice(DecisionKind.DO_NOT_TOUCH, by="anna", note="the director's")


def statuses(ledger: Ledger) -> list[str]:
    every = mismatches_frame(ledger, "demo", statuses=list(MismatchStatus))
    return every.sort_values("id")["status"].tolist()


def protected(ledger: Ledger, environment: str = "demo") -> dict[int, str]:
    frame = protections(ledger, environment)
    return dict(zip(frame["account_id"].astype(int), frame["by"], strict=True))


def ambiguous(ledger: Ledger) -> None:
    row = mismatch("p1", "ambiguous", account_id=None, other_accounts="[77, 78]")
    record_mismatches(ledger, "demo", "run 1", found(row), full=True)


def test_nothing_is_protected_at_first(ledger: Ledger) -> None:
    kinds = {"account_id": "Int64", "by": "str", "at": "datetime64[us, UTC]", "note": "str", "mismatch": "Int64"}
    assert {name: str(kind) for name, kind in protections(ledger, "demo").dtypes.items()} == kinds


def test_an_account_is_protected_and_the_first_word_stands(ledger: Ledger, clock: Clock) -> None:
    at = clock.time
    assert protect(ledger, "demo", 5, by="anna", note="service desk")
    clock.forward(days=1)
    assert not protect(ledger, "demo", 5, by="bram")
    (row,) = protections(ledger, "demo").to_dict("records")
    assert (row["account_id"], row["by"], row["at"], row["note"]) == (5, "anna", at, "service desk")
    assert protected(ledger, "other") == {}
    assert unprotect(ledger, "demo", 5, by="bram")
    assert not unprotect(ledger, "demo", 5, by="bram")
    assert protected(ledger) == {}
    assert [(one.by, one.action, one.subject) for one in activity.recent(ledger)] == [
        ("bram", "unprotect", "account 5"),
        ("anna", "protect", "account 5"),
    ]


def test_not_to_touch_protects_every_account_of_the_mismatch_at_once(ledger: Ledger, clock: Clock) -> None:
    ambiguous(ledger)
    decision = decide(ledger, 1, 1, HANDS_OFF)
    assert protected(ledger) == {77: "anna", 78: "anna"}
    assert (decision.applied_at, decision.applied_run, decision.lapsed_at) == (clock.time, "", None)
    assert statuses(ledger) == ["applied"]
    assert decisions_in_force(ledger, "demo").empty
    record_mismatches(ledger, "demo", "run 2", found(), full=True)
    assert statuses(ledger) == ["gone"]
    assert decision_history(ledger, 1) == [decision]
    assert protected(ledger) == {77: "anna", 78: "anna"}


def test_not_to_touch_protects_only_the_account_that_was_chosen(ledger: Ledger) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, Choice(DecisionKind.DO_NOT_TOUCH, by="anna", account_id=78))
    assert protected(ledger) == {78: "anna"}


def test_without_an_account_there_is_nothing_not_to_touch(ledger: Ledger) -> None:
    row = mismatch("p1", account_id=None, other_accounts="[]")
    record_mismatches(ledger, "demo", "run 1", found(row), full=True)
    with pytest.raises(NotItsAccount, match="points at no account"):
        decide(ledger, 1, 1, HANDS_OFF)
    assert statuses(ledger) == ["open"]


def test_another_decision_takes_the_protection_off_again(ledger: Ledger, clock: Clock) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, HANDS_OFF)
    with pytest.raises(AlreadyDecided, match="'do_not_touch' by anna"):
        decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="bram", account_id=77))
    decide(ledger, 1, 2, Choice(DecisionKind.LINK, by="bram", account_id=77))
    assert protected(ledger) == {}
    assert statuses(ledger) == ["decided"]
    assert [(one.kind, one.lapsed_at) for one in decision_history(ledger, 1)] == [
        (DecisionKind.DO_NOT_TOUCH, clock.time),
        (DecisionKind.LINK, None),
    ]


def test_not_to_touch_another_of_its_accounts_instead(ledger: Ledger) -> None:
    ambiguous(ledger)
    for version, account in ((1, 77), (2, 78)):
        decide(ledger, 1, version, Choice(DecisionKind.DO_NOT_TOUCH, by="anna", account_id=account))
    assert protected(ledger) == {78: "anna"}


def test_an_account_protected_on_two_mismatches_stays_so_when_one_is_decided_otherwise(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(mismatch("p1"), mismatch("p2")), full=True)
    decide_many(ledger, [(1, 1), (2, 1)], HANDS_OFF)
    assert len(protections(ledger, "demo")) == 1
    decide(ledger, 1, 2, Choice(DecisionKind.IGNORE, by="bram"))
    assert protected(ledger) == {77: "anna"}
    decide(ledger, 2, 2, Choice(DecisionKind.IGNORE, by="bram"))
    assert protected(ledger) == {}


def test_a_run_that_had_compared_before_the_decision_does_not_undo_it(ledger: Ledger) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, HANDS_OFF)
    row = mismatch("p1", "ambiguous", account_id=None, other_accounts="[77, 78]")
    record_mismatches(ledger, "demo", "run 2", found(row), full=True)
    assert statuses(ledger) == ["applied"]


def test_taken_off_before_the_next_run_the_mismatch_is_open_again(ledger: Ledger, clock: Clock) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, HANDS_OFF)
    unprotect(ledger, "demo", 77, by="bram")
    assert (statuses(ledger), protected(ledger)) == (["applied"], {78: "anna"})
    at = clock.forward(hours=1)
    unprotect(ledger, "demo", 78, by="bram")
    assert (statuses(ledger), protected(ledger)) == (["open"], {})
    assert decision_history(ledger, 1)[0].lapsed_at == at
    assert mismatches_frame(ledger, "demo").iloc[0]["since"] == at


def test_taken_off_later_the_next_run_finds_the_mismatch_again(ledger: Ledger) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, HANDS_OFF)
    record_mismatches(ledger, "demo", "run 2", found(), full=True)
    unprotect(ledger, "demo", 77, by="bram")
    unprotect(ledger, "demo", 78, by="bram")
    assert statuses(ledger) == ["gone"]
    row = mismatch("p1", "ambiguous", account_id=None, other_accounts="[77, 78]")
    record_mismatches(ledger, "demo", "run 3", found(row), full=True)
    assert statuses(ledger) == ["open"]
    assert decisions_in_force(ledger, "demo").empty


def test_a_protection_outlives_the_mismatch_it_was_decided_on(ledger: Ledger) -> None:
    ambiguous(ledger)
    decide(ledger, 1, 1, HANDS_OFF)
    with ledger.writing() as connection:
        connection.exec_driver_sql("DELETE FROM mismatches")
    kept = protections(ledger, "demo")
    assert kept["account_id"].tolist() == [77, 78]
    assert kept["mismatch"].isna().all()
    assert unprotect(ledger, "demo", 77, by="bram")


def test_twenty_thousand_are_protected_at_once(ledger: Ledger) -> None:
    rows = [mismatch(f"p{n}", account_id=n, other_accounts="[]") for n in range(20_000)]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    ids = mismatches_frame(ledger, "demo")["id"].astype(int)
    assert len(decide_many(ledger, [(number, 1) for number in ids], HANDS_OFF).decided) == 20_000
    assert len(protections(ledger, "demo")) == 20_000
    again = decide_many(ledger, [(number, 2) for number in ids], Choice(DecisionKind.LATER, by="anna"))
    assert (len(again.decided), len(protections(ledger, "demo"))) == (20_000, 0)
