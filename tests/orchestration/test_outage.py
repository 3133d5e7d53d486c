"""A Moodle that goes away for longer than a call outlasts, in the middle of a run: the run waits, and uses up no try."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from typing import TYPE_CHECKING

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.hooks.moodle import calls
from moodle_coupling.orchestration import retries
from moodle_coupling.sandbox.moodle import Fault, FaultKind, SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEOPLE = [(str(n), f"CV-{n}", "Zoë", "", f"Meer{n}", f"zoe{n}@example.org", "Utrecht") for n in range(1, 4)]


class Ending(logging.Handler):
    """Ends the outage when a task says that it looks again later."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self.end = end
        self.waits = 0

    def emit(self, record: logging.LogRecord) -> None:
        if "This task looks again at" in record.getMessage():
            self.waits += 1
            self.end()


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    monkeypatch.setattr(calls, "OUTAGE", 1.0)
    monkeypatch.setattr(retries, "SOON", dt.timedelta(seconds=2))
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


@contextlib.contextmanager
def ended_when_a_task_waits(end: Callable[[], None]) -> Iterator[Ending]:
    ending, logger = Ending(end), logging.getLogger("moodle_coupling.orchestration")
    logger.addHandler(ending)
    try:
        yield ending
    finally:
        logger.removeHandler(ending)


def tries(run) -> dict[str, int]:
    return {ti.task_id: ti.try_number for ti in run.dag_run.get_task_instances()}


@pytest.mark.parametrize("function", ["core_user_get_users_by_field", "core_user_create_users"])
def test_a_run_outlasts_an_outage_in_any_of_its_steps(coupling: Coupling, moodle: SandboxMoodle, function: str) -> None:
    coupling.persons(PEOPLE)
    moodle.faults.add(Fault(FaultKind.ERROR_503, function=function))
    with ended_when_a_task_waits(moodle.faults.clear) as outage:
        run = coupling.run()
    assert outage.waits == 1
    assert (run.state, run.actions) == ("success", {"create": 3})
    assert set(tries(run).values()) <= {0, 1}
    assert sorted(one["idnumber"] for one in moodle.accounts() if one["idnumber"]) == ["CV-1", "CV-2", "CV-3"]
