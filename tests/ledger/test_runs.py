"""Runs: the same DAG run is the same run, however often it is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.runs import begin_run, end_run, ever_loaded, find_run, get_run, latest_runs, set_state
from moodle_coupling.ledger.words import RunState

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


def test_a_run_that_begins_is_running(ledger: Ledger, clock: Clock) -> None:
    run = begin_run(ledger, "demo", "moodle_provision__demo", "manual__1", mode="changed")
    assert (run.state, run.started, run.ended, run.plan_no) == (RunState.RUNNING, clock.time, None, 0)
    assert get_run(ledger, run.id) == run == find_run(ledger, "demo", "moodle_provision__demo", "manual__1")


def test_begun_again_it_is_the_same_run(ledger: Ledger, clock: Clock) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full")
    clock.forward(minutes=5)
    assert begin_run(ledger, "demo", "dag", "run", mode="full") == run


def test_the_same_run_id_in_another_environment_or_dag_is_another_run(ledger: Ledger) -> None:
    ids = {begin_run(ledger, *where, "run", mode="full").id for where in (("a", "dag"), ("b", "dag"), ("a", "dag2"))}
    assert len(ids) == 3


def test_an_ended_run_tells_how_it_ended(ledger: Ledger, clock: Clock) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full")
    end_run(ledger, run.id, RunState.FAILED, counts={"done": 3}, reason="too many failures")
    ended = get_run(ledger, run.id)
    assert (ended.state, ended.ended, ended.counts, ended.reason) == (
        RunState.FAILED,
        clock.time,
        {"done": 3},
        "too many failures",
    )


def test_an_ended_run_that_is_tried_again_runs_again(ledger: Ledger) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full")
    end_run(ledger, run.id, RunState.FAILED, reason="Moodle was away")
    again = begin_run(ledger, "demo", "dag", "run", mode="full")
    assert (again.id, again.state, again.ended, again.reason) == (run.id, RunState.RUNNING, None, "")


def test_a_run_that_waits_for_approval_keeps_waiting_when_a_task_begins(ledger: Ledger) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full")
    set_state(ledger, run.id, RunState.WAITING_APPROVAL, reason="first load")
    assert begin_run(ledger, "demo", "dag", "run", mode="full").state is RunState.WAITING_APPROVAL


def test_latest_runs_come_first(ledger: Ledger, clock: Clock) -> None:
    for name in ("one", "two", "three"):
        begin_run(ledger, "demo", "dag", name, mode="full")
        clock.forward(hours=1)
    begin_run(ledger, "other", "dag", "four", mode="full")
    assert [run.run_id for run in latest_runs(ledger, "demo", limit=2)] == ["three", "two"]


def test_only_a_load_that_came_to_its_end_makes_the_next_not_the_first(ledger: Ledger) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full")
    end_run(ledger, run.id, RunState.DONE)
    assert not ever_loaded(ledger, "demo")
    plan_intentions(ledger, run.id, [], digest="d")
    assert ever_loaded(ledger, "demo")
    assert not ever_loaded(ledger, "other")


def test_a_run_that_is_not_there_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotInLedger, match="no run 'x'"):
        get_run(ledger, "x")
    with pytest.raises(NotInLedger):
        end_run(ledger, "x", RunState.DONE)
    assert find_run(ledger, "demo", "dag", "x") is None
