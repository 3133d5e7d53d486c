"""Full disks, lost databases, a Moodle that goes away: the load stops in good order and the next try finishes the plan."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from crash.harness import KILLED, NOT_BEGUN, STOPPED, Site, count, step_at, wait_until
from ledger.postgres import Postgres, _user
from provisioning.plans import CREATE, UPDATE

from moodle_coupling.ledger import schema
from moodle_coupling.sandbox.moodle import SandboxMoodle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_on_a_full_disk_nothing_is_sent_that_is_not_on_record(new_site: Callable[..., Site], tmp_path: Path) -> None:
    ended = []
    for pages in range(40):
        url = f"sqlite:///{tmp_path / f'{pages}' / 'ledger.db'}"
        schema.upgrade(url)
        site = new_site(url=url)
        ended.append(site.one_try(pages_left=pages))
        assert site.written() <= site.announced()
        if ended[-1] == 0:
            break
        assert "full" in site.told()["stopped"]
        assert site.one_try() == 0
        site.check_finished()
    assert STOPPED in ended
    assert set(ended[:-1]) == {STOPPED}
    assert ended[-1] == 0


@pytest.fixture
def durable_postgres() -> Iterator[Postgres]:
    """A server that keeps what it has committed, also when it is killed."""
    server = Postgres.start("max_connections=20")
    yield server
    server.stop()


def kill_and_wait(server: Postgres) -> None:
    server.process.kill()
    server.process.wait()


def start_again(server: Postgres) -> None:
    # Its children go with it, but not at once; until then it refuses to start.
    for _ in range(100):
        server.process = subprocess.Popen(
            server.process.args, user=_user(), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            server._wait()
        except RuntimeError:
            continue
        return
    pytest.fail("PostgreSQL does not start again")


@pytest.mark.parametrize("function", [UPDATE, CREATE])
def test_a_lost_database_stops_the_load_and_the_next_try_looks_what_was_sent(
    new_site: Callable[..., Site], durable_postgres: Postgres, function: str
) -> None:
    url = durable_postgres.new_database()
    schema.upgrade(url)
    site = new_site(url=url)
    site.moodle.faults.add(f"latency=1.0,skip=1,first=1,function={function}")
    site.begin_try()
    wait_until(lambda: site.arrived() == 2)
    kill_and_wait(durable_postgres)
    assert site.worker.ended() == STOPPED
    assert "ledger" in site.told()["stopped"]
    assert count(site.outcomes())["failed"] > 0
    assert site.one_try() == NOT_BEGUN
    start_again(durable_postgres)
    site.ledger.close()
    assert site.written() <= site.announced()
    assert site.sent() > 0
    assert site.one_try() == 0
    site.check_finished()


@pytest.fixture
def own_moodle(tmp_path: Path) -> Iterator[list[SandboxMoodle]]:
    """A Moodle that can be stopped and started again on its port and state: the last in the list is the one that runs."""
    started = [SandboxMoodle(state=tmp_path / "moodle.db", token="a-token-of-the-tests")]
    started[0].start(poll=0.01)
    yield started
    started[-1].stop()


def start_moodle_again(running: list[SandboxMoodle], folder: Path) -> SandboxMoodle:
    port = int(running[-1].url.rsplit(":", maxsplit=1)[1])
    again = SandboxMoodle(state=folder / "moodle.db", token="a-token-of-the-tests")
    again.start(port=port, poll=0.01)
    running.append(again)
    return again


@pytest.mark.parametrize("function", [UPDATE, CREATE])
def test_a_moodle_that_dies_in_the_middle_of_a_batch(
    own_moodle: list[SandboxMoodle], new_site: Callable[..., Site], tmp_path: Path, function: str
) -> None:
    site = new_site(moodle=own_moodle[0])
    site.moodle.faults.add(f"latency=1.0,skip=1,first=1,function={function}")
    site.begin_try()
    wait_until(lambda: site.arrived() == 2)
    site.moodle.stop()
    assert site.worker.ended() == STOPPED
    assert count(site.outcomes())["unknown"] > 0
    site.moodle = start_moodle_again(own_moodle, tmp_path)
    assert site.one_try() == 0
    site.check_finished()


@pytest.mark.parametrize(("function", "step"), [(UPDATE, "before the update"), (CREATE, "before the create")])
def test_a_worker_and_its_moodle_that_die_together(
    own_moodle: list[SandboxMoodle], new_site: Callable[..., Site], tmp_path: Path, function: str, step: str
) -> None:
    whole = new_site(moodle=own_moodle[0])
    assert whole.one_try() == 0
    out = step_at(whole.steps(), "while Moodle works", after=step, nth=2)
    site = new_site(moodle=own_moodle[0])
    site.moodle.faults.add(f"latency=1.0,skip=1,first=1,function={function}")
    assert site.one_try(out) == KILLED
    wait_until(lambda: site.arrived() == 2)
    site.moodle.stop()
    site.moodle = start_moodle_again(own_moodle, tmp_path)
    assert site.sent() > 0
    assert site.one_try() == 0
    site.check_finished()


def test_a_moodle_that_is_away_from_the_start_leaves_the_plan_as_it_is(new_site: Callable[..., Site]) -> None:
    site = new_site()
    site.moodle.faults.add("503")
    assert site.one_try() == STOPPED
    assert site.announced() == {"CV-00202"}  # which needs no call; of 201, with nothing to do, nothing is kept
    assert site.sent() == 0
    site.moodle.faults.clear()
    assert site.one_try() == 0
    site.check_finished()
