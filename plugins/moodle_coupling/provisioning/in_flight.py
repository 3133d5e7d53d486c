"""How many requests go to one Moodle at a time: more while its answers stay as quick, fewer when it slows down or errs."""

from __future__ import annotations

import logging
import statistics
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

START: Final = 2
"""Requests in flight at first: what was best on a Moodle with two cores (626 creates a second, 306 by one, 456 by four)."""
SAMPLES: Final = 2
"""So many answers for each request in flight are looked at before it is decided again, and _LEAST_SAMPLES at least."""
WORTH: Final = 0.5
"""One more request must bring at least this share of what it would bring on a site that is not busy at all."""
SLOWER: Final = 1.5
"""Answers that take so many times as long as they did with as many requests in flight: the site is busy with others."""
_LEAST_SAMPLES: Final = 4
_PATIENCE: Final = (4, 64)
"""Decisions to wait before more is tried again: at first, and at most; doubled each time that it brought nothing."""
_FORGET: Final = 0.1
"""How much of a usual time each new one replaces; it follows a site that grows and is not taken in by one slow answer."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many requests were in flight in a load: at its end, at most, and how often there were made fewer and why."""

    last: int
    most: int
    lowered_for_errors: int
    lowered_for_slowness: int


@dataclass(slots=True)
class Limit:
    """Decides how many requests may be in flight, from 1 to ``bound``; knows no clock and no threads.

    Additive increase, multiplicative decrease on trouble (Chiu and Jain, 1989), and between the two the slope of
    throughput over requests in flight: by Little's law that is requests / seconds an answer takes, so that one more is kept
    only where answers hardly take longer for it (as TCP Vegas, 1995, and Netflix' concurrency-limits judge a queue). A bound
    of 1 never changes.
    """

    bound: int
    value: int = 0
    most: int = 0
    errors: int = 0
    slowness: int = 0
    _seconds: list[float] = field(default_factory=list)
    _usual: dict[tuple[str, int], float] = field(default_factory=dict)
    _kind: str = ""
    _trying: bool = False
    _wait: int = 0
    _patience: int = _PATIENCE[0]
    _epoch: int = 0

    def __post_init__(self) -> None:
        """Begin with START, where the bound allows that."""
        self.value = self.most = min(START, self.bound)

    @property
    def epoch(self) -> int:
        """A number that grows with every change; a request remembers the one it was sent in."""
        return self._epoch

    def answered(self, kind: str, seconds: float, epoch: int) -> None:
        """Take note of a good answer: the seconds it took for one account, while all places were taken.

        Answers to requests sent before the last change say nothing of this number and do not count.
        """
        if epoch != self._epoch or self.bound == 1:
            return
        if kind != self._kind:
            self._kind, self._seconds = kind, []
            if self._trying:  # with calls of another kind, of which these say nothing
                self._trying = False
                self._set(self.value - 1, "other-calls")
                return
        self._seconds.append(seconds)
        if len(self._seconds) >= max(_LEAST_SAMPLES, SAMPLES * self.value):
            typical, self._seconds = statistics.median(self._seconds), []
            self._decide(typical)

    def troubled(self, epoch: int) -> None:
        """Halve after an overload, a time-out or a lost answer; once for all requests that were in flight together."""
        if epoch != self._epoch:
            return
        self.errors += 1
        self._trying, self._wait = False, self._patience
        self._set(max(1, self.value // 2), "errors")

    def _decide(self, typical: float) -> None:
        key = (self._kind, self.value)
        usual = self._usual.get(key)
        if self._trying:
            self._trying = False
            fewer = self._usual[self._kind, self.value - 1]
            gained = (self.value / typical) / ((self.value - 1) / fewer) - 1
            if gained < WORTH / (self.value - 1):
                self._wait, self._patience = self._patience, min(2 * self._patience, _PATIENCE[1])
                self._set(self.value - 1, "no-gain")
                return
            self._patience = _PATIENCE[0]
        elif usual is not None and typical > SLOWER * usual and self.value > 1:
            self.slowness += 1
            self._wait = self._patience
            self._usual = {key: typical}  # how quick it is now is what counts from here on
            self._set(self.value - 1, "slower")
            return
        self._usual[key] = typical if usual is None else min(typical, usual + _FORGET * (typical - usual))
        if self._wait:
            self._wait -= 1
        elif self.value < self.bound:
            self._trying = True
            self._usual[key] = typical
            self._set(self.value + 1, "steady")

    def _set(self, value: int, why: str) -> None:
        self._epoch += 1
        self._seconds = []
        if value != self.value:
            log.info("Requests in flight: %s, were %s (%s, bound %s)", value, self.value, why, self.bound)
        self.value, self.most = value, max(self.most, value)


class Places:
    """The places for requests in flight, for several threads: as many as the limit says now."""

    def __init__(self, bound: int) -> None:
        self._limit = Limit(bound)
        self._changed = threading.Condition()
        self._taken = 0
        self._mine = threading.local()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs, and wait for one before; a thread that has one needs no other."""
        if getattr(self._mine, "held", False):
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._limit.value)
            self._taken += 1
        self._mine.held = True
        try:
            yield
        finally:
            self._mine.held = False
            with self._changed:
                self._taken -= 1
                self._changed.notify_all()

    def sent(self) -> int:
        """Give what :meth:`answered` and :meth:`troubled` need to know of a request that goes out now; negative while places are free."""
        with self._changed:
            return self._limit.epoch if self._taken >= self._limit.value else -1 - self._limit.epoch

    def answered(self, kind: str, seconds: float, sent: int) -> None:
        """Take note of a good answer: the seconds it took for one account."""
        with self._changed:
            self._limit.answered(kind, seconds, sent)
            self._changed.notify_all()

    def troubled(self, sent: int) -> None:
        """Take note of an overload, a time-out or a lost answer."""
        with self._changed:
            self._limit.troubled(sent if sent >= 0 else -1 - sent)
            self._changed.notify_all()

    @property
    def said(self) -> InFlight:
        """How many there were."""
        with self._changed:
            limit = self._limit
            return InFlight(limit.value, limit.most, limit.errors, limit.slowness)
