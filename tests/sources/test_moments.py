"""What is later than now, for every kind of value a column of changes may hold, and two clocks that differ."""

# ruff: noqa: DTZ001  # columns without a time zone are what is tested

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from moodle_coupling.sources.database.source import Clock, Moments

pytestmark = pytest.mark.clock

NOW = dt.datetime(2026, 11, 28, 22, 30, tzinfo=dt.UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())


@pytest.mark.parametrize(
    ("past", "future"),
    [
        (dt.datetime(2026, 1, 1, 10), dt.datetime(2206, 5, 1)),
        (dt.datetime(2026, 1, 1, 10, tzinfo=AMSTERDAM), dt.datetime(2206, 5, 1, tzinfo=AMSTERDAM)),
        (dt.date(2026, 11, 28), dt.date(2206, 5, 1)),
        ("2026-01-01T10:00:00", "2206-05-01T00:00:00"),
        ("2026-01-01 10:00:00.123", "2206-05-01 00:00"),
        ("2026-01-01T10:00:00+01:00", "2206-05-01T10:00:00+01:00"),
        ("2026-01-01T10:00:00Z", "2206-05-01T10:00:00Z"),
        ("2026-01-01", "2206-05-01"),
        ("20260101", "22060501"),
        ("20260101100000", "22060501100000"),
        (20260101, 22060501),
        (20260101100000, 22060501100000),
        (seconds(NOW) - 60, seconds(NOW) + 6 * 10**9),
        ((seconds(NOW) - 60) * 1000, (seconds(NOW) + 6 * 10**9) * 1000),
        (Decimal(seconds(NOW) - 60), Decimal(seconds(NOW) + 6 * 10**9)),
    ],
    ids=str,
)
def test_a_value_later_than_now_is_told_and_moves_nothing(past, future):
    moments = Moments(Clock(NOW))
    moments.note([past, past, future])
    assert (moments.latest, moments.furthest, moments.ahead) == (past, future, 1)
    moments.note([future])
    assert (moments.latest, moments.ahead) == (past, 2)

    assert Moments(Clock(NOW), past).last_has_come
    # What was remembered of numbers alone does not say what they mean; the rows do.
    if not isinstance(future, int | Decimal):
        assert not Moments(Clock(NOW), future).last_has_come


@pytest.mark.parametrize(
    "values", [[2001, 2002, 9_000_000_000_000_000], ["v1", "v2", "v999"], [Decimal("9.5"), Decimal(10)]], ids=str
)
def test_a_value_that_is_no_moment_always_counts(values):
    moments = Moments(Clock(NOW))
    moments.note(values)
    assert (moments.latest, moments.ahead) == (values[-1], 0)


def test_a_value_that_may_be_local_time_moves_nothing_and_is_no_mistake():
    moments = Moments(Clock(NOW))
    moments.note([dt.datetime(2026, 11, 28, 22), dt.datetime(2026, 11, 28, 23, 30)])  # half past eleven in Amsterdam
    assert (moments.latest, moments.ahead) == (dt.datetime(2026, 11, 28, 22), 0)


def test_the_databases_own_clock_counts_where_it_is_ahead_of_ours():
    local = dt.datetime(2026, 11, 28, 23, 30)
    for there in (local, local.replace(tzinfo=AMSTERDAM)):
        moments = Moments(Clock(NOW, there))
        moments.note([local])
        assert moments.latest == local
    ahead = NOW + dt.timedelta(minutes=5)
    moments = Moments(Clock(NOW, ahead))
    moments.note([ahead])
    assert (moments.latest, moments.ahead) == (ahead, 0)
    moments = Moments(Clock(NOW, NOW))
    moments.note([ahead])  # another machine's clock wrote it: nothing to tell, and nothing to build on
    assert (moments.latest, moments.ahead) == (None, 0)


def test_the_hour_that_comes_twice_in_autumn_is_no_mistake():
    winter = dt.datetime(2026, 10, 25, 1, 5, tzinfo=dt.UTC)  # 02:05, for the second time
    clock = Clock(winter, winter.astimezone(AMSTERDAM))
    moments = Moments(clock, dt.datetime(2026, 10, 25, 2, 59))
    assert not moments.last_has_come
    assert moments.last_was_set_back
    assert not Moments(clock, dt.datetime(2206, 5, 1)).last_was_set_back
