"""Which errors are tried again, and what waits for Coachview's next day of requests."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath, RetryAction
from airflow.sdk.exceptions import AirflowRescheduleException

from moodle_coupling import errors
from moodle_coupling.orchestration import coupling_dags, outages, run
from moodle_coupling.orchestration.retries import RETRIES, is_back, look_again
from moodle_coupling.sources.coachview.settings import CoachviewSource

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.clock


def decided(error: BaseException) -> tuple[RetryAction, dt.timedelta | None]:
    found = RETRIES.evaluate(error, 1, 3)
    return found.action, found.retry_delay


@pytest.mark.parametrize(
    "error",
    [
        errors.SettingError("x"),
        errors.SourceError("x"),
        errors.MoodleDenied("x"),
        errors.MoodleTlsFailed("x"),
        errors.CoachviewTokenRefused("x"),
        errors.CoachviewScopeMissing("x"),
        errors.NotACoachview("x"),
        errors.CoachviewRefused("x"),
        errors.CoachviewAnswerUnreadable("x"),
        errors.CoachviewTlsFailed("x"),
        errors.RunFailed("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_person_must_mend_is_not_tried_again(error):
    assert decided(error)[0] is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        errors.MoodleUnavailable("x"),
        errors.AnswerLost("x"),
        errors.SourceUnavailable("x"),
        errors.CoachviewUnavailable("x"),
        errors.CoachviewUnreachable("x"),
        errors.CoachviewTimedOut("x"),
        errors.CoachviewIncomplete("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again_within_a_minute(error):
    action, delay = decided(error)
    assert action is RetryAction.RETRY
    assert delay is not None
    assert delay <= dt.timedelta(seconds=50)


NOW = dt.datetime(2026, 12, 31, 23, 59, tzinfo=dt.UTC)


def test_a_site_that_is_away_is_looked_at_again_within_a_minute_for_two_hours(tmp_path: Path) -> None:
    folder, away = ObjectStoragePath(f"file://{tmp_path}"), errors.MoodleMaintenance("x", retry_after=300)
    for minutes in (0, 1, 60, 120):
        at = NOW + dt.timedelta(minutes=minutes)
        assert at < (look_again(folder, away, at) or NOW) <= at + dt.timedelta(seconds=50)
    assert look_again(folder, away, NOW + dt.timedelta(minutes=121)) is None  # now it costs tries, and then the run
    assert look_again(folder, away, NOW + dt.timedelta(days=1)) is not None  # the run was cleared
    is_back(folder)
    assert look_again(folder, away, NOW + dt.timedelta(days=1, hours=3)) is not None
    assert look_again(folder, errors.MoodleTlsFailed("x"), NOW) is None  # waiting does not mend a certificate


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    def ended(error: Exception) -> dt.datetime:
        def extract(_run: object) -> None:
            raise error

        mapping = SimpleNamespace(sources=[CoachviewSource(type="coachview", connection="hr")], access=None)
        told: list[dt.datetime | None] = []
        monkeypatch.setattr(outages, "wait", lambda _run, _error, until, _ti, _now: told.append(until))
        monkeypatch.setattr(coupling_dags, "get_current_context", lambda: {"ti": None})
        monkeypatch.setattr(run, "open_run", lambda _path, _context: SimpleNamespace(folder=None, mapping=mapping))
        with pytest.raises(AirflowRescheduleException) as caught:
            coupling_dags._step(extract, "demo.yaml")
        found: dt.datetime = caught.value.reschedule_date
        assert told == [found]
        return found

    return ended


@pytest.mark.parametrize(
    ("resets", "waits"),
    [
        (dt.timedelta(hours=5), dt.timedelta(hours=5, minutes=1)),
        (None, dt.timedelta(hours=1)),
        (dt.timedelta(hours=-5), dt.timedelta(minutes=1)),
        (dt.timedelta(days=400), dt.timedelta(days=1)),
    ],
    ids=["as told", "untold", "long ago", "absurd"],
)
def test_a_spent_budget_waits_for_the_next_requests_and_takes_no_try(step, resets, waits, caplog):
    before = dt.datetime.now(dt.UTC)
    told = before + resets if resets is not None else None
    until = step(errors.BudgetSpent("Coachview's budget is spent.", resets=told))
    assert before + waits <= until <= dt.datetime.now(dt.UTC) + waits
    assert "Coachview's budget is spent. This task looks again at" in caplog.text
