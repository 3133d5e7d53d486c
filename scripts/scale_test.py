"""Whether anybody is lost or doubled: two Celery workers without a shared disk, one of them killed, and the broker restarted.

``make scale-test`` installs what this needs and runs it. docs/scaling.md says what it shows. Everything it makes stands in
``.scale``, which it empties at its start; when it ends, whatever it started has ended too.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo_sandboxes import Moodle
from localairflow import ROOT, LocalAirflow, LocalAirflowError, free_port
from scale_count import Counted, NoSize, faults, idnumbers, people_csv, people_wanted, shares
from scale_services import (
    BUCKET,
    STORE,
    MemoryWatch,
    ObjectStore,
    Service,
    Worker,
    postgresql,
    postgresql_url,
    redis,
    waited,
)

if TYPE_CHECKING:
    from pathlib import Path

HOME: Final = ROOT / ".scale"
ENVIRONMENTS: Final = ("north", "south", "west")
CREATE: Final = "core_user_create_users"
_PROBES: Final = 1
"""Calls to create that a run's check of the site makes: one without anybody in it, to see whether it may."""
MAPPING: Final = """\
environment: {name}
connection: moodle_{name}
source: {{type: file, path: "s3://{store}@{bucket}/in/{name}.csv"}}
idnumber: extern_id
username: {{recipe: first_infix_last}}
fields:
  auth: {{value: manual}}
limits: {{chunk_size: {chunk}}}
safeguards: {{first_load: false}}
"""
BEGAN: Final = time.monotonic()


class ScaleMoodle(Moodle):
    """A sandbox Moodle without accounts, kept in a file."""

    @property
    def file(self) -> Path:
        """The database with its accounts."""
        return self._file("sqlite")

    def idnumbers(self) -> tuple[str, ...]:
        """Give the idnumber of each account that has one."""
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=60) as database:
            rows = database.execute("SELECT idnumber FROM user WHERE deleted = 0 AND idnumber <> ''")
            return tuple(row[0] for row in rows)

    def _arguments(self) -> list[str]:
        return ["moodle", "--state", str(self.file)]


def say(text: str) -> None:
    """Print a line with the seconds since the beginning."""
    print(f"{time.monotonic() - BEGAN:7.1f} s  {text}", flush=True)


@dataclass
class Scale:
    """All of it, running; ``persons`` is the number of people of each environment."""

    airflow: LocalAirflow
    broker: Service
    workers: list[Worker]
    moodles: dict[str, ScaleMoodle]
    persons: dict[str, int]

    @property
    def seconds(self) -> float:
        """In how many seconds all runs must have ended, however busy the machine is."""
        return 900 + sum(self.persons.values()) / 40

    def reconcile(self) -> dict[str, str]:
        """Start the reconcile DAG of every environment; gives the run's id of each."""
        return {name: str(self.airflow.trigger(dag_of(name))["dag_run_id"]) for name in self.persons}

    def end(self, runs: dict[str, str]) -> None:
        """Wait for the end of these runs; raises LocalAirflowError where one did not end well."""
        for name, run_id in runs.items():
            state = self.airflow.wait_for_run(dag_of(name), run_id, self.seconds)["state"]
            tasks = self.airflow.states(dag_of(name), run_id)
            say(f"{name}: {state}, {tasks}")
            if state != "success":
                msg = f"{dag_of(name)} {run_id} ended as '{state}': {tasks}"
                raise LocalAirflowError(msg)

    def break_it(self, name: str, run_id: str) -> None:
        """Kill the worker that loads an environment while a call of that load is under way, and restart the broker; then mend both."""
        moodle = self.moodles[name]
        waited(moodle.idnumbers, f"{name} has its first accounts", self.seconds)
        worker = waited(lambda: self._loading(name, run_id), f"a worker loads {name}", 120)
        time.sleep(2)  # both connections wait for their held calls
        there = len(moodle.idnumbers())
        killed = worker.kill()
        say(f"killed {worker.name} ({killed} processes) with {there} of {self.persons[name]} accounts of {name} made")
        if not 0 < there < self.persons[name]:
            msg = "that was not in the middle of a load"
            raise LocalAirflowError(msg)
        moodle.control("POST", "faults", [])
        self.broker.stop()
        say("stopped the broker (Redis)")
        time.sleep(5)
        self.broker.start()
        say("started the broker again; one worker goes on alone")
        time.sleep(20)
        worker.start()
        worker.ready()
        say(f"started {worker.name} again")

    def _loading(self, name: str, run_id: str) -> Worker | None:
        rows = self.airflow.api("GET", f"dags/{dag_of(name)}/dagRuns/{run_id}/taskInstances?limit=1000")
        pids = {row["pid"] for row in rows["task_instances"] if row["task_id"] == "load" and row["state"] == "running"}
        return next((worker for worker in self.workers if pids & set(worker.processes)), None)

    def count(self, runs: dict[str, str]) -> list[Counted]:
        """Ask the sandboxes and the ledger what there is."""
        from moodle_coupling.ledger.ledger import open_ledger
        from moodle_coupling.ledger.outcomes import run_outcomes
        from moodle_coupling.ledger.runs import find_run

        ledger = open_ledger(postgresql_url("ledger"))
        counted = []
        for name, run_id in runs.items():
            record = find_run(ledger, name, dag_of(name), run_id)
            found = run_outcomes(ledger, record.id) if record else None
            outcomes = () if found is None else tuple(zip(found["idnumber"], found["status"], strict=True))
            persons = frozenset(idnumbers(name, self.persons[name]))
            counted.append(Counted(name, persons, self.moodles[name].idnumbers(), outcomes))
        return counted


def dag_of(environment: str) -> str:
    """Give the DAG that compares everyone of an environment."""
    return f"moodle_reconcile__{environment}"


