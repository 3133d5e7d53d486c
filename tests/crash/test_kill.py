"""A worker killed (kill -9) at every step of a load, many times over: nobody lost, nobody doubled, one final outcome each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from crash.harness import KILLED, wait_until, while_moodle_works
from provisioning.plans import CREATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from crash.harness import Site

MOST_KILLS = 6


def test_killed_at_each_step_of_the_load_the_next_try_finishes_the_plan(new_site: Callable[..., Site]) -> None:
    whole = new_site()
    assert whole.one_try() == 0
    steps = whole.steps()
    whole.check_finished()
    assert {
        "before the intention",
        "in a transaction of the ledger",
        "before the update",
        "before the create",
        "while Moodle works",
        "after the create",
        "after the outcomes",
        "before the file of outcomes is in its place",
    } <= set(steps)
    for step in range(1, len(steps) + 1):
        site = new_site()
        assert site.one_try(step) == KILLED, f"not killed at step {step} ({steps[step - 1]})"
        assert site.written() <= site.announced(), f"sent without a record: step {step} ({steps[step - 1]})"
        assert site.one_try() == 0, f"not finished after a kill at step {step} ({steps[step - 1]})"
        site.check()


@pytest.mark.parametrize("seed", range(8))
def test_killed_again_and_again_with_two_requests_at_a_time(new_site: Callable[..., Site], seed: int) -> None:
    kill_until_done(new_site(settings={"parallel_requests": 2, "batch_size": 2}), random.Random(seed))


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_with_the_ledger_on_postgresql(
    new_site: Callable[..., Site], postgres_url: str, seed: int
) -> None:
    kill_until_done(new_site(url=postgres_url, settings={"parallel_requests": 2}), random.Random(seed))


def kill_until_done(site: Site, chance: random.Random) -> None:
    """Kill each try at a step by chance; the last is let through, unless one is through before its time."""
    killed = 0
    while killed < MOST_KILLS and site.one_try(chance.randint(1, 50)) == KILLED:
        killed += 1
        assert site.written() <= site.announced()
    assert killed
    assert site.one_try() == 0
    site.check()


@pytest.mark.parametrize(
    ("first", "second", "looks"),
    [
        pytest.param(0.5, 0.0, (0.0, 0.8), id="its work is done while the next try waits"),
        pytest.param(0.4, 0.0, (0.0, 0.0), id="its work comes after the next try's"),
        pytest.param(0.5, 1.0, (0.0, 0.0), id="its work is done while the next try's call is under way"),
    ],
)
def test_killed_while_moodle_works_on_a_create_that_goes_on_without_us(
    new_site: Callable[..., Site], first: float, second: float, looks: tuple[float, ...]
) -> None:
    site = new_site(looks=looks)
    before = len(site.moodle.calls.all(CREATE))
    site.moodle.faults.add(f"latency={first},first=1,function={CREATE}")
    site.moodle.faults.add(f"latency={second},skip=1,first=1,function={CREATE}")
    assert site.one_try(while_moodle_works("before the create")) == KILLED
    assert site.sent() in (3, 6)  # the next batch may be announced by now
    assert site.one_try() == 0
    wait_until(lambda: len(site.moodle.calls.all(CREATE)) == before + 1 + site.told()["calls"]["create"])
    site.check()
