"""Everyone, and who changed, out of a sandbox Coachview; beside the same requests sent bare, and a plain skip and take.

Run: ``python benchmarks/coachview.py``. The sandbox runs in a process of its own and is asked over real HTTP, at its own speed
and with the service times it assumes of a Coachview (``realistic``; no real one was measured). What comes out is compared with
what went in, and the numbers of requests are those of the sandbox's log; too many of them end the benchmark.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.pop(0)  # this folder: its files must not be taken for others of the same name
sys.path.insert(0, str(ROOT / "plugins"))

import requests

from moodle_coupling.sandbox.coachview.samples import generate_people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

    import pandas as pd

    from moodle_coupling.sources.contract import Extract, Wanted

T = TypeVar("T")

MOST_FOR_EVERYONE = 1200
MOST_FOR_CHANGES = 9
COLUMNS = {
    "person_id": "id",
    "extern_id": "externId",
    "firstname": "voornaam",
    "infix": "tussenvoegsels",
    "lastname": "achternaam",
    "email1": "email1",
    "inactive": "inactief",
}


# ---- the sandbox -----------------------------------------------------------------------------------------------------


def serve(pipe: Connection, number: int) -> None:
    """Run a sandbox until the other side says stop."""
    from moodle_coupling.sandbox.coachview import running_coachview

    with running_coachview(people=generate_people(number), settings={"rate_limit": 1_000_000}) as site:
        pipe.send((site.url, site.client_id, site.client_secret))
        pipe.recv()


@dataclass(frozen=True)
class Site:
    """A sandbox in another process: its address, its client and its controls."""

    url: str
    client_id: str
    secret: str

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask a control path."""
        answer = requests.request(method, f"{self.url}/sandbox/{path}", json=content, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def session(self) -> requests.Session:
        """Give a plain session that carries a token."""
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret}
        token = requests.post(f"{self.url}/auth/connect/token", data=form, timeout=60).json()["access_token"]
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def get(self, session: requests.Session, params: dict[str, str]) -> requests.Response:
        """Ask for persons; the body is read whole."""
        return session.get(f"{self.url}/api/v1/Personen", params=params, timeout=120)

    def warm(self) -> None:
        """Let the sandbox sort its people, once after each change of them, before anything is timed."""
        last = "audittrail.gewijzigddatumtijd=01-01-1900,02-01-1900"
        for where in ({}, {"where": last}):
            self.get(self.session(), {"take": "1", "orderby": "id asc", **where})
        self.control("DELETE", "calls")

    def asked(self) -> list[dict[str, str]]:
        """Give the questions for persons since the last time, in the order in which they came; all were answered."""
        calls = [call for call in self.control("GET", "calls") if call["endpoint"] != "token"]
        self.control("DELETE", "calls")
        assert all((call["endpoint"], call["status"]) == ("Personen", 200) for call in calls)
        return [call["params"] for call in sorted(calls, key=lambda call: call["started"])]


@contextmanager
def sandbox(number: int) -> Iterator[Site]:
    """Run a sandbox with this many people in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, number))
    process.start()
    theirs.close()
    try:
        yield Site(*ours.recv())
        ours.send("stop")
        process.join()
    finally:
        process.terminate()
        process.join()


# ---- what is measured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, and of this process's processor time."""

    wall: float
    cpu: float


def timed(work: Callable[[], T]) -> tuple[T, Took]:
    """Give what came of a piece of work, and what it took."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Took(time.perf_counter() - start, time.process_time() - cpu)


def show(what: str, at_a_time: int, asked: int, persons: int, took: Took) -> None:
    """Print a line of the table; nothing is asked at a time where there is nothing to ask."""
    print(
        f"| {what} | {at_a_time or '–'} | {asked:,} | {persons:,} | {took.wall:.2f} | {took.cpu:.2f} | {persons / took.wall:,.0f} |",
        flush=True,
    )


def read(site: Site, at_a_time: int, wanted: Wanted) -> Extract:
    """Read Coachview as a run does."""
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.sources.kinds import open_source

    extra = {"allow_http": True, "parallel_requests": at_a_time, "daily_budget": 1_000_000}
    made = {
        "conn_type": "coachview",
        "host": site.url,
        "login": site.client_id,
        "password": site.secret,
        "extra": extra,
    }
    os.environ["AIRFLOW_CONN_COACHVIEW_BENCH"] = json.dumps(made)
    said = {
        "environment": "bench",
        "connection": "moodle_bench",
        "idnumber": "person_id",
        "source": {"type": "coachview", "connection": "coachview_bench"},
    }
    return open_source(Mapping.model_validate(said), ROOT).extract(wanted)


def bare(site: Site, questions: list[dict[str, str]], at_a_time: int) -> Took:
    """Send the same questions, as many at a time, and throw the answers away: as fast as the network and Coachview are."""
    sessions = [site.session() for _ in range(at_a_time)]
    left = iter(questions)

    def send(session: requests.Session) -> int:
        return sum(site.get(session, params).status_code == 200 for params in left)

    with ThreadPoolExecutor(at_a_time) as pool:
        answered, took = timed(lambda: sum(pool.map(send, sessions)))
    assert answered == len(questions)
    return took


def plain(site: Site) -> tuple[int, int, int]:
    """Read by skip and take alone, as one would first do it; give persons, requests and the last answer's status."""
    session, ids, asked = site.session(), set(), 0
    while True:
        answer = site.get(session, {"skip": str(100 * asked), "take": "100", "orderby": "id asc"})
        asked += 1
        if answer.status_code != 200:
            return len(ids), asked, answer.status_code
        rows = answer.json()
        ids.update(row["id"] for row in rows)
        if len(rows) < 100:
            return len(ids), asked, answer.status_code


