"""The log of calls: what was asked of a sandbox and how it ended."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_KEPT = 100_000


@dataclass(frozen=True, kw_only=True)
class AnyCall:
    """One call: its number, when it came (Unix time), how long it took (seconds), its status (0: reset), its faults."""

    number: int
    started: float
    seconds: float
    status: int
    faults: tuple[str, ...]

    def is_of(self, what: str) -> bool:
        """Return whether ``what`` was called."""
        raise NotImplementedError


C = TypeVar("C", bound=AnyCall)


class CallLog(Generic[C]):
    """The calls so far, in the order in which they ended."""

    def __init__(self, kind: type[C]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._calls: deque[C] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, *, started: float, **values: Any) -> None:
        """Append a call that ends now; ``started`` is a Unix time, the rest as the calls have it."""
        seconds = time.time() - started
        with self._lock:
            self._count += 1
            self._calls.append(self._kind(number=self._count, started=started, seconds=seconds, **values))

    def all(self, what: str = "") -> list[C]:
        """Return the calls, or those of one thing only."""
        with self._lock:
            return [call for call in self._calls if not what or call.is_of(what)]

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()
