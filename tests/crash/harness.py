"""A plan, a Moodle, a ledger, and a worker that is killed: load until it is done, then count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from provisioning.plans import change, create, people_in, plan_of, row

from moodle_coupling.ledger.intentions import count_states, unsettled
from moodle_coupling.ledger.outcomes import run_outcomes
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.orchestration import staging

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.sandbox.moodle import SandboxMoodle

Moment = int | tuple[str, str, int]
"""When a try kills itself (worker.py): a step's number, or which step after the nth of another."""
KILLED, STOPPED, NOT_BEGUN = -9, 3, 4
"""Exit statuses of a try: worker.py."""
NEW, CHANGED = range(1, 9), range(101, 115)
BAD_LANGUAGE, TAKEN_ADDRESS = 4, 8
STRANGER = {"username": "vreemd", "email": "bezet@example.org", "idnumber": "VREEMD", "firstname": "V", "lastname": "V"}


class Worker:
    """The process that forks the tries off (worker.py)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            env={"PYTHONPATH": ":".join(sys.path), **_environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, job: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def ended(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@dataclass
class Site:
    """One plan on its way into one Moodle by one run of the ledger; every scenario has its own."""

    moodle: SandboxMoodle
    ledger: Ledger
    url: str
    worker: Worker
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    looks: tuple[float, ...] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self.moodle.faults.clear()
        self.moodle.remove_accounts(account["id"] for account in self.moodle.accounts() if account["id"] > 3)
        self.moodle.add_accounts([STRANGER])
        ids = self.moodle.add_accounts(_before(number) for number in CHANGED)
        self.plan = small_plan(ids)
        self.folder = self.folder / uuid.uuid4().hex
        self.folder.mkdir(parents=True)
        staging.write_frame(ObjectStoragePath(f"file://{self.folder}"), "plan", self.plan)
        self.run = begin_run(self.ledger, "demo", "moodle_provision__demo", self.folder.name, mode="full").id

    def begin_try(
        self, kill_at: Moment | None = None, *, pages_left: int | None = None, read_only: bool = False
    ) -> None:
        """Start one try and do not wait for it."""
        settings = {"read_timeout": 10, "batch_size": 3, "parallel_requests": 1} | self.settings
        self.worker.start(
            {
                "moodle": self.moodle.url,
                "token": self.moodle.token,
                "ledger": self.url,
                "run": self.run,
                "folder": str(self.folder),
                "settings": settings,
                "looks": self.looks,
                "kill_at": kill_at,
                "pages_left": pages_left,
                "read_only": read_only,
                "mapping": "",
            }
        )

    def one_try(self, kill_at: Moment | None = None, *, pages_left: int | None = None, read_only: bool = False) -> int:
        """Load until the end or until killed; gives the exit status."""
        self.begin_try(kill_at, pages_left=pages_left, read_only=read_only)
        return self.worker.ended()

    def told(self) -> dict[str, Any]:
        """Give what the last try that ended by itself told of itself."""
        found: dict[str, Any] = json.loads((self.folder / "told.json").read_text())
        return found

    def arrived(self) -> int:
        """Count the calls that fitted the first fault: those that Moodle has begun to work on."""
        return int(self.moodle.faults._entries[0][1])

    def steps(self) -> list[str]:
        """Give the steps of the last try that ended by itself."""
        found: list[str] = self.told()["steps"]
        return found

    def sent(self) -> int:
        """Count the rows that the ledger knows as sent, without an outcome."""
        return count_states(self.ledger, self.run)["sent"]

    def written(self) -> set[str]:
        """Give the idnumbers of whom Moodle holds something planned."""
        return {
            idnumber
            for idnumber, account in people_in(self.moodle).items()
            if idnumber != "VREEMD" and account["lastname"] != "Oud"
        }

    def announced(self) -> set[str]:
        """Give the idnumbers of whom the ledger knows that they went out."""
        waiting = unsettled(self.ledger, self.run)
        keys = set(waiting.loc[waiting["state"] == "sent", "key"]) | set(run_outcomes(self.ledger, self.run)["key"])
        return {f"CV-{int(key):05}" for key in keys}

    def outcomes(self) -> pd.DataFrame:
        return staging.read_frame(ObjectStoragePath(f"file://{self.folder}"), "outcomes")

    def check(self) -> None:
        """Count: nobody twice, nobody left out, one final outcome each, and Moodle as planned."""
        self.check_moodle()
        self.check_ledger()
        assert list(self.outcomes()["row"]) == list(self.plan["row"])
        assert codes(self.outcomes()) == EXPECTED

    def check_finished(self) -> None:
        """Load once more: a plan that is finished is not sent again."""
        assert self.one_try() == 0
        calls = self.told()["calls"]
        assert calls == {}
        self.check()

    def check_moodle(self) -> None:
        people = people_in(self.moodle)  # fails when an idnumber is there twice
        planned = {f"CV-{n:05}" for n in (*NEW, *CHANGED) if n not in (BAD_LANGUAGE, TAKEN_ADDRESS)}
        assert set(people) - {"VREEMD"} == planned
        usernames = Counter(account["username"] for account in self.moodle.accounts())
        assert set(usernames.values()) == {1}
        for number in CHANGED:
            account = people[f"CV-{number:05}"]
            assert (account["city"], account["lastname"]) == (f"Plaats{number}", f"Nieuw{number}")
        for number in set(NEW) - {BAD_LANGUAGE, TAKEN_ADDRESS}:
            account = people[f"CV-{number:05}"]
            assert (account["username"], account["email"]) == (f"user{number:05}", f"user{number:05}@example.org")
        assert people["VREEMD"]["email"] == "bezet@example.org"

    def check_ledger(self) -> None:
        standing = run_outcomes(self.ledger, self.run)
        # Of whom there was nothing to do the ledger keeps nothing.
        expected = {number: told for number, told in EXPECTED.items() if told[1] != "nothing_to_do"}
        assert sorted(standing["key"]) == sorted(str(number) for number in expected)
        assert codes(standing) == expected
        states = count_states(self.ledger, self.run)
        assert states == {"planned": 0, "sent": 0, "settled": len(NEW) + len(CHANGED)}
        assert set(standing.loc[standing["status"] == "done", "email"]) >= {"user00001@example.org"}


def small_plan(ids: list[int]) -> pd.DataFrame:
    """Give 14 changes and 8 creates, of which Moodle refuses two; and two rows that need no call."""
    bad = {BAD_LANGUAGE: {"lang": "xx"}, TAKEN_ADDRESS: {"email": "bezet@example.org"}}
    return plan_of(
        [
            *(change(n, id_, city=f"Plaats{n}", lastname=f"Nieuw{n}") for n, id_ in zip(CHANGED, ids, strict=True)),
            *(create(n, **bad.get(n, {})) for n in NEW),
            row(201, "none", verdict="linked", account_id=ids[0]),
            row(202, "reject", verdict="duplicate_person", evidence="Shares its idnumber with 6."),
        ]
    )


EXPECTED = {
    **dict.fromkeys((*CHANGED, *NEW), ("done", "")),
    BAD_LANGUAGE: ("rejected", "value_not_taken"),
    TAKEN_ADDRESS: ("rejected", "email_taken"),
    201: ("skipped", "nothing_to_do"),
    202: ("rejected", "duplicate_person"),
}


def codes(outcomes: pd.DataFrame) -> dict[int, tuple[str, str]]:
    """Give status and code by row; that someone was there already says only by which try he came."""
    zipped = zip(outcomes["row"], outcomes["status"], outcomes["code"], strict=True)
    return {int(number): (str(status), str(code).replace("already_there", "")) for number, status, code in zipped}


def count(outcomes: pd.DataFrame) -> dict[str, int]:
    return {str(status): int(number) for status, number in outcomes["status"].value_counts().items()}


def while_moodle_works(after: str, *, nth: int = 1) -> Moment:
    """Give the moment at which the nth call that writes, of that kind, is out and its answer is not in."""
    return ("while Moodle works", after, nth)


def wait_until(true: Callable[[], object]) -> None:
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("waited 60 s in vain")


def _before(number: int) -> dict[str, Any]:
    return {
        "username": f"user{number:05}",
        "firstname": f"Voornaam{number}",
        "lastname": "Oud",
        "email": f"user{number:05}@example.org",
        "idnumber": f"CV-{number:05}",
    }
