"""What a run costs in which nothing changed: CPU seconds, memory and calls of each task, by the number of people.

Run it from the project: ``python benchmarks/unchanged_run.py --people 100000``. The sandbox has an account for everyone and
runs in a process of its own, asked over real HTTP. A first run links them all, a second finds nothing changed, and a third
compares everyone (full). Each task is a process of its own, as it is in Airflow, but started without it: what is measured is
our own work and imports. Every run is checked: nothing may be written, and of an unchanged person nothing be asked.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "plugins"))

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

MAPPING = """\
environment: bench
connection: moodle_bench
source: {type: file, path: persons.csv}
idnumber: extern_id
username: {recipe: extern_id}
safeguards: {first_load: false, source_shrunk: off}
fields:
  city: {column: city}
"""
HEADINGS = ("PersonId", "ExternId", "Voornaam", "Tussenvoegsel", "Achternaam", "E-mail", "Plaats")
TASKS = ("prepare", "plan", "report")


def account(number: int) -> dict[str, str]:
    """Give one account as the source has the person."""
    return {
        "username": f"cv-{number}", "firstname": f"Voornaam{number}", "lastname": f"Naam{number}",
        "email": f"p{number}@example.org", "idnumber": f"CV-{number}", "city": "Ede",
    }  # fmt: skip


def serve(pipe: Connection, people: int) -> None:
    """Run a sandbox that knows everyone; answer how often it was asked what, until the other side hangs up."""
    from moodle_coupling.sandbox.moodle import running_moodle

    with running_moodle(accounts=[account(number) for number in range(people)]) as moodle:
        pipe.send((moodle.url, moodle.token))
        while pipe.recv() == "calls":
            calls: dict[str, int] = defaultdict(int)
            for call in moodle.calls.all():
                calls[call.function] += 1
            moodle.calls.clear()
            pipe.send(dict(calls))


@contextmanager
def sandbox(people: int) -> Iterator[tuple[str, str, Connection]]:
    """Give URL, token and the pipe of a sandbox with an account for everyone."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, people))
    process.start()
    theirs.close()
    try:
        yield *ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def one_task(name: str, folder: Path, run_id: str, mode: str) -> None:
    """Do what a task of Airflow does, in this process; prints its CPU seconds and peak memory (MB)."""
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.ledger.runs import begin_run
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.orchestration.run import Run, the_ledger, with_defaults

    path, ledger = folder / "bench.yaml", the_ledger()
    staged = folder / "staging/bench" / f"{dt.datetime.now(dt.UTC):%Y%m%dT000000Z}__{run_id}"
    staged.mkdir(parents=True, exist_ok=True)
    run = Run(
        mapping=with_defaults(load_mapping(path), MoodleHook("moodle_bench").settings),
        mapping_path=path,
        folder=ObjectStoragePath(f"file://{staged}"),
        ledger=ledger,
        record=begin_run(ledger, "bench", "bench", run_id, mode=mode),
        holder=f"bench {run_id}",
        full=mode == "full",
    )
    told: Any = None
    if name == "prepare":
        from moodle_coupling.orchestration.preparation import prepare

        told = prepare(run)
    elif name == "plan":
        from moodle_coupling.orchestration.planning import plan

        planned = plan(run)
        assert not planned.asks
        assert planned.chunks == [], "an unchanged run starts no load"
        told = planned.counts
    else:
        from moodle_coupling.orchestration.run_end import report_and_end

        context: Any = {
            "ti": SimpleNamespace(xcom_push=lambda **_: None),
            "outlet_events": defaultdict(SimpleNamespace),
            "task": SimpleNamespace(outlets=[]),
        }
        told = report_and_end(run, {"prepare": "success", "plan": "success", "load": "skipped"}, context)
    used = resource.getrusage(resource.RUSAGE_SELF)
    numbers = {"cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024, "told": told}
    print("\n" + json.dumps(numbers))


def measured(name: str, folder: Path, run_id: str, mode: str) -> dict[str, Any]:
    """Do one task in a process of its own; gives what it printed."""
    command = [sys.executable, __file__, "--task", name, "--folder", str(folder), "--run", run_id, "--mode", mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure three runs at each size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[10_000, 100_000])
    for name in ("task", "folder", "run", "mode"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        one_task(arguments.task, Path(arguments.folder), arguments.run, arguments.mode)
        return
    print("| people | run | task | CPU s | peak MB | calls |\n|---:|---|---|---:|---:|---|")
    for people in arguments.people:
        with tempfile.TemporaryDirectory() as temporary, sandbox(people) as (url, token, pipe):
            measure(people, Path(temporary), url, token, pipe)


def measure(people: int, folder: Path, url: str, token: str, pipe: Connection) -> None:
    """Measure three runs of one size."""
    (folder / "bench.yaml").write_text(MAPPING)
    with (folder / "persons.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADINGS)
        for number in range(people):
            writer.writerow(
                (number, f"CV-{number}", f"Voornaam{number}", "", f"Naam{number}", f"p{number}@example.org", "Ede")
            )
    connection = {"conn_type": "moodle", "host": url, "password": token, "extra": {"allow_http": True}}
    ledger = f"sqlite:///{folder / 'ledger.db'}"
    os.environ |= {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__MOODLE_COUPLING__STAGING_URL": f"file://{folder / 'staging'}",
        "AIRFLOW__MOODLE_COUPLING__LEDGER_URL": ledger,
        "AIRFLOW_CONN_MOODLE_BENCH": json.dumps(connection),
        "AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__MOODLE_BENCH": "false",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    from moodle_coupling.ledger.schema import upgrade

    upgrade(ledger)
    for run_id, mode in (("first", "changed"), ("unchanged", "changed"), ("full", "full")):
        together = 0.0
        for name in TASKS:
            found = measured(name, folder, run_id, mode)
            pipe.send("calls")
            calls = pipe.recv()
            together += found["cpu"]
            if run_id == "unchanged" and name == "plan":
                assert calls.get("core_user_get_users_by_field", 0) <= 5, "the check alone asks about accounts"
            assert not {"core_user_create_users", "core_user_update_users"} & calls.keys() or name == "plan"
            said = ", ".join(f"{number} {function}" for function, number in sorted(calls.items()))
            print(f"| {people:,} | {run_id} | {name} | {found['cpu']:.1f} | {found['mb']:.0f} | {said} |", flush=True)
        print(f"| {people:,} | **{run_id}** | **together** | **{together:.1f}** | | |", flush=True)


if __name__ == "__main__":
    main()
