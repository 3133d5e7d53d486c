"""The sandbox's time, which can be set forward: tokens expire and the day's limit ends without anybody waiting."""

from __future__ import annotations

import datetime as dt
import threading
import time
from zoneinfo import ZoneInfo


class Clock:
    """Tells the time; ``advance`` sets it forward."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Set the time forward."""
        with self._lock:
            self._ahead += seconds

    def stamp(self, zone: str) -> str:
        """Return the local time in a zone as Coachview writes it: ``2025-06-06T09:30:00``, without the zone."""
        return dt.datetime.fromtimestamp(self.now(), ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S")
