"""The lease: one run at a time, whatever started it, also across processes."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from ledger.workers import in_processes, take_environments

from moodle_coupling.ledger.errors import LeaseLost
from moodle_coupling.ledger.leases import LONGEST, Busy, Lease, acquire, heartbeat, holder_of, release

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

TTL = dt.timedelta(minutes=5)


def taken(ledger: Ledger, holder: str, environment: str = "demo") -> Lease:
    lease = acquire(ledger, environment, holder, ttl=TTL)
    assert isinstance(lease, Lease)
    return lease


@pytest.mark.clock
def test_the_second_run_is_told_who_has_the_environment_and_since_when(ledger: Ledger, clock: Clock) -> None:
    since = clock.time
    taken(ledger, "run 1")
    clock.forward(minutes=1)
    assert acquire(ledger, "demo", "run 2", ttl=TTL) == Busy("demo", "run 1", since, since + TTL)
    assert holder_of(ledger, "demo") == Busy("demo", "run 1", since, since + TTL)


def test_another_environment_is_free(ledger: Ledger) -> None:
    taken(ledger, "run 1")
    assert taken(ledger, "run 2", "other").holder == "run 2"


def test_tasks_of_one_run_share_its_lease(ledger: Ledger, clock: Clock) -> None:
    first = taken(ledger, "run 1")
    clock.forward(minutes=2)
    second = taken(ledger, "run 1")
    assert (second.token, second.since) == (first.token, first.since)
    assert second.expires == first.expires + dt.timedelta(minutes=2)


@pytest.mark.clock
def test_a_heartbeat_keeps_others_out_beyond_the_first_term(ledger: Ledger, clock: Clock) -> None:
    lease = taken(ledger, "run 1")
    for _ in range(3):
        clock.forward(minutes=4)
        lease = heartbeat(ledger, lease, ttl=TTL)
    assert isinstance(acquire(ledger, "demo", "run 2", ttl=TTL), Busy)


@pytest.mark.clock
def test_a_lease_that_ran_out_is_taken_over_and_its_holder_told(ledger: Ledger, clock: Clock) -> None:
    old = taken(ledger, "run 1")
    clock.forward(minutes=5)
    assert holder_of(ledger, "demo") is None
    new = taken(ledger, "run 2")
    assert new.token > old.token
    with pytest.raises(LeaseLost, match="'run 1' no longer holds environment 'demo': 'run 2' has it since 2026-03-01"):
        heartbeat(ledger, old, ttl=TTL)


@pytest.mark.clock
def test_a_late_heartbeat_is_no_harm_while_nobody_came(ledger: Ledger, clock: Clock) -> None:
    lease = taken(ledger, "run 1")
    clock.forward(hours=1)
    assert heartbeat(ledger, lease, ttl=TTL).expires == clock.time + TTL


def test_a_lease_taken_with_a_clock_two_days_ahead_ends_after_its_term(ledger: Ledger, clock: Clock) -> None:
    clock.forward(days=2)
    taken(ledger, "run 1")
    now = clock.forward(days=-2)
    assert acquire(ledger, "demo", "run 2", ttl=TTL) == Busy("demo", "run 1", now, now + TTL)
    clock.forward(minutes=4)
    assert isinstance(acquire(ledger, "demo", "run 2", ttl=TTL), Busy)
    clock.forward(minutes=1)
    taken(ledger, "run 2")


def test_who_only_asks_is_not_told_of_two_days_either(ledger: Ledger, clock: Clock) -> None:
    clock.forward(days=2)
    taken(ledger, "run 1")
    now = clock.forward(days=-2)
    assert holder_of(ledger, "demo") == Busy("demo", "run 1", now, now + LONGEST)
    clock.time += LONGEST
    assert holder_of(ledger, "demo") is None


def test_nobody_takes_an_environment_for_days(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="at most"):
        acquire(ledger, "demo", "run 1", ttl=dt.timedelta(days=1))


def test_its_holder_if_alive_keeps_it(ledger: Ledger, clock: Clock) -> None:
    clock.forward(days=2)
    lease = taken(ledger, "run 1")
    clock.forward(days=-2)
    for _ in range(3):
        assert isinstance(acquire(ledger, "demo", "run 2", ttl=TTL), Busy)
        clock.forward(minutes=4)
        lease = heartbeat(ledger, lease, ttl=TTL)
    assert lease.expires == clock.time + TTL


def test_what_is_given_back_is_free_at_once(ledger: Ledger) -> None:
    lease = taken(ledger, "run 1")
    release(ledger, lease)
    assert holder_of(ledger, "demo") is None
    assert taken(ledger, "run 2").token > lease.token
    with pytest.raises(LeaseLost):
        heartbeat(ledger, lease, ttl=TTL)


def test_giving_back_a_lost_lease_does_not_take_it_from_the_new_holder(ledger: Ledger, clock: Clock) -> None:
    old = taken(ledger, "run 1")
    clock.forward(minutes=6)
    taken(ledger, "run 2")
    release(ledger, old)
    assert isinstance(acquire(ledger, "demo", "run 3", ttl=TTL), Busy)


def test_of_many_threads_that_ask_at_once_one_gets_it(ledger: Ledger) -> None:
    start = threading.Barrier(8)

    def ask(number: int) -> Lease | Busy:
        start.wait()
        return acquire(ledger, "demo", f"run {number}", ttl=TTL)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    holders = [answer.holder for answer in answers if isinstance(answer, Lease)]
    assert len(holders) == 1
    assert {answer.holder for answer in answers} == set(holders)


def test_of_several_processes_one_gets_each_environment(url: str) -> None:
    answers = in_processes(take_environments, [(url, number, 20) for number in range(2)])
    assert [sum(got) for got in zip(*answers, strict=True)] == [1] * 20
