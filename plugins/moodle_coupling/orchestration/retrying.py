"""Which errors of a task are worth another try, and when."""

from __future__ import annotations

import datetime as dt
from typing import Final

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from moodle_coupling.errors import (
    AnswerLost,
    CoachviewDenied,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewTlsFailed,
    CoachviewUnavailable,
    InputError,
    MoodleDenied,
    MoodleMaintenance,
    MoodleRefused,
    MoodleTlsFailed,
    MoodleUnavailable,
    NotApproved,
    RunFailed,
    SourceUnavailable,
    TooManyFailures,
)

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
        RetryRule(
            MoodleMaintenance, RetryAction.RETRY, dt.timedelta(minutes=10), reason="the site is under maintenance"
        ),
        RetryRule(MoodleUnavailable, RetryAction.RETRY, dt.timedelta(minutes=2), reason="the site is not available"),
        RetryRule(
            [SourceUnavailable, CoachviewUnavailable, CoachviewIncomplete],
            RetryAction.RETRY,
            dt.timedelta(minutes=2),
            reason="the source is not available, or not everyone came",
        ),
        RetryRule(AnswerLost, RetryAction.RETRY, dt.timedelta(minutes=2), reason="an answer got lost"),
    ]
)
"""The first rule that fits counts, so a subclass comes before its parent."""
