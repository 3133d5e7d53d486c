"""Windows of access that are not over on the day of the test."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

NEXT: Final = dt.datetime.now(dt.UTC).year + 1
"""Next year."""


def first_of(year: int, month: int) -> int:
    """Give the moment at which a month begins in Amsterdam, as Moodle keeps it."""
    return int(dt.datetime(year, month, 1, tzinfo=ZoneInfo("Europe/Amsterdam")).timestamp())
