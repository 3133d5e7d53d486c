"""A sandbox Coachview's settings, all that is not known about a real one among them, and its clock, which can be set forward."""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from moodle_coupling.sandbox.coachview.refusals import Refusal
from moodle_coupling.sandbox.controls import Settings


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


SCOPES = (
    "api",
    "Personen.Lezen",
    "Persoonscategorieen.Lezen",
    "Opleidingsonderdelen.Lezen",
    "Opleidingsvragen.Lezen",
)
LATENCY, PER_ROW, PER_SKIPPED = 0.15, 0.001, 0.00005
"""Seconds of ``realistic``: an assumption, as no real Coachview was measured."""


@dataclass
class ServerSettings(Settings):
    """Everything about the server that is not a person.

    Client and token: ``scopes`` are what the API client has; ``client_credentials`` is whether it may log in so;
    ``token_lifetime`` is in seconds (Coachview: 900, 3600 or 28800); ``missing_scope`` is how an endpoint answers a token
    that lacks its scope.

    Lists: ``take_default`` and ``take_maximum`` are rows, ``take_over_maximum`` what becomes of more; a ``skip`` beyond
    ``deep_skip`` answers 500. ``where_obeyed`` off: filters do nothing. ``period_includes_end``, ``time_in_filter``,
    ``case_sensitive``, ``guid_order``: how filters and order work. ``empty_values``, ``free_fields``: how a row is written.
    ``categories_of_several``: whether PersoonId takes several ids. ``timezone`` is whose midnight counts.

    Limit: ``rate_limit`` requests per ``rate_window`` seconds; ``token_counts`` is whether a request for a token is one of
    them; ``reset_format``, ``limit_format`` and ``retry_after`` are about the headers that tell of it.

    Times: ``latency`` seconds per request, and more per row and per row skipped; ``realistic`` sets all three.
    """

    scopes: tuple[str, ...] = SCOPES
    client_credentials: bool = True
    token_lifetime: int = 3600
    missing_scope: str = "examples"
    take_default: int = 100
    take_maximum: int = 100
    take_over_maximum: str = "cut"
    deep_skip: int = 10_000
    where_obeyed: bool = True
    period_includes_end: bool = False
    time_in_filter: bool = False
    case_sensitive: bool = False
    guid_order: str = "text"
    empty_values: str = "absent"
    free_fields: str = "list"
    categories_of_several: bool = False
    timezone: str = "Europe/Amsterdam"
    error_body: str = "problem"
    rate_limit: int = 5000
    rate_window: float = 86_400.0
    token_counts: bool = False
    reset_format: str = "iso"
    limit_format: str = "requests"
    retry_after: bool = False
    latency: float = 0.0
    latency_per_row: float = 0.0
    latency_per_skipped: float = 0.0
    realistic: bool = False

    choices: ClassVar = {
        "missing_scope": ("examples", "forbidden"),
        "take_over_maximum": ("cut", "refused"),
        "guid_order": ("text", "sql_server"),
        "empty_values": ("absent", "null", "empty"),
        "free_fields": ("list", "object", "top_level"),
        "error_body": ("problem", "text", "nothing"),
        "reset_format": ("iso", "epoch"),
        "limit_format": ("requests", "period"),
    }

    def read(self, name: str, value: Any) -> Any:
        """Return a value as the setting holds it."""
        found = super().read(name, value)
        if name == "timezone":
            try:
                ZoneInfo(found)
            except (KeyError, OSError) as error:
                raise ValueError("no time zone of that name is known, such as Europe/Amsterdam") from error
        elif not isinstance(found, bool) and isinstance(found, int | float) and found < 0:
            raise ValueError("it must not be below 0")
        return found

    def seconds(self, rows: int, skipped: int) -> float:
        """Return how long an answer with so many rows takes at the least."""
        if self.realistic:
            return LATENCY + rows * PER_ROW + skipped * PER_SKIPPED
        return self.latency + rows * self.latency_per_row + skipped * self.latency_per_skipped


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
