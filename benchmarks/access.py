"""Access given per second to a sandbox Moodle: the loader with its ledger, beside a bare loop of the same calls and one call per row.

Run it from the project: ``python benchmarks/access.py --rows 2000``. As in loading.py the sandbox runs in a process of its own with
the service times of a real Moodle, unless ``--no-realistic``; the bare loop sends the loader's own requests and reads no
more of an answer than that it is no error. Then what a night costs in which nothing changed: ``--unchanged`` memberships
in forty cohorts, read, planned and loaded, beside a bare loop of the same calls; it must write nothing and read each cohort once.
Both tables stand in benchmarks/README.md, as they are printed.
"""

from __future__ import annotations

import argparse
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
from loading import hook_on

from moodle_coupling.contract.frames import ACCESS_GIVEN, ACCESS_PLAN, ACCESS_WANTED, PLAN
from moodle_coupling.hooks.moodle import access_records as records
from moodle_coupling.people.table import made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

FIRST = 100
COHORTS = 40
UNTIL = 2_000_000_000
WRITES = (records.ADD_COHORT_MEMBERS, records.ENROL_USERS)
ANY_WRITE = {*WRITES, records.DELETE_COHORT_MEMBERS, records.UNENROL_USERS, records.CREATE_COHORTS}
Call = tuple[str, list[str]]
"""A function that was called, and the cohorts that it asked for the members of."""


def account(number: int) -> dict[str, Any]:
    """Give an account of the sandbox."""
    name = f"u{number}"
    return {"id": number, "username": name, "firstname": "J", "lastname": "T", "email": f"{name}@example.org"}


def serve(pipe: Connection, people: int, cohorts: int, realistic: object, filled: object) -> None:
    """Run a sandbox with people, cohorts (``filled``: with their members) and a course, until the other side hangs up."""
    from moodle_coupling.sandbox.moodle import running_moodle
    from moodle_coupling.sandbox.moodle.access_file import read_access

    everyone = [account(number) for number in range(FIRST, FIRST + people)]
    members = [one["username"] for one in everyone] if filled else []
    school = read_access(
        {
            "cohorts": [{"name": f"C{n}", "idnumber": f"c{n}", "members": members} for n in range(cohorts)],
            "courses": [{"shortname": "BHV", "idnumber": "BHV"}],
        }
    )
    with running_moodle(accounts=everyone, settings={"realistic": bool(realistic)}) as moodle:
        ids = moodle.add_access(school)
        pipe.send((moodle.url, moodle.token, ids))
        pipe.recv()
        given = [len(moodle.access.members(number)) for number in ids["cohorts"]]
        calls = [(call.function, list(call.parameters.get("cohortids", {}).values())) for call in moodle.calls.all()]
        pipe.send((sum(given), len(moodle.access.enrolments(ids["courses"][0])), calls))


