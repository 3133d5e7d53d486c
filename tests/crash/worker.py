"""A worker that can be killed: each try of a load is a process of its own, which may kill itself (kill -9) at any step.

Run as a script it imports everything once, then reads one try a line (JSON) and forks it off; per try it answers with the
exit status, -9 for a kill. Steps are counted by wrapping what the load goes through; the load itself knows nothing of it.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath
from sqlalchemy import event

from moodle_coupling.errors import CouplingError
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.errors import LedgerUnavailable
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import get_run
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import access as accessing
from moodle_coupling.orchestration import load as loading
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.run import Run
from moodle_coupling.provisioning.load.job import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STOPPED, NOT_BEGUN = 3, 4
"""Exit statuses of a try that ended in good order before its end, and of one that could not ask the ledger at all."""


class Steps:
    """Counts steps, and kills this process at the one it is told to; threads take their steps one at a time.

    Told is a step's number, or ``[step, after, nth]``: the first step of that name after the nth one named ``after``,
    which holds also where another thread's steps come between in another order each time.
    """

    def __init__(self, kill_at: int | tuple[str, str, int] | None) -> None:
        self.names: list[str] = []
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            self.names.append(name)
            if self._is_told(name):
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_told(self, name: str) -> bool:
        if self._kill_at is None or isinstance(self._kill_at, int):
            return len(self.names) == self._kill_at
        step, after, nth = self._kill_at
        return name == step and self.names.count(after) == nth


class Hook(MoodleHook):
    """The hook, with a step around each call that writes."""

    steps: Steps

    def create_accounts(self, accounts: Any) -> Any:
        self.steps("before the create")
        created = super().create_accounts(accounts)
        self.steps("after the create")
        return created

    def update_accounts(self, changes: Any) -> Any:
        self.steps("before the update")
        warnings = super().update_accounts(changes)
        self.steps("after the update")
        return warnings


def _stepped(name: str) -> Any:
    call = getattr(MoodleHook, name)

    def stepped(self: Hook, *given: Any) -> Any:
        self.steps(f"before {name}")
        answer = call(self, *given)
        self.steps(f"after {name}")
        return answer

    return stepped


for _name in ("create_cohorts", "add_cohort_members", "delete_cohort_members", "enrol_users", "unenrol_users"):
    setattr(Hook, _name, _stepped(_name))


@contextlib.contextmanager
def killed_anywhere(steps: Steps) -> Iterator[None]:
    """Wrap whatever a load goes through."""
    answer, replace = http.client.HTTPConnection.getresponse, Path.replace
    plain, plain_access = loading.LedgerJournal, accessing.LedgerAccessJournal

    class Stepped:
        def sending(self, indexes: Sequence[int], batch: str) -> None:
            steps("before the intention")
            super().sending(indexes, batch)  # type: ignore[misc]  # of the journal beside it
            steps("after the intention")

        def settled(self, outcomes: Any) -> None:
            steps("before the outcomes")
            super().settled(outcomes)  # type: ignore[misc]
            steps("after the outcomes")

    class Journal(Stepped, plain):
        pass

    class AccessJournal(Stepped, plain_access):
        pass

    def getresponse(self: Any) -> Any:
        # The request is out: whatever happens here, Moodle goes on.
        steps("while Moodle works")
        return answer(self)

    def move(self: Path, target: Any) -> Path:
        steps("before the file of outcomes is in its place")
        moved = replace(self, target)
        steps("after the file of outcomes is in its place")
        return moved

    http.client.HTTPConnection.getresponse, Path.replace = getresponse, move
    loading.LedgerJournal, accessing.LedgerAccessJournal = Journal, AccessJournal
    try:
        yield
    finally:
        http.client.HTTPConnection.getresponse, Path.replace = answer, replace
        loading.LedgerJournal, accessing.LedgerAccessJournal = plain, plain_access


def one_try(job: dict[str, Any]) -> int:
    """Load the plan in the folder, as the task 'load' does; the steps taken and the reason to stop end up there too."""
    steps = Steps(job["kill_at"])
    folder = ObjectStoragePath(f"file://{job['folder']}")
    ledger = open_ledger(job["ledger"])
    event.listen(ledger._engine, "commit", lambda connection: steps("in a transaction of the ledger"))
    if job["pages_left"] is not None:
        event.listen(ledger._engine, "begin", lambda connection: _leave_pages(connection, job["pages_left"]))
    if job["read_only"]:
        event.listen(ledger._engine, "checkout", lambda connection, *_: connection.execute("PRAGMA query_only=ON"))
    Hook.steps = steps
    hook = Hook.from_settings(
        MoodleSettings("demo", job["moodle"], job["token"], **job["settings"]), sleep=lambda seconds: None
    )
    if job["mapping"]:
        return access_try(job, folder, ledger, hook)
    plan = staging.read_frame(folder, "plan")
    with killed_anywhere(steps), hook:
        result = loading.load_with_ledger(
            plan, hook, ledger, job["run"], digest=plan_digest(plan), pace=Pace(looks=tuple(job["looks"]))
        )
        staging.write_frame(folder, "outcomes", result.outcomes)
    told = {"steps": steps.names, "calls": result.calls, "stopped": str(result.stopped or "")}
    Path(job["folder"], "told.json").write_text(json.dumps(told))
    return STOPPED if result.stopped else 0


def access_try(job: dict[str, Any], folder: ObjectStoragePath, ledger: Any, hook: Hook) -> int:
    """Load the plan of access in the folder, as the task 'access' does."""
    path = Path(job["mapping"])
    run = Run(load_mapping(path), path, folder, ledger, get_run(ledger, job["run"]), holder="a run")
    Run.hook = lambda _: hook  # type: ignore[method-assign]
    stopped = ""
    with killed_anywhere(hook.steps), hook:
        try:
            accessing.load(run, "the plan of accounts")
        except CouplingError as error:
            stopped = str(error)
    told = {"steps": hook.steps.names, "stopped": stopped}
    Path(job["folder"], "told.json").write_text(json.dumps(told))
    return STOPPED if stopped else 0


_full_at: list[int] = []


def _leave_pages(connection: Any, pages: int) -> None:
    """Let the SQLite file grow by so many pages in this try; then it says 'database or disk is full', as on a full disk."""
    if not _full_at:
        _full_at.append(connection.exec_driver_sql("PRAGMA page_count").scalar_one() + pages)
    connection.exec_driver_sql(f"PRAGMA max_page_count = {_full_at[0]}")


def main() -> None:
    """Answer one line per try; whatever else is printed (Airflow logs to stdout) goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.collect()
    gc.freeze()  # else each child copies what it only looks at
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = one_try(json.loads(line))
            except LedgerUnavailable:
                status = NOT_BEGUN
            except BaseException:  # noqa: BLE001 - the parent must learn of it by the exit status
                traceback.print_exc()
            os._exit(status)
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        answers.flush()


if __name__ == "__main__":
    main()
