"""Accounts per second into a sandbox Moodle: the loader with its ledger, beside a bare loop of the same requests.

Run it from the project: ``python benchmarks/loading.py --accounts 2000``. The sandbox runs in a process of its own and is
asked over real HTTP; by default it takes the service times of a real Moodle (facts measured on Moodle 5.1, 2 cores,
MariaDB), with ``--no-realistic`` only its own. Every run is checked: everyone must be in, once.

The bare loop sends the same requests (recorded from a load), ready-made as bodies, on as many kept-alive connections, and
reads no more of an answer than that it is no error: nothing that loads people can be faster. The loader's figure holds
everything between a plan in memory and one outcome per person in the ledger (SQLite).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from bare import Spent, bare_loop, measured, noting

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.records import CREATE_USERS, NewAccount
from moodle_coupling.matching.frames import PLAN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from moodle_coupling.hooks.moodle.hook import MoodleHook

GRID = [(10, 1), (10, 2), (50, 1), (50, 2), (50, 4), (200, 1), (200, 2), (500, 2)]


def serve(pipe: Connection, realistic: object) -> None:
    """Run a sandbox until the other side hangs up."""
    from moodle_coupling.sandbox.moodle import running_moodle

    with running_moodle(settings={"realistic": bool(realistic)}) as moodle:
        pipe.send((moodle.url, moodle.token))
        pipe.recv()
        pipe.send(sum(account["idnumber"] != "" for account in moodle.accounts()))


@contextmanager
def sandbox(*, realistic: bool, expected: int) -> Iterator[tuple[str, str]]:
    """Give URL and token of a fresh sandbox; at the end exactly ``expected`` accounts must be in it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, realistic))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
        ours.send("done")
        found = ours.recv()
        assert found == expected, f"{found} accounts are in, {expected} should be"
    finally:
        process.terminate()
        process.join()


def fields(number: int, profile_fields: int, *, bad: str = "") -> dict[str, str]:
    """Give one person's account; a ``bad`` one has a value that only Moodle can know: 'shared' by all bad ones, or its 'own'."""
    person = {
        "username": f"user{number}", "firstname": f"Voornaam{number}", "lastname": "van der Test",
        "email": f"user{number}@example.org", "idnumber": f"CV-{number}", "auth": "oidc",
        "lang": "xx" if bad == "shared" else "en",
    }  # fmt: skip
    if bad == "own":
        person["country"] = f"N{number}"
    return person | {f"profile_field_customfield{n}": f"waarde {number}" for n in range(1, profile_fields + 1)}


def plan_of(people: list[dict[str, str]]) -> pd.DataFrame:
    """Give the plan that creates these people."""
    rows = [
        dict.fromkeys(PLAN_COLUMNS, "")
        | {name: person[name] for name in ("username", "firstname", "lastname", "email", "idnumber")}
        | {
            "row": number,
            "action": "create",
            "verdict": "new",
            "account_id": None,
            "changes": json.dumps({name: [None, value] for name, value in person.items()}),
            "reasons": "[]",
        }
        for number, person in enumerate(people)
    ]
    return pd.DataFrame(rows).astype({"row": "Int64", "account_id": "Int64"})