@contextmanager
def sandbox(
    people: int, cohorts: int = 1, *, realistic: bool, filled: bool = False, expected: tuple[int, int]
) -> Iterator[tuple[str, str, dict[str, list[int]], list[Call]]]:
    """Give URL, token and ids of a fresh sandbox, and the calls made to it (Call) once the block is over.

    At the end there must be as many memberships and enrolments as are ``expected``.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, people, cohorts, realistic, filled))
    process.start()
    theirs.close()
    calls: list[Call] = []
    try:
        url, token, ids = ours.recv()
        yield url, token, ids, calls
        ours.send("done")
        members, enrolled, made_calls = ours.recv()
        calls += made_calls
        assert (members, enrolled) == expected, f"{members} memberships and {enrolled} enrolments, not {expected}"
    finally:
        process.terminate()
        process.join()


def plan_of(kind: str, number: int, people: int) -> pd.DataFrame:
    """Give the plan that gives everyone access to one cohort, or to one course with a window."""
    unsaid: dict[str, Any] = dict.fromkeys(ACCESS_PLAN.texts, "") | {"row": pd.NA, "suspended": False, "timestart": 0}
    unsaid |= {"kind": kind, "target_id": number, "action": "give", "code": "wanted"}
    course = {"target": "BHV", "role": "student", "role_id": 5, "timeend": UNTIL}
    unsaid |= course if kind == "course" else {"target": "c0", "role_id": 0, "timeend": 0}
    return made(ACCESS_PLAN, [unsaid | {"account_id": account} for account in range(FIRST, FIRST + people)])


def by_loader(plan: pd.DataFrame, url: str, token: str, connections: int) -> Spent:
    """Load a plan of access with a ledger."""
    from moodle_coupling.ledger import schema
    from moodle_coupling.ledger.access import access_digest, intention_key, settle_access
    from moodle_coupling.ledger.intentions import mark_sent, plan_intentions
    from moodle_coupling.ledger.ledger import open_ledger
    from moodle_coupling.ledger.runs import begin_run
    from moodle_coupling.provisioning.access.loader import load_access

    with tempfile.TemporaryDirectory() as folder, hook_on(url, token, 50, connections) as hook:
        ledger_url = f"sqlite:///{folder}/ledger.db"
        schema.upgrade(ledger_url)
        ledger = open_ledger(ledger_url)
        run, digest = begin_run(ledger, "bench", "dag", "manual", mode="full").id, access_digest(plan)

        class Journal:
            def sending(self, positions: Any, batch: str) -> None:
                mark_sent(ledger, run, [intention_key(digest, at) for at in positions], batch)

            def withdrawn(self, positions: Any) -> None:
                raise AssertionError(positions)

            def settled(self, outcomes: pd.DataFrame) -> None:
                settle_access(ledger, run, digest, outcomes)

        hook.site_info()
        with measured() as spent:
            writing = plan.index[plan["action"] != "none"]
            plan_intentions(ledger, run, [intention_key(digest, at) for at in writing], digest=digest)
            result = load_access(plan, hook, Journal())
        assert result.stopped is None, result.stopped
        ledger.close()
        return spent


def recorded(kind: str, people: int) -> list[tuple[str, bytes]]:
    """Give the requests of a load, function and body."""
    expected = given(kind, people)
    with sandbox(people, realistic=False, expected=expected) as (url, token, ids, _), noting(token) as requests:
        by_loader(plan_of(kind, target(kind, ids), people), url, token, 1)
    return requests


def target(kind: str, ids: dict[str, list[int]]) -> int:
    """Give Moodle's number of the cohort or course."""
    return ids[f"{kind}s"][0]


def given(kind: str, people: int) -> tuple[int, int]:
    """Give the memberships and enrolments that there are once everyone has access."""
    return (people, 0) if kind == "cohort" else (0, people)


def one_by_one(kind: str, number: int, people: int, url: str, token: str, connections: int) -> float:
    """Send one call per membership or enrolment and nothing else, as a simple script does; give seconds."""
    accounts = range(FIRST, FIRST + people)
    with hook_on(url, token, 1, connections) as hook, ThreadPoolExecutor(connections) as pool:
        hook.site_info()

        def give(account: int) -> None:
            if kind == "cohort":
                hook.add_cohort_members([records.Membership(number, account)])
            else:
                hook.enrol_users([records.Enrolment(number, account, 5, timeend=UNTIL)])

        started = time.perf_counter()
        list(pool.map(give, accounts))
        return time.perf_counter() - started