def main() -> int:
    """Run all of it; exit status 1 where somebody is lost or doubled or something does not work."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    try:
        people = people_wanted(os.environ.get("SCALE_PEOPLE", ""))
        with ExitStack() as ending:
            return run(dict(zip(ENVIRONMENTS, shares(people, len(ENVIRONMENTS)), strict=True)), ending)
    except (LocalAirflowError, NoSize) as error:
        print(f"scale-test: {error}", file=sys.stderr)
        return 1


def run(persons: dict[str, int], ending: ExitStack) -> int:
    """Start everything, reconcile, break it, reconcile again, count; gives the exit status."""
    said = ", ".join(f"{name} {number:,}" for name, number in persons.items())
    say(f"people: {said}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    scale = start(persons, ending)
    with MemoryWatch(scale.workers) as memory:
        time.sleep(3)
        first = scale.reconcile()
        say("reconciling all three at the same time")
        scale.break_it("north", first["north"])
        scale.end(first)
        calls = {name: creates(moodle) for name, moodle in scale.moodles.items()}
        scale.end(scale.reconcile())
    more = {name: creates(moodle) - calls[name] for name, moodle in scale.moodles.items()}
    counted = scale.count(first)
    wrong = [line for one in counted for line in faults(one)]
    wrong += [
        f"{name}: the second run made {number} calls to create accounts" for name, number in more.items() if number
    ]
    for one in counted:
        say(
            f"{one.environment}: {len(one.persons)} persons, {len(one.accounts)} accounts, {len(one.outcomes)} final outcomes"
        )
    for line in memory.peaks.lines():
        say(line)
    for line in wrong:
        print(f"scale-test: WRONG: {line}", file=sys.stderr)
    say("nobody lost, nobody doubled" if not wrong else "see what is WRONG above")
    return 1 if wrong else 0


def batch_size(people: int) -> int:
    """Give how many people go into one call: the coupling's usual 50, or fewer, so that there are ten calls or more."""
    return max(1, min(50, people // 10))


def creates(moodle: ScaleMoodle) -> int:
    """Give how many calls that created accounts a sandbox got so far; the check's probe creates nobody."""
    calls: list[dict[str, Any]] = moodle.control("GET", "calls")
    return sum(call["function"] == CREATE and not call["errorcode"] for call in calls)


def start(persons: dict[str, int], ending: ExitStack) -> Scale:
    """Start everything with empty folders; ``ending`` ends it all."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(mode=0o700)
    database = postgresql()
    ending.callback(database.stop)
    for name in ("airflow", "ledger"):
        create_database(database.folder, name)
    broker, store = redis(HOME), ObjectStore(HOME)
    for service in (broker, store):
        ending.callback(service.stop)
        service.start()
    store.client().create_bucket(Bucket=BUCKET)
    say("PostgreSQL, Redis and the object store run")
    moodles = {name: ScaleMoodle(name, f"moodle_{name}", free_port(), HOME) for name in persons}
    homes = [HOME / name for name in ("airflow", "worker1", "worker2")]
    for name, number in persons.items():
        store.client().put_object(Bucket=BUCKET, Key=f"in/{name}.csv", Body=people_csv(name, number).encode())
        for home in homes:  # each machine has its own copy of the mapping files, as of the DAGs
            write_mapping(home, name, number)
        ending.callback(moodles[name].stop)
        moodles[name].start()
    first = next(iter(persons))  # of the calls that make its accounts a tenth gets through, then the others hang
    passing = max(1, persons[first] // (10 * batch_size(persons[first]))) + _PROBES
    moodles[first].control("POST", "faults", [f"hold,skip={passing},function={CREATE}"])
    airflow = LocalAirflow(homes[0], free_port(), settings(broker, homes[0]))
    ending.callback(airflow.stop)
    airflow.start()
    airflow.put_connection(STORE, **store.connection)
    for name, moodle in moodles.items():
        moodle.connect(airflow, batch_size=batch_size(persons[name]))
        airflow.put_pool(f"moodle__{name}", 1)
    workers = [Worker(home.name, home, airflow) for home in homes[1:]]
    for worker in workers:
        ending.callback(worker.stop)
        worker.start()
    for worker in workers:
        worker.ready()
    for name in persons:
        airflow.wait_for_dag(dag_of(name))
    say("Airflow, two workers and three Moodles run")
    return Scale(airflow, broker, workers, moodles, persons)


def settings(broker: Service, home: Path) -> dict[str, str]:
    """Give Airflow's settings, as docs/scaling.md has them; a killed worker is noticed in seconds instead of minutes."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{broker.port}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{postgresql_url('airflow', 'psycopg2')}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql_url("airflow", "psycopg2"),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
        "AIRFLOW__MOODLE_COUPLING__LEDGER_URL": postgresql_url("ledger"),
        "AIRFLOW__MOODLE_COUPLING__STAGING_URL": f"s3://{STORE}@{BUCKET}/staging",
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(home / "include/mappings"),
        "AIRFLOW__MOODLE_COUPLING__PAUSE_LOOK_SECONDS": "3",
    }


def create_database(folder: Path, name: str) -> None:
    """Make an empty database."""
    import psycopg

    with psycopg.connect(host=str(folder), user="ledger", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())


def write_mapping(home: Path, name: str, people: int) -> None:
    """Write an environment's mapping file into a home; a part is a tenth of the people, so that several are loaded."""
    folder = home / "include/mappings"
    folder.mkdir(parents=True, exist_ok=True)
    chunk = min(max(people // 10, 100), 5000)
    (folder / f"{name}.yaml").write_text(MAPPING.format(name=name, store=STORE, bucket=BUCKET, chunk=chunk))


if __name__ == "__main__":
    sys.exit(main())
