"""Several parts of a work at a time with results in order, and how far it is: told about once a second, and logged now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD: Final = 2
"""Parts begun per place: one at work, and one that is ready when it ends."""
_TICK: Final = 1.0


def in_turn(
    work: Callable[[Item], Result],
    take: Callable[[], Item | None],
    at_once: int,
    *,
    tick: Callable[[], None],
) -> Iterator[tuple[Item, Result]]:
    """Do the work on each part that ``take`` gives, ``at_once`` at a time; give parts and results in order.

    ``take`` gives None when there is nothing more for now, and is asked again after each result. ``tick`` is called
    about once a second, and after each part, in the caller's thread. When a part fails, those under way are waited for,
    what went well is given, and then the first error is raised.
    """
    begun: deque[tuple[Item, Future[Result]]] = deque()
    failed: BaseException | None = None
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="moodle")
    try:
        while True:
            while failed is None and len(begun) < at_once * _AHEAD and (part := take()) is not None:
                begun.append((part, pool.submit(work, part)))
            if not begun:
                break
            part, future = begun.popleft()
            if failed is not None and future.cancel():
                continue
            while not wait({future}, timeout=_TICK).done:
                tick()
            error = future.exception()
            if error is not None:
                failed = failed or error
                continue
            yield part, future.result()
            tick()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failed is not None:
        raise failed


log = logging.getLogger(__name__)

TOLD_EVERY: Final = 1.0
LOGGED_EVERY: Final = 10.0


class Tracker:
    """Counts accounts read; ``add`` may be called from any thread, ``tell`` is called in the thread that ticks."""

    def __init__(
        self, tell: Callable[[int, int | None], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._started = self._told = self._logged = clock()
        self._read = 0
        self._credit = 0
        self._total: int | None = None
        self._about = False

    def restart(self) -> None:
        """Count from nothing again: what was read so far is not used."""
        self._started, self._read, self._credit = self._clock(), 0, 0
        self.expect(None)

    @property
    def done(self) -> int:
        """How many accounts are read or known not to need it."""
        return self._read + self._credit

    def add(self, count: int) -> None:
        """Count accounts that were read just now."""
        with self._lock:
            self._read += count

    def credit(self, count: int) -> None:
        """Count accounts that cost nothing, kept or of no concern; they say nothing about the rate."""
        with self._lock:
            self._credit += count

    def expect(self, total: int | None, *, about: bool = False) -> None:
        """Say how many accounts there are; ``about``: that is a guess."""
        self._total, self._about = total, about

    def tick(self) -> None:
        """Tell and log how far it is, if that was some time ago."""
        now = self._clock()
        if now - self._told >= TOLD_EVERY:
            self._say(now)
        if now - self._logged >= LOGGED_EVERY:
            self._logged = now
            log.info("%s", self.line())

    def end(self) -> None:
        """Tell and log how it ended: all are read."""
        self.expect(self.done)
        self._say(self._clock())
        log.info("%s", self.line())

    def _say(self, now: float) -> None:
        self._told = now
        if self._tell is not None:
            self._tell(self.done, self._total)

    def line(self) -> str:
        """Give how far it is in words: ``12,400 of 100,000 accounts read, 310/s, 4 min 43 s left``."""
        seconds = self._clock() - self._started
        rate = self._read / seconds if seconds > 0 else 0.0
        of = "" if self._total is None else f" of {'about ' * self._about}{self._total:,}"
        text = f"{self.done:,}{of} accounts read"
        if rate >= 1:
            text += f", {rate:,.0f}/s"
        if self._total is not None and self._total > self.done and rate > 0:
            text += f", {_lasting((self._total - self.done) / rate)} left"
        return text


def _lasting(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
