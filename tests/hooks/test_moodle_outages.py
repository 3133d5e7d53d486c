"""A site that is away for half a minute, in each way a site can be: a patient hook outlasts it, over real HTTP."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from moodle_coupling.errors import CouplingPaused, MoodleMaintenance, MoodleUnavailable
from moodle_coupling.hooks.moodle.calls import LOOKS_EVERY, OUTAGE
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount
from moodle_coupling.sandbox.moodle import Fault, FaultKind, SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HALF_A_MINUTE = 30.0


class Outage:
    """A site that is away until somebody has waited long enough; ``waits`` are the waits, which take no time."""

    def __init__(self, end: Callable[[], object], seconds: float = HALF_A_MINUTE) -> None:
        self.waits: list[float] = []
        self.looks_after_the_end = 0.0
        self._end = end
        self._seconds = seconds
        self._over = False

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self._over and sum(self.waits) >= self._seconds:
            self._over = True
            self.looks_after_the_end = sum(self.waits) - self._seconds
            self._end()


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle() as site:
        yield site


def patient(moodle: SandboxMoodle, outage: Outage, **more: Any) -> MoodleHook:
    return MoodleHook.from_settings(
        MoodleSettings("demo", moodle.url, moodle.token), sleep=outage.sleep, patient=True, **more
    )


PERSON = NewAccount(
    {
        "username": "jan",
        "firstname": "Jan",
        "lastname": "Bos",
        "email": "jan@example.org",
        "idnumber": "P1",
        "auth": "oidc",
    }
)
SETTINGS = {
    "maintenance page, Retry-After 300": {"maintenance": "cli"},
    "sitemaintenance": {"maintenance": "config"},
    "upgraderunning": {"upgrade_running": True},
    "dbconnectionfailed": {"db_down": True},
}


def steps(hook: MoodleHook) -> dict[str, Callable[[], object]]:
    return {
        "check": hook.site_info,
        "snapshot": lambda: hook.accounts_by_field("idnumber", ["P1"]),
        "create": lambda: hook.create_accounts([PERSON]),
        "update": lambda: hook.update_accounts([AccountChange(2, {"city": "Ede"})]),
    }


@pytest.mark.parametrize("step", ["check", "snapshot", "create", "update"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_half_a_minute_of_it_is_outlasted(moodle: SandboxMoodle, settings: dict[str, Any], step: str) -> None:
    with contextlib.ExitStack() as away:
        away.enter_context(moodle.changed(**settings))
        outage = Outage(away.close)
        with patient(moodle, outage) as hook:
            steps(hook)[step]()
    assert sum(outage.waits) >= HALF_A_MINUTE
    assert outage.looks_after_the_end <= LOOKS_EVERY


@pytest.mark.parametrize("step", ["check", "snapshot", "create", "update"])
def test_half_a_minute_of_503_is_outlasted_whatever_wait_is_asked(moodle: SandboxMoodle, step: str) -> None:
    moodle.faults.add(Fault(FaultKind.ERROR_503, retry_after=3600))
    outage = Outage(moodle.faults.clear)
    with patient(moodle, outage) as hook:
        steps(hook)[step]()
    assert max(outage.waits) <= LOOKS_EVERY


@pytest.mark.parametrize("kind", [FaultKind.ERROR_502, FaultKind.ERROR_504, FaultKind.RESET_BEFORE])
@pytest.mark.parametrize("step", ["check", "snapshot"])
def test_half_a_minute_of_lost_answers_to_reads_is_outlasted(moodle: SandboxMoodle, kind: FaultKind, step: str) -> None:
    moodle.faults.add(Fault(kind))
    outage = Outage(moodle.faults.clear)
    with patient(moodle, outage) as hook:
        steps(hook)[step]()
    assert sum(outage.waits) >= HALF_A_MINUTE


@pytest.mark.parametrize("step", ["check", "snapshot", "create"])
def test_half_a_minute_without_any_server_is_outlasted(step: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with contextlib.ExitStack() as later:
        outage = Outage(lambda: later.enter_context(running_moodle(port=port, token="t0ken")))
        settings = MoodleSettings("demo", f"http://127.0.0.1:{port}", "t0ken")
        with MoodleHook.from_settings(settings, sleep=outage.sleep, patient=True) as hook:
            steps(hook)[step]()
    assert outage.looks_after_the_end <= LOOKS_EVERY


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_long_outage_is_given_back_after_a_minute(moodle: SandboxMoodle, settings: dict[str, Any]) -> None:
    outage = Outage(lambda: None, seconds=3600)
    with patient(moodle, outage) as hook, moodle.changed(**settings), pytest.raises(MoodleUnavailable):
        hook.create_accounts([PERSON])
    assert HALF_A_MINUTE < sum(outage.waits) <= OUTAGE


def test_a_pause_is_seen_while_waiting(moodle: SandboxMoodle) -> None:
    outage = Outage(lambda: None)

    def guard() -> None:
        if len(outage.waits) == 3:
            raise CouplingPaused("demo", "upgrade")

    with patient(moodle, outage, guard=guard) as hook, moodle.changed(maintenance="cli"), pytest.raises(CouplingPaused):
        hook.create_accounts([PERSON])
    assert hook.requests_made == 3


def test_a_person_at_a_page_does_not_wait_for_it(moodle: SandboxMoodle) -> None:
    outage = Outage(lambda: None)
    settings = MoodleSettings("demo", moodle.url, moodle.token)
    with (
        MoodleHook.from_settings(settings, sleep=outage.sleep) as hook,
        moodle.changed(maintenance="cli"),
        pytest.raises(MoodleMaintenance),
    ):
        hook.site_info()
    assert outage.waits == []


def test_a_write_whose_answer_was_lost_is_not_repeated_by_the_hook(moodle: SandboxMoodle) -> None:
    from moodle_coupling.errors import AnswerLost

    moodle.faults.add(Fault(FaultKind.ERROR_502, function="core_user_create_users", after=True))
    outage = Outage(moodle.faults.clear)
    with patient(moodle, outage) as hook, pytest.raises(AnswerLost):
        hook.create_accounts([PERSON])
    assert outage.waits == []
    assert len(moodle.calls.all("core_user_create_users")) == 1
