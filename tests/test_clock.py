"""The clock that ``--moment`` sets (tests/conftest.py): without it the runs of ``make test-clock`` would prove nothing."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.clock


def test_moment_and_zone_are_those_asked_for(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    moment, _, zone = (pytestconfig.getoption("--moment") or "").partition(",")
    if not moment:
        (tmp_path / "touched").touch()  # by the kernel's clock, which nothing here sets
        assert abs(time.time() - (tmp_path / "touched").stat().st_mtime) < 60
        return
    asked = dt.datetime.fromisoformat(moment)
    assert asked <= dt.datetime.now(dt.UTC) < asked + dt.timedelta(hours=1)
    there = dt.datetime.now(ZoneInfo(zone or "UTC")).utcoffset()
    assert there == dt.timedelta(seconds=time.localtime().tm_gmtoff)


def test_the_clock_goes_on() -> None:
    before = time.time()
    time.sleep(0.01)
    assert time.time() > before
