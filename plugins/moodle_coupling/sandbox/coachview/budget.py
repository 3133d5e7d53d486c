"""The limit on requests, and the headers that tell of it."""

from __future__ import annotations

import datetime as dt
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moodle_coupling.sandbox.coachview.refusals import Refusal

if TYPE_CHECKING:
    from moodle_coupling.sandbox.coachview.settings import Clock, ServerSettings


@dataclass(frozen=True)
class Standing:
    """How the limit stands after a request: its number within the period, and when (Unix time) the period ends."""

    used: int
    reset: float


class Budget:
    """Counts requests in periods; a period begins with the first request after the one before it ended."""

    def __init__(self, settings: ServerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._used = 0
        self._reset = 0.0

    def spend(self) -> Standing:
        """Count a request and return how the limit stands."""
        with self._lock:
            self._begin_anew()
            self._used = min(self._used + 1, self._settings.rate_limit + 1)
            return Standing(self._used, self._reset)

    def look(self) -> Standing:
        """Return how the limit stands, without a request; where no period runs, as if it began now."""
        with self._lock:
            now = self._clock.now()
            return (
                Standing(self._used, self._reset)
                if now < self._reset
                else Standing(0, now + self._settings.rate_window)
            )

    def use(self, used: int) -> None:
        """Say how many requests of the period have been made."""
        with self._lock:
            self._begin_anew()
            self._used = used

    def renew(self) -> None:
        """End the period, so that the next request begins a new one."""
        with self._lock:
            self._used, self._reset = 0, 0.0

    def _begin_anew(self) -> None:
        now = self._clock.now()
        if now >= self._reset:
            self._used, self._reset = 0, now + self._settings.rate_window

    def is_over(self, standing: Standing) -> bool:
        """Return whether a request was one too many."""
        return standing.used > self._settings.rate_limit

    def headers(self, standing: Standing) -> dict[str, str]:
        """Return the headers that every answer carries; the format of the reset is not known of a real Coachview."""
        settings = self._settings
        return {
            "X-Rate-Limit-Limit": _period(settings.rate_window)
            if settings.limit_format == "period"
            else str(settings.rate_limit),
            "X-Rate-Limit-Remaining": str(max(0, settings.rate_limit - standing.used)),
            "X-Rate-Limit-Reset": _iso(standing.reset)
            if settings.reset_format == "iso"
            else str(math.ceil(standing.reset)),
        }

    def refusal(self, standing: Standing) -> Refusal:
        """Return the 429."""
        settings, wait = self._settings, max(1, math.ceil(standing.reset - self._clock.now()))
        headers = {"Retry-After": str(wait)} if settings.retry_after else {}
        limit = f"{settings.rate_limit} per {_period(settings.rate_window)}"
        return Refusal(429, f"API calls quota exceeded! maximum admitted {limit}.", headers)


def _period(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def _iso(moment: float) -> str:
    """Return a moment as .NET's round-trip format has it, with seven decimals."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
