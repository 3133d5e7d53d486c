"""The log of calls: what was asked and how it ended, never with the token or a password."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

_SECRET_KEYS = ("wstoken", "password", "wspassword")
_KEPT = 100_000


@dataclass(frozen=True)
class LoggedCall:
    """One call: when (Unix time), how long (seconds), which function, its parameters, and what came of it."""

    number: int
    started: float
    seconds: float
    function: str
    parameters: Any
    status: int
    errorcode: str
    fields: int
    accounts: int
    faults: tuple[str, ...]


class CallLog:
    """The calls so far, in the order in which they ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[LoggedCall] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, **values: Any) -> None:
        """Append a call; ``started`` is a Unix time, the rest as in :class:`LoggedCall`."""
        values["parameters"] = without_secrets(values["parameters"])
        values["seconds"] = time.time() - values["started"]
        with self._lock:
            self._count += 1
            self._calls.append(LoggedCall(number=self._count, **values))

    def all(self, function: str = "") -> list[LoggedCall]:
        """Return the calls, or those of one function."""
        with self._lock:
            return [call for call in self._calls if function in ("", call.function)]

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()


def without_secrets(value: Any) -> Any:
    """Return nested parameters with every token and password masked."""
    if isinstance(value, dict):
        return {key: "***" if key in _SECRET_KEYS else without_secrets(item) for key, item in value.items()}
    return value


def count_fields(value: Any) -> int:
    """Return how many form fields a nested parameter took."""
    return sum(count_fields(item) for item in value.values()) if isinstance(value, dict) else 1