def check(persons: pd.DataFrame, people: Iterable[dict[str, Any]]) -> None:
    """Compare what came out with what went in."""
    got = persons.sort_values("person_id")
    went_in = sorted(people, key=lambda person: str(person["id"]))
    for column, key in COLUMNS.items():
        assert got[column].tolist() == [person[key] for person in went_in], column


def everyone(site: Site, people: dict[str, dict[str, Any]], at_a_time: int) -> Extract:
    """Measure a reading of everyone, and the same requests sent bare."""
    from moodle_coupling.sources.contract import Wanted

    site.warm()
    extract, took = timed(lambda: read(site, at_a_time, Wanted()))
    questions = site.asked()
    check(extract.persons, people.values())
    assert len(questions) <= MOST_FOR_EVERYONE, f"{len(questions)} requests for {len(people)} persons"
    show("everyone, through the source", at_a_time, len(questions), len(people), took)
    show("the same requests sent bare", at_a_time, len(questions), len(people), bare(site, questions, at_a_time))
    return extract


def changes(site: Site, people: dict[str, dict[str, Any]], before: Extract, number: int) -> None:
    """Change some persons and measure a reading of what changed; it must make the whole that Coachview has now."""
    from moodle_coupling.sources.contract import Mode, Wanted
    from moodle_coupling.sources.persons import merge_changed

    # The same persons first each time: who changed on a day is read again for as long as that day is the watermark's.
    some = random.Random(7).sample(sorted(people), number)
    for id_ in some:
        new = {"voornaam": f"Nieuw{number}", "email1": f"nieuw-{id_}@example.org"}
        site.control("POST", "people/change", {"id": id_, "changes": new})
        people[id_] = {**people[id_], **new}
    site.warm()
    extract, took = timed(lambda: read(site, 2, Wanted(Mode.CHANGED, before.watermark)))
    questions = site.asked()
    assert sorted(extract.persons["person_id"]) == sorted(some)
    assert len(questions) <= MOST_FOR_CHANGES, f"{len(questions)} requests for {number} changed persons"
    show(f"who changed, {number}", 2, len(questions), number, took)
    whole, took = timed(lambda: merge_changed(before.persons, extract.persons))
    check(whole, people.values())
    show(f"and put into everyone, {number}", 0, 0, len(people), took)


def measured(number: int, *, realistic: bool) -> None:
    """Measure everything against one sandbox and print a table."""
    from moodle_coupling.sources.contract import Mode, Wanted

    kind = "the service times assumed of a Coachview" if realistic else "the sandbox's own speed"
    print(f"\n{number:,} persons, {kind}\n")
    print("| what | at a time | requests | persons | seconds | CPU seconds | persons/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    people = {person["id"]: person for person in generate_people(number)}
    with sandbox(number) as site:
        read(site, 2, Wanted(Mode.IDS, ids=(next(iter(people)),)))  # imports, and Airflow looks for its hooks
        site.control("POST", "settings", {"realistic": realistic})
        for at_a_time in (2, 4):
            extract = everyone(site, people, at_a_time)
        site.warm()
        (found, asked, status), took = timed(lambda: plain(site))
        show(f"plain skip and take, ends with HTTP {status}", 1, asked, found, took)
        for changed in (40, 300):
            changes(site, people, extract, changed)


def main() -> None:
    """Measure with and without the service times of a Coachview."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--realistic", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    measured(arguments.persons, realistic=False)
    if arguments.realistic:
        measured(arguments.persons, realistic=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="moodle-coupling-bench-") as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        main()