def rates(kind: str, arguments: Any) -> None:
    """Measure bare loop and loader in turn, so that both have the same neighbours, and print the medians."""
    people, realistic = arguments.rows, arguments.realistic
    requests = recorded(kind, people)
    few = max(100, people // 10) if realistic else people
    for connections in arguments.connections:
        bare, ours = [], []
        for _ in range(arguments.rounds):
            with sandbox(people, realistic=realistic, expected=given(kind, people)) as (url, token, _ids, _calls):
                bare.append(bare_loop(requests, url, token, connections, writes=WRITES))
            with sandbox(people, realistic=realistic, expected=given(kind, people)) as (url, token, ids, _calls):
                ours.append(by_loader(plan_of(kind, target(kind, ids), people), url, token, connections))
        with sandbox(few, realistic=realistic, expected=given(kind, few)) as (url, token, ids, _calls):
            simple = few / one_by_one(kind, target(kind, ids), few, url, token, connections)
        seconds = [statistics.median(one.seconds for one in found) for found in (bare, ours)]
        own = statistics.median(one.processor for one in ours) / people * 1000
        told = " | ".join(f"{people / one:.0f}" for one in seconds)
        share = seconds[0] / seconds[1]
        print(f"| {kind} | {connections} | {simple:.0f} | {told} | {share:.2f} | {own:.2f} |", flush=True)


def unchanged(arguments: Any) -> None:
    """Measure a full run's part about access in which nothing changed, beside its calls alone, and prove what it asked of Moodle."""
    number, realistic = arguments.unchanged, arguments.realistic
    bare: list[float] = []
    ours: list[tuple[float, float, float]] = []
    requests: list[tuple[str, bytes]] = []
    for _ in range(arguments.rounds):
        requests, spent = night(number, realistic=realistic)
        ours.append(spent)
        with sandbox(number // COHORTS, COHORTS, realistic=realistic, filled=True, expected=(number, 0)) as site:
            bare.append(bare_loop(requests, site[0], site[1], 4, writes=WRITES).seconds)
    reading, planning, loading = (statistics.median(part) for part in zip(*ours, strict=True))
    asked = statistics.median(bare)
    print(f"\n{number} memberships in {COHORTS} cohorts of which nothing changed: 0 writes, each cohort read once:\n")
    print("| calls | bare loop of them, s | read, s | share | planned, s | outcomes of the load, s |")
    print("|---:|---:|---:|---:|---:|---:|")
    print(f"| {len(requests)} | {asked:.2f} | {reading:.2f} | {asked / reading:.2f} | {planning:.2f} | {loading:.2f} |")


def night(number: int, *, realistic: bool) -> tuple[list[tuple[str, bytes]], tuple[float, float, float]]:
    """Read, plan and load access in which nothing changed; give the requests of the reading, and the seconds of each."""
    from moodle_coupling.access.plan import Circumstances, plan_access
    from moodle_coupling.mapping.access import Access
    from moodle_coupling.provisioning.access.targets import read_targets

    people = number // COHORTS
    pairs = [(n, row) for n in range(COHORTS) for row in range(people)]
    with sandbox(people, COHORTS, realistic=realistic, filled=True, expected=(number, 0)) as (url, token, ids, calls):
        who = [{"row": row, "person_id": f"p{row}", "extern_id": "", "idnumber": f"x{row}"} for row in range(people)]
        cohort = {"kind": "cohort", "role": "", "timestart": 0, "timeend": 0, "suspended": False}
        want = made(ACCESS_WANTED, [cohort | who[r] | {"target": f"c{n}", "code": "", "value": ""} for n, r in pairs])
        known = {"person_id": "", "idnumber": "", "ours": True}
        have = [
            cohort | known | {"target": f"c{n}", "target_id": ids["cohorts"][n], "account_id": FIRST + r}
            for n, r in pairs
        ]
        linked: dict[str, Any] = dict.fromkeys(PLAN.texts, "") | {"verdict": "linked", "action": "none"}
        accounts = made(PLAN, [linked | one | {"account_id": FIRST + one["row"], "decision": pd.NA} for one in who])
        access = Access.model_validate({"rules": [{"cohort": "c0"}]})
        with hook_on(url, token, 50, 4) as hook, noting(token) as requests:
            hook.site_info()
            with measured() as reading:
                read = read_targets(hook, [("cohort", f"c{n}") for n in range(COHORTS)], access)
            with measured() as planning:
                plan = plan_access(
                    want, accounts, read.targets, read.members, made(ACCESS_GIVEN, have), access, Circumstances(now=1)
                )
        assert set(plan["code"]) == {"given"}
        loading = by_loader(plan, url, token, 4)
    assert not [function for function, _ in calls if function in ANY_WRITE]
    assert sorted(int(one) for _, cohorts in calls for one in cohorts) == sorted(ids["cohorts"])
    return requests, (reading.seconds, planning.seconds, loading.seconds)


def main() -> None:
    """Measure and print two Markdown tables: access given a second, and a night in which nothing changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--unchanged", type=int, default=20_000)
    parser.add_argument("--realistic", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    kind = "service times of a real Moodle" if arguments.realistic else "the sandbox's own speed"
    print(f"{arguments.rows} persons, 200 members and 100 enrolments a call, {kind}; a second:\n")
    print("| | connections | one call each | bare loop | loader | share | own processor time each, ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in ("cohort", "course"):
        rates(kind, arguments)
    unchanged(arguments)


if __name__ == "__main__":
    main()
