"""A sandbox Coachview's settings, all that is not known about a real one among them, and its clock, which can be set forward."""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

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
