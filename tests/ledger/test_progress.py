"""How far a run is: rate and time left come from the words that were said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.runs import SILENCE, Progress, begin_run, progress_of, tell_progress

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


@pytest.fixture
def run(ledger: Ledger) -> str:
    return begin_run(ledger, "demo", "dag", "run", mode="full").id


def only(ledger: Ledger, run: str) -> Progress:
    (progress,) = progress_of(ledger, run)
    return progress


def test_at_first_there_is_no_rate(ledger: Ledger, run: str, clock: Clock) -> None:
    tell_progress(ledger, run, "snapshot", 0, 1000)
    assert only(ledger, run) == Progress("snapshot", 0, 1000, clock.time, clock.time, None, None)


def test_rate_and_time_left_follow_from_two_words(ledger: Ledger, run: str, clock: Clock) -> None:
    started = clock.time
    tell_progress(ledger, run, "snapshot", 200, 1000)
    at = clock.forward(seconds=10)
    tell_progress(ledger, run, "snapshot", 400, 1000)
    assert only(ledger, run) == Progress("snapshot", 400, 1000, started, at, rate=20.0, seconds_left=30.0)


def test_without_a_total_nobody_knows_how_long(ledger: Ledger, run: str, clock: Clock) -> None:
    tell_progress(ledger, run, "snapshot", 0)
    clock.forward(seconds=10)
    tell_progress(ledger, run, "snapshot", 50)
    assert (only(ledger, run).rate, only(ledger, run).seconds_left) == (5.0, None)


def test_what_is_done_takes_no_time(ledger: Ledger, run: str) -> None:
    tell_progress(ledger, run, "snapshot", 1001, 1000)
    assert only(ledger, run).seconds_left == 0.0


def test_less_than_before_is_a_new_beginning(ledger: Ledger, run: str, clock: Clock) -> None:
    tell_progress(ledger, run, "snapshot", 900, 1000)
    again = clock.forward(seconds=10)
    tell_progress(ledger, run, "snapshot", 0, 1000)
    clock.forward(seconds=10)
    tell_progress(ledger, run, "snapshot", 100, 1000)
    assert (only(ledger, run).started, only(ledger, run).rate) == (again, 10.0)


def test_a_long_silence_does_not_count_in_the_rate(ledger: Ledger, run: str, clock: Clock) -> None:
    started = clock.time
    tell_progress(ledger, run, "snapshot", 100, 1000)
    clock.forward(seconds=SILENCE.total_seconds() + 1)
    tell_progress(ledger, run, "snapshot", 200, 1000)
    assert only(ledger, run).rate is None
    clock.forward(seconds=10)
    tell_progress(ledger, run, "snapshot", 300, 1000)
    assert (only(ledger, run).started, only(ledger, run).rate) == (started, 10.0)


def test_steps_are_told_apart_in_the_order_they_began(ledger: Ledger, run: str, clock: Clock) -> None:
    other = begin_run(ledger, "demo", "dag", "other", mode="full").id
    for step in ("snapshot", "load"):
        tell_progress(ledger, run, step, 1)
        clock.forward(seconds=1)
    tell_progress(ledger, run, "snapshot", 2)
    assert [(one.step, one.done) for one in progress_of(ledger, run)] == [("snapshot", 2), ("load", 1)]
    assert progress_of(ledger, other) == []


def test_a_run_that_is_not_there_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotInLedger, match="no run 'x'"):
        tell_progress(ledger, "x", "snapshot", 1)
