"""What all workers share: one change after another, from any process, and no holder who stops the others for ever."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hooks.coachview_small import settings_for

from moodle_coupling.errors import BudgetSpent
from moodle_coupling.hooks.coachview.budget import Budget
from moodle_coupling.ledger.errors import LedgerUnavailable
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.removal import purge
from moodle_coupling.ledger.shared_documents import held, look
from moodle_coupling.orchestration.coachview_sharing import through_the_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Event

    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


FORK = multiprocessing.get_context("fork")


def count_up(ledger: Ledger, times: int) -> None:
    for _ in range(times):
        with held(ledger, "x") as (document, _now):
            document["count"] = document.get("count", 0) + 1


def test_what_is_changed_is_there_for_the_next_with_the_time_of_the_ledger(ledger: Ledger, clock: Clock) -> None:
    with held(ledger, "x") as (document, now):
        assert (document, now) == ({}, clock.time)
        document["a"] = [1, "é"]
    with held(ledger, "x") as (document, _now):
        assert document == {"a": [1, "é"]}
    with held(ledger, "y") as (document, _now):
        assert document == {}


def test_a_look_waits_for_nobody_and_gives_what_was_kept_last(ledger: Ledger) -> None:
    assert look(ledger, "x") == {}
    with held(ledger, "x") as (document, _now):
        document["a"] = 1
    assert look(ledger, "x") == {"a": 1}


def test_an_error_in_the_block_keeps_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with held(ledger, "x") as (document, _now):
            document["a"] = 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with held(ledger, "x") as (document, _now):
        assert document == {}


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_text_that_is_no_document_counts_as_empty(
    ledger: Ledger, execute: Callable[[str], object], text: str
) -> None:
    count_up(ledger, 1)
    execute(f"UPDATE shared_documents SET document = '{text}'")  # noqa: S608
    count_up(ledger, 1)
    with held(ledger, "x") as (document, _now):
        assert document == {"count": 1}


def test_threads_change_it_in_turn_also_the_first_time(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, [ledger] * 4, [10] * 4))
    with held(ledger, "x") as (document, _now):
        assert document == {"count": 40}


def spend_all(url: str, until_refused: int) -> None:
    """Spend as long as there is something, as a worker on a machine of its own would; exit with how many."""
    budget = Budget(
        settings_for(daily_budget=40, budget_reserve=10), through_the_ledger(lambda: open_ledger(url))("b"), time.time
    )
    spent = 0
    try:
        for _ in range(until_refused):
            budget.spend("Personen", into_reserve=False)
            spent += 1
    except BudgetSpent:
        pass
    os._exit(spent)


def test_processes_together_spend_what_there_is_and_not_one_more(url: str) -> None:
    processes = [FORK.Process(target=spend_all, args=(url, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sum(process.exitcode or 0 for process in processes) == 30


def hold(url: str, holding: Event) -> None:
    with held(open_ledger(url), "x") as (document, _now):
        document["mine"] = True
        holding.set()
        time.sleep(60)


def holder(url: str) -> multiprocessing.process.BaseProcess:
    holding = FORK.Event()
    process = FORK.Process(target=hold, args=(url, holding), daemon=True)
    process.start()
    assert holding.wait(60)
    return process


def test_a_holder_that_is_killed_frees_it_and_leaves_nothing_half(url: str) -> None:
    process = holder(url)
    process.kill()
    process.join()
    with closing(open_ledger(url)) as ledger, held(ledger, "x") as (document, _now):
        assert document == {}


def test_a_holder_whose_machine_is_gone_is_let_go_by_postgresql(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if url.startswith("sqlite"):
        return  # a machine that is gone takes its SQLite file along
    process = holder(url)
    os.kill(process.pid or 0, signal.SIGSTOP)  # no goodbye, as after a power cut
    refused = 0
    with closing(open_ledger(url)) as ledger:
        while refused < 4:
            try:
                count_up(ledger, 1)
                break
            except LedgerUnavailable:
                refused += 1
        process.kill()
        with held(ledger, "x") as (document, _now):
            assert document == {"count": 1}


def test_what_nobody_changed_for_long_is_purged(ledger: Ledger, clock: Clock) -> None:
    count_up(ledger, 1)
    clock.forward(days=10)
    with held(ledger, "young") as (document, _now):
        document["a"] = 1
    assert purge(ledger, clock.time - dt.timedelta(days=5)).shared_documents == 1
