"""Which errors of a task are worth another try, and when; and how long a run waits for a site that is away."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from moodle_coupling.contract.facts import Away
from moodle_coupling.errors import (
    AnswerLost,
    CoachviewDenied,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewTlsFailed,
    CoachviewUnavailable,
    InputError,
    MoodleDenied,
    MoodleRefused,
    MoodleTlsFailed,
    MoodleUnavailable,
    NotApproved,
    RunFailed,
    SourceUnavailable,
    TooManyFailures,
)
from moodle_coupling.orchestration.staging import drop_facts, find_facts, write_facts

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

SOON: Final = dt.timedelta(seconds=45)
"""Until a task looks again: with what Airflow needs to start it, a run goes on within a minute of the site being back."""
AWAY_FOR: Final = dt.timedelta(hours=2)
"""So long a run waits for a site that is away, in vain and without using up a try; maintenance of a night takes less."""

RETRIES: Final = ExceptionRetryPolicy(
    rules=[
        RetryRule(InputError, RetryAction.FAIL, reason="a setting or file must be mended first"),
        RetryRule(MoodleDenied, RetryAction.FAIL, reason="the site or the connection must be mended first"),
        RetryRule(
            MoodleRefused, RetryAction.FAIL, reason="Moodle refuses what was sent; sending it again does not help"
        ),
        RetryRule(
            [CoachviewDenied, CoachviewRefused],
            RetryAction.FAIL,
            reason="Coachview's client, the connection or the mapping must be mended first",
        ),
        RetryRule(
            [MoodleTlsFailed, CoachviewTlsFailed], RetryAction.FAIL, reason="the certificate must be mended first"
        ),
        RetryRule(
            [NotApproved, TooManyFailures],
            RetryAction.FAIL,
            reason="a person must look at it before anything is sent again",
        ),
        RetryRule(RunFailed, RetryAction.FAIL, reason="the run did what it could; its report says what went wrong"),
        RetryRule(MoodleUnavailable, RetryAction.RETRY, SOON, reason="the site is not available"),
        RetryRule(
            [SourceUnavailable, CoachviewUnavailable, CoachviewIncomplete],
            RetryAction.RETRY,
            SOON,
            reason="the source is not available, or not everyone came",
        ),
        RetryRule(AnswerLost, RetryAction.RETRY, SOON, reason="an answer got lost"),
    ]
)
"""The first rule that fits counts, so a subclass comes before its parent."""


def look_again(folder: ObjectStoragePath, error: MoodleUnavailable, now: dt.datetime) -> dt.datetime | None:
    """Give when a task whose site is away looks again; None when waiting does not help, or was long enough."""
    if isinstance(error, MoodleTlsFailed):
        return None
    away = find_facts(folder, Away)
    since = away.since if away else None
    if since is None or now - since > 2 * AWAY_FOR:  # of a run that was cleared long after
        write_facts(folder, Away(since=now))
    elif now - since > AWAY_FOR:
        return None
    return now + SOON


def is_back(folder: ObjectStoragePath) -> None:
    """Note that the site answers."""
    drop_facts(folder, Away)
