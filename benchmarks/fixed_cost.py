"""What a run costs before it does anything: from trigger to done on a real Airflow, and the CPU seconds of its tasks.

Run it from the project: ``python benchmarks/fixed_cost.py``; ``--root`` measures another checkout beside it. An Airflow with
LocalExecutor and SQLite, a sandbox Moodle and a file of 200 people: a first load, then runs in which nothing changed, dry runs of
one person, and a run for one person. CPU seconds are those of the processes of tasks, with what Airflow does to start them;
they tell more than the clock where the machine has other work.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "plugins")]

from localairflow import LocalAirflow, descendants, free_port

from moodle_coupling.sandbox.moodle import running_moodle

DAG = "moodle_provision__demo"
MAPPING = """\
environment: demo
connection: moodle_demo
source: {type: file, path: ../../persons.csv}
idnumber: extern_id
username: {recipe: first_infix_last}
safeguards: {first_load: false, source_shrunk: off}
fields:
  auth: {value: manual}
  city: {column: city}
"""
HEADINGS = "PersonId;ExternId;Voornaam;Tussenvoegsel;Achternaam;E-mail;Plaats"
ONE: dict[str, Any] = {"person_ids": ["CV-3"]}
RUNS: list[tuple[str, dict[str, Any]]] = [
    ("first load, 200 people", {}),
    ("unchanged", {}),
    ("unchanged", {}),
    ("dry run of one", {**ONE, "dry_run": True}),
    ("dry run of one", {**ONE, "dry_run": True}),
    ("one person", ONE),
]


def task_seconds(airflow: LocalAirflow) -> float:
    """Give the CPU seconds of all that the scheduler started so far, and of what these started; not its own."""
    scheduler = int((airflow.home / "scheduler.pid").read_text())
    ticks = sum(_times(scheduler)[2:])
    for pid in descendants(scheduler):
        with contextlib.suppress(OSError, IndexError):
            ticks += sum(_times(pid))
    return ticks / os.sysconf("SC_CLK_TCK")


def _times(pid: int) -> list[int]:
    """Give user and system time of a process, and of its children that ended."""
    return [int(one) for one in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]


def moment(text: str) -> dt.datetime:
    """Read a time as Airflow writes it."""
    return dt.datetime.fromisoformat(text)


def measure(airflow: LocalAirflow, what: str, conf: dict[str, Any], *, tasks: bool) -> None:
    """Run once, and print a line of the table; with ``tasks`` when each of them began and ended too."""
    time.sleep(2)
    before = task_seconds(airflow)
    run = airflow.run(DAG, conf)
    begun = moment(run["queued_at"])
    took = (moment(run["end_date"]) - begun).total_seconds()
    time.sleep(2)  # processes end after their task
    used = task_seconds(airflow) - before
    path = f"dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances?limit=100"
    started = [one for one in airflow.api("GET", path)["task_instances"] if one["start_date"] and one["hostname"]]
    print(f"| {what} | {run['state']} | {took:.1f} | {used:.1f} | {len(started)} |", flush=True)
    for one in sorted(started, key=lambda one: str(one["start_date"])) if tasks else ():
        start, end = (moment(one[name]) - begun for name in ("start_date", "end_date"))
        print(f"    {one['task_id']}: {start.total_seconds():.1f} to {end.total_seconds():.1f}", flush=True)


def main() -> None:
    """Measure every run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--tasks", action="store_true", help="tell of each task when it began and ended")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fixed-cost-") as temporary, running_moodle() as moodle:
        home = Path(temporary)
        mappings = home / "include/mappings"
        mappings.mkdir(parents=True)
        (mappings / "demo.yaml").write_text(MAPPING)
        people = [f"{n};CV-{n};Voornaam{n};;Naam{n};p{n}@example.org;Ede" for n in range(200)]
        (home / "persons.csv").write_text("\n".join([HEADINGS, *people, ""]), encoding="utf-8")
        root = arguments.root.resolve()
        options = {"AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(mappings), "PYTHONPATH": str(root / "plugins")}
        airflow = LocalAirflow(home, free_port(), options, root=root)
        try:
            airflow.start()
            fields = {"host": moodle.url, "password": moodle.token, "extra": json.dumps({"allow_http": True})}
            airflow.put_connection("moodle_demo", conn_type="moodle", **fields)
            airflow.put_pool("moodle__demo", 1)
            airflow.wait_for_dag(DAG)
            time.sleep(10)
            print(f"load of this machine: {os.getloadavg()[0]:.1f}")
            print("| run | state | trigger to done, s | CPU of tasks, s | tasks started |\n|---|---|---:|---:|---:|")
            for what, conf in RUNS:
                measure(airflow, what, conf, tasks=arguments.tasks)
            print(f"load of this machine: {os.getloadavg()[0]:.1f}")
        finally:
            airflow.stop()


if __name__ == "__main__":
    main()
