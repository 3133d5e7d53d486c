"""Full disks, lost databases, a Moodle that goes away: the load stops in good order and the next try finishes the plan."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from crash.harness import KILLED, NOT_BEGUN, STOPPED, Site, count, wait_until, while_moodle_works
from ledger.frames import found, mismatch
from ledger.postgres import Postgres, _user
from provisioning.plans import CREATE, UPDATE

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.removal import PersonIds, forget_person
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


@pytest.mark.parametrize("function", [UPDATE, CREATE])
def test_a_postgresql_that_turns_read_only_stops_the_load(
    new_site: Callable[..., Site], postgres: Postgres, function: str
) -> None:
    url = postgres.new_database()
    schema.upgrade(url)
    site = new_site(url=url)
    site.moodle.faults.add(f"latency=1.0,skip=1,first=1,function={function}")
    site.begin_try()
    wait_until(lambda: site.arrived() == 2)
    switch(postgres, url, read_only=True)
    assert site.worker.ended() == STOPPED
    assert "ledger" in site.told()["stopped"]
    assert site.one_try() in {STOPPED, NOT_BEGUN}
    site.ledger.close()
    assert site.written() <= site.announced()
    switch(postgres, url, read_only=False)
    site.ledger.close()
    assert site.one_try() == 0
    site.check_finished()


def switch(server: Postgres, url: str, *, read_only: bool) -> None:
    """Make a database read-only, or writable again, as a failover does: who is connected must connect anew."""
    name = url.split("@/")[1].split("?", maxsplit=1)[0]
    word = "on" if read_only else "off"
    with psycopg.connect(host=str(server.folder), user="ledger", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {word}'.encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_while_a_sqlite_ledger_is_read_only_nobody_is_sent(new_site: Callable[..., Site]) -> None:
    site = new_site()
    assert site.one_try(read_only=True) in {STOPPED, NOT_BEGUN}
    assert site.written() == site.announced() == set()
    assert site.one_try() == 0
    site.check_finished()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_deciding_and_forgetting_do_not_wait_for_moodle_nor_disturb_a_load(
    new_site: Callable[..., Site], request: pytest.FixtureRequest, database: str
) -> None:
    site = new_site(url=request.getfixturevalue(f"{'sqlite' if database == 'sqlite' else 'postgres'}_url"))
    record_mismatches(site.ledger, "demo", site.run, found(mismatch("p1"), mismatch("p2")), full=False)
    first, second = mismatches_frame(site.ledger, "demo").to_dict("records")[-2:]
    site.moodle.faults.add(f"latency=3.0,skip=1,first=1,function={CREATE}")
    site.begin_try()
    wait_until(lambda: site.arrived() == 2)
    decide(site.ledger, int(first["id"]), int(first["version"]), Choice(DecisionKind.IGNORE, "analyst"))
    forget_person(site.ledger, "demo", PersonIds(person_ids=(str(second["person_id"]),)))
    assert site.arrived() == 2
    assert site.worker.ended() == 0
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
    site = new_site(moodle=own_moodle[0])
    site.moodle.faults.add(f"latency=1.0,skip=1,first=1,function={function}")
    assert site.one_try(while_moodle_works(step, nth=2)) == KILLED
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