def hook_on(url: str, token: str, size: int, connections: int) -> MoodleHook:
    """Give the hook; imported here, because the sandbox's process imports this file too and needs no Airflow."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook

    settings = MoodleSettings("bench", url, token, batch_size=size, parallel_requests=connections, max_input_vars=5000)
    return MoodleHook.from_settings(settings)


def accounts_of(people: list[dict[str, str]]) -> list[NewAccount]:
    """Give the people as what is sent."""
    return [
        NewAccount(
            {name: value for name, value in person.items() if not name.startswith("profile_field_")},
            {name.removeprefix("profile_field_"): v for name, v in person.items() if name.startswith("profile_field_")},
        )
        for person in people
    ]


def by_loader(people: list[dict[str, str]], url: str, token: str, size: int, connections: int) -> Spent:
    """Load the people with a ledger."""
    from moodle_coupling.ledger import schema
    from moodle_coupling.ledger.cells import plan_digest
    from moodle_coupling.ledger.ledger import open_ledger
    from moodle_coupling.ledger.runs import begin_run
    from moodle_coupling.orchestration.load import load_with_ledger

    plan = plan_of(people)
    with tempfile.TemporaryDirectory() as folder, hook_on(url, token, size, connections) as hook:
        ledger_url = f"sqlite:///{folder}/ledger.db"
        schema.upgrade(ledger_url)
        ledger = open_ledger(ledger_url)
        run = begin_run(ledger, "bench", "moodle_provision__bench", "manual", mode="changed").id
        digest = plan_digest(plan)
        hook.site_info()
        with measured() as spent:
            spent.result = load_with_ledger(plan, hook, ledger, run, digest=digest)
        ledger.close()
        return spent


def recorded(people: list[dict[str, str]], size: int, connections: int) -> list[tuple[str, bytes]]:
    """Give the requests of a load, function and body, in the order in which they went out."""
    with sandbox(realistic=False, expected=len(people)) as (url, token), noting(token) as requests:
        by_loader(people, url, token, size, connections)
    return requests


def one_by_one(people: list[dict[str, str]], url: str, token: str, connections: int) -> float:
    """Send one call per account and nothing else, as a simple script does; give seconds."""
    accounts = accounts_of(people)
    with hook_on(url, token, 1, connections) as hook, ThreadPoolExecutor(connections) as pool:
        hook.site_info()
        started = time.perf_counter()
        list(pool.map(lambda account: hook.create_accounts([account]), accounts))
        return time.perf_counter() - started


def _pair(text: str) -> tuple[int, int]:
    size, connections = text.split(",")
    return int(size), int(connections)


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--profile-fields", type=int, default=0)
    parser.add_argument("--realistic", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--grid", type=_pair, nargs="+", default=GRID, metavar="SIZE,CONNECTIONS")
    arguments = parser.parse_args()
    count, realistic = arguments.accounts, arguments.realistic
    people = [fields(number, arguments.profile_fields) for number in range(count)]
    kind = "service times of a real Moodle" if realistic else "the sandbox's own speed"
    print(f"{count} new accounts, {arguments.profile_fields} profile fields each, {kind}\n")
    print("| how | per call | connections | accounts/s | calls |\n|---|---:|---:|---:|---:|")
    few = people[: max(200, count // 5)] if realistic else people
    for connections in (1, 2):
        with sandbox(realistic=realistic, expected=len(few)) as (url, token):
            seconds = one_by_one(few, url, token, connections)
        print(f"| one call per account | 1 | {connections} | {len(few) / seconds:.0f} | {len(few)} |", flush=True)
    print(
        "\n| per call | connections | bare loop, accounts/s | loader, accounts/s | share | own processor time per account, ms | calls |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size, connections in arguments.grid:
        row(people, size, connections, arguments)
    refused(people, arguments)


def row(people: list[dict[str, str]], size: int, connections: int, arguments: Any) -> None:
    """Measure bare loop and loader in turn, so that both have the same neighbours, and print the medians."""
    bare, ours = [], []
    requests = recorded(people, size, connections)
    for _ in range(arguments.rounds):
        with sandbox(realistic=arguments.realistic, expected=len(people)) as (url, token):
            bare.append(bare_loop(requests, url, token, connections, writes={CREATE_USERS}))
        with sandbox(realistic=arguments.realistic, expected=len(people)) as (url, token):
            ours.append(by_loader(people, url, token, size, connections))
    seconds = [statistics.median(one.seconds for one in found) for found in (bare, ours)]
    own = statistics.median(one.processor for one in ours) / len(people) * 1000
    calls = sum(ours[-1].result.calls.values()) if ours[-1].result else 0
    rates = " | ".join(f"{len(people) / one:.0f}" for one in seconds)
    print(f"| {size} | {connections} | {rates} | {seconds[0] / seconds[1]:.2f} | {own:.2f} | {calls} |", flush=True)


def refused(people: list[dict[str, str]], arguments: Any) -> None:
    """Measure what it costs to find bad persons of whom nothing tells who they are."""
    print("\n| bad persons | their bad value | accounts/s | extra calls | extra calls per bad person |")
    print("|---:|---|---:|---:|---:|")
    for share, kind in ((0, ""), (1, "own"), (10, "own"), (50, "own"), (300, "own"), (10, "shared"), (50, "shared")):
        step = 1000 // share if share else len(people) + 1
        mixed = [
            fields(n, arguments.profile_fields, bad=kind if n % step == step // 2 else "") for n in range(len(people))
        ]
        bad = sum(person["lang"] == "xx" or "country" in person for person in mixed)
        with sandbox(realistic=arguments.realistic, expected=len(mixed) - bad) as (url, token):
            spent = by_loader(mixed, url, token, 50, 2)
        seconds, result = spent.seconds, spent.result
        assert result is not None
        assert (result.outcomes["status"] == "rejected").sum() == bad
        each = f"{result.extra_calls / bad:.1f}" if bad else "–"
        print(f"| {bad} | {kind} | {len(mixed) / seconds:.0f} | {result.extra_calls} | {each} |", flush=True)


if __name__ == "__main__":
    main()
