"""Which errors are tried again, and what waits for Coachview's next day of requests."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowRescheduleException

from moodle_coupling import errors
from moodle_coupling.orchestration import coupling_dags, run, steps
from moodle_coupling.orchestration.retrying import RETRIES


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
def test_what_may_pass_is_tried_again_in_two_minutes(error):
    assert decided(error) == (RetryAction.RETRY, dt.timedelta(minutes=2))


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    def ended(error: Exception) -> dt.datetime:
        def extract(_run: object) -> None:
            raise error

        monkeypatch.setattr(coupling_dags, "get_current_context", dict)
        monkeypatch.setattr(run, "open_run", lambda _path, _context: None)
        monkeypatch.setattr(steps, "extract", extract)
        with pytest.raises(AirflowRescheduleException) as caught:
            coupling_dags._step("extract", "demo.yaml")
        found: dt.datetime = caught.value.reschedule_date
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
