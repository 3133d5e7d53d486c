"""Accounts per second out of a sandbox Moodle: everyone, by each strategy, beside plain lookups by a field.

Run it from the project: ``python benchmarks/snapshot.py --accounts 20000``. The sandbox runs in a process of its own
and is asked over real HTTP; by default it takes the service times of a real Moodle (facts measured on Moodle 5.1, 2
cores, MariaDB), with ``--no-realistic`` only its own. Every reading is checked: whoever must be in it is, once, as it
is there.

The peer knows every ID number beforehand and asks for nothing else; the strategies know nothing, and find whoever is
there.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.matching.frames import CANDIDATE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.provisioning.snapshot.accounts import Snapshot

SPECIAL = 3


def account(number: int, ours: int) -> dict[str, Any]:
    """Give one account; one in ``ours`` has an ID number."""
    return {
        "username": f"user{number}", "firstname": f"Voornaam{number}", "lastname": "van der Test",
        "email": f"{'abcdefghijklmnopqrstuvwxyz'[number % 26]}.user{number}@example.org",
        "idnumber": f"CV-{number}" if number % ours == 0 else "", "city": "Assen", "auth": "oidc",
    }  # fmt: skip


def serve(pipe: Connection, count: int, ours: int, realistic: object) -> None:
    """Run a sandbox with these accounts until the other side hangs up."""
    from moodle_coupling.sandbox.moodle import FUNCTIONS, REPORT_FUNCTIONS, CustomReport, running_moodle

    settings = {"realistic": bool(realistic), "reports": [CustomReport(1, "Moodle coupling")]}
    with running_moodle(settings=settings, accounts=(account(number, ours) for number in range(count))) as moodle:
        moodle.restrict_token(functions=(*FUNCTIONS, *REPORT_FUNCTIONS))
        pipe.send((moodle.url, moodle.token))
        pipe.recv()


@contextmanager
def sandbox(count: int, ours: int, *, realistic: bool) -> Iterator[tuple[str, str]]:
    """Give URL and token of a sandbox with ``count`` accounts."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, count, ours, realistic))
    process.start()
    there.close()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def hook_on(url: str, token: str, connections: int) -> MoodleHook:
    """Give the hook; imported here, because the sandbox's process imports this file too and needs no Airflow."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook

    return MoodleHook.from_settings(MoodleSettings("bench", url, token, parallel_requests=connections))


def by_idnumber(url: str, token: str, connections: int, count: int, ours: int) -> tuple[float, int, int]:
    """Look all ID numbers up, 500 a call, and do nothing with them; give seconds, accounts and calls."""
    numbers = [f"CV-{number}" for number in range(0, count, ours)]
    chunks = [numbers[start : start + 500] for start in range(0, len(numbers), 500)]
    with hook_on(url, token, connections) as hook, ThreadPoolExecutor(connections) as pool:
        hook.site_info()
        started = time.perf_counter()
        read = list(pool.map(lambda chunk: hook.accounts_by_field("idnumber", chunk), chunks))
        seconds = time.perf_counter() - started
    found = sum(len(part.accounts) for part in read)
    assert found == len(numbers), f"{found} found, {len(numbers)} should be"
    return seconds, found, len(chunks)


def by_strategy(
    url: str, token: str, connections: int, strategy: str, candidates: pd.DataFrame
) -> tuple[float, Snapshot]:
    """Read everyone; give seconds and what was read."""
    from moodle_coupling.provisioning.snapshot.accounts import read_accounts

    with hook_on(url, token, connections) as hook:
        hook.site_info()
        started = time.perf_counter()
        read = read_accounts(hook, candidates, full=True, settings=SnapshotSettings(strategy=strategy))
        return time.perf_counter() - started, read


def candidates_of(count: int, ours: int) -> pd.DataFrame:
    """Give the persons to whom our accounts belong."""
    blank = dict.fromkeys(CANDIDATE_COLUMNS, "") | {"inactive": False, "in_scope": True}
    rows = []
    for number in range(0, count, ours):
        theirs = account(number, ours)
        rows.append(blank | {"row": number, **{name: theirs[name] for name in ("idnumber", "email", "username")}})
    return pd.DataFrame(rows, columns=list(CANDIDATE_COLUMNS))


def check(read: Snapshot, count: int, ours: int) -> None:
    """See that whoever must be read is, once and as it is there."""
    special = SPECIAL - (read.strategy == "report")  # guest is in no report
    assert read.total == count + special, (read.total, count)
    assert read.unreadable == ()
    assert read.accounts["id"].is_unique
    theirs = read.accounts[read.accounts["idnumber"] != ""].set_index("idnumber")
    assert len(theirs) == len(range(0, count, ours))
    for number in range(0, count, max(ours, count // 100 // ours * ours)):
        expected = account(number, ours)
        found = theirs.loc[expected["idnumber"]]
        assert all(found[name] == expected[name] for name in ("username", "email", "firstname", "city", "auth"))
    if read.strategy != "report":
        assert len(read.accounts) == count + special


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[2])
    parser.add_argument("--realistic", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    logging.getLogger("moodle_coupling").setLevel(logging.WARNING)
    count = arguments.accounts
    kind = "service times of a real Moodle" if arguments.realistic else "the sandbox's own speed"
    print(f"{count:,} accounts, {kind}; accounts/s are those of the whole Moodle\n")
    print("| with an ID number | how | connections | seconds | accounts/s | calls |\n|---|---|---:|---:|---:|---:|")
    for ours, share in ((1, "everyone"), (5, "one in five")):
        candidates = candidates_of(count, ours)
        with sandbox(count, ours, realistic=arguments.realistic) as (url, token):
            for connections in arguments.connections:
                measure(url, token, connections, candidates, (count, ours, share))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {peak:.0f} MB, of which the libraries take some 250.")


def measure(url: str, token: str, connections: int, candidates: pd.DataFrame, site: tuple[int, int, str]) -> None:
    """Measure the peer and every strategy on one site, and print a row each."""
    count, ours, share = site
    seconds, found, calls = by_idnumber(url, token, connections, count, ours)
    row(share, f"plain lookups of {found:,} known ID numbers", connections, seconds, found, calls)
    for strategy in ("fields", "listing", "report"):
        seconds, read = by_strategy(url, token, connections, strategy, candidates)
        check(read, count, ours)
        row(share, f"`{strategy}`, {len(read.accounts):,} looked up", connections, seconds, count + SPECIAL, read.calls)


def row(share: str, how: str, connections: int, seconds: float, accounts: int, calls: int) -> None:
    """Print one row."""
    print(f"| {share} | {how} | {connections} | {seconds:.1f} | {accounts / seconds:,.0f} | {calls:,} |", flush=True)


if __name__ == "__main__":
    main()
