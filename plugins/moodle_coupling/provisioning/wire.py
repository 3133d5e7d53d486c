"""What the loader and the snapshot need of a Moodle, and the calls they make, counted and stopped together."""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.errors import CouplingError, MoodleError
    from moodle_coupling.hooks.moodle.probes import Value
    from moodle_coupling.hooks.moodle.records import (
        AccountChange,
        AccountsRead,
        CreatedAccount,
        NewAccount,
        Report,
        ReportPage,
        SiteInfo,
        UpdateWarning,
    )


# ---- How many requests go to one Moodle at a time: more while its answers stay as quick, fewer when it slows down or
# errs.

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


# ---- What the loader and the snapshot need of a Moodle ----


class Settings(Protocol):
    """The bounds of one environment's connection."""

    @property
    def batch_size(self) -> int:
        """Accounts per create call."""

    @property
    def parallel_requests(self) -> int:
        """Requests at the same moment, at most."""

    @property
    def max_input_vars(self) -> int:
        """Form variables per call; PHP drops what comes after, without a word."""


class Moodle(Protocol):
    """The part of MoodleHook that provisioning uses; each method raises what errors.py says, after its own retries."""

    notice: Callable[[MoodleError], None]
    """Called, in the thread that sends, with each attempt's overload, time-out or lost answer, also when it is tried again."""
    out: Callable[[], None] | None
    """Called, in the thread that sends, when a request is out and its answer is waited for."""

    @property
    def settings(self) -> Settings:
        """The connection's settings."""

    def create_accounts(self, accounts: Sequence[NewAccount]) -> Sequence[CreatedAccount]:
        """Create accounts, all or none, in one call."""

    def update_accounts(self, changes: Sequence[AccountChange]) -> Sequence[UpdateWarning]:
        """Change accounts in one call; a warning for each that was not."""

    def accounts_by_field(self, field: str, values: Iterable[str | int]) -> AccountsRead:
        """Look accounts up by id, idnumber, username or email; what spoils an answer is isolated."""

    def find_accounts(self, key: str, value: str) -> Sequence[Account]:
        """Search accounts; email is a LIKE pattern."""

    def takes_variables(self, count: int) -> bool:
        """Tell whether a form of so many variables arrives whole."""

    def takes_values(self, values: Sequence[Value]) -> bool:
        """Tell whether Moodle takes these values; nothing is written."""

    def site_info(self) -> SiteInfo:
        """Ask the site about itself and the token's service."""

    def list_reports(self) -> Sequence[Report]:
        """Give the custom reports that the service user may see."""

    def report_page(self, report_id: int, page: int, per_page: int) -> ReportPage:
        """Give one page (from 0) of a custom report."""


class Stopped(Exception):
    """Nothing more may be sent: another batch found out why."""


@dataclass(slots=True)
class Spent:
    """What calls that Moodle took cost: accounts, and seconds from sending to the answer, each call's added up."""

    accounts: int = 0
    seconds: float = 0.0

    @property
    def milliseconds(self) -> float | None:
        """The milliseconds an account; None where there were none."""
        return 1000 * self.seconds / self.accounts if self.accounts else None


Answer = TypeVar("Answer")


class Wire:
    """A Moodle whose calls are counted, and which falls silent for all threads at once when one of them must stop.

    No more than ``places`` says are in flight at a time. ``clock`` gives seconds, and is only another one in tests.
    """

    def __init__(self, hook: Moodle, clock: Callable[[], float] = time.perf_counter) -> None:
        self.hook = hook
        self.places = Places(hook.settings.parallel_requests)
        self.created = Spent()
        self._clock = clock
        self._sent = threading.local()
        self._largest: Counter[str] = Counter()
        hook.notice = self._troubled
        self.calls: Counter[str] = Counter()
        self.stopped: CouplingError | None = None
        self.went_out = threading.Event()
        """Set when a request is out; who waits for the next one clears it."""
        hook.out = self.went_out.set
        self.profile_types: dict[str, str] = {}
        """Types of the profile fields that the accounts read so far showed, by shortname."""
        self._lock = threading.Lock()

    def stop(self, reason: CouplingError) -> None:
        """Send nothing more; the first reason is kept."""
        with self._lock:
            if self.stopped is None:
                self.stopped = reason

    def create(self, accounts: Sequence[NewAccount]) -> Sequence[CreatedAccount]:
        """Create accounts in one call."""
        answer, seconds = self.timed("create", len(accounts), lambda: self.hook.create_accounts(accounts))
        with self._lock:
            self.created.accounts += len(accounts)
            self.created.seconds += seconds
        return answer

    def update(self, changes: Sequence[AccountChange]) -> Sequence[UpdateWarning]:
        """Change accounts in one call."""
        return self.timed("update", len(changes), lambda: self.hook.update_accounts(changes))[0]

    def find(self, field: str, values: Sequence[str]) -> AccountsRead:
        """Look accounts up in one call."""
        read, _ = self.timed("read", len(values), lambda: self.hook.accounts_by_field(field, values))
        self._note_types(read.accounts)
        return read

    def search(self, key: str, value: str) -> Sequence[Account]:
        """Search accounts in one call."""
        found = self._placed("read", lambda: self.hook.find_accounts(key, value))
        self._note_types(found)
        return found

    def takes_variables(self, count: int) -> bool:
        """Tell whether a form of so many variables arrives whole, in one call."""
        return self._placed("read", lambda: self.hook.takes_variables(count))

    def takes_values(self, values: Sequence[Value]) -> bool:
        """Tell whether Moodle takes these values, in one call that writes nothing."""
        return self._placed("probe", lambda: self.hook.takes_values(values))

    def site_info(self) -> SiteInfo:
        """Ask the site about itself and the token's service, in one call."""
        return self._placed("read", self.hook.site_info)

    def list_reports(self) -> Sequence[Report]:
        """Give the custom reports that the service user may see, in one call."""
        return self._placed("read", self.hook.list_reports)

    def report_page(self, report_id: int, page: int, per_page: int) -> ReportPage:
        """Give one page of a custom report in one call."""
        return self._placed("read", lambda: self.hook.report_page(report_id, page, per_page))

    def refuse_when_stopped(self) -> None:
        """Raise Stopped when nothing more may be sent."""
        if self.stopped is not None:
            raise Stopped

    def _note_types(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            if account.profile_types.keys() - self.profile_types.keys():
                with self._lock:
                    self.profile_types.update(account.profile_types)

    def timed(self, kind: str, accounts: int, send: Callable[[], Answer]) -> tuple[Answer, float]:
        """Make one call about so many accounts, and let what it took say how many may be in flight; gives the answer and the seconds."""

        def timed() -> tuple[Answer, float]:
            started = self._clock()
            return send(), self._clock() - started

        answer, seconds = self._placed(kind, timed)
        with self._lock:
            self._largest[kind] = max(self._largest[kind], accounts)
            usual = 2 * accounts >= self._largest[kind]  # in a small call the call itself counts for too much
        if usual and accounts:
            self.places.answered(kind, seconds / accounts, self._sent.mark)
        return answer, seconds

    def _placed(self, kind: str, send: Callable[[], Answer]) -> Answer:
        with self.places.place():
            self.refuse_when_stopped()
            with self._lock:
                self.calls[kind] += 1
            self._sent.mark = self.places.sent()
            return send()

    def _troubled(self, error: MoodleError) -> None:  # noqa: ARG002 - whatever it is, fewer
        mark = getattr(self._sent, "mark", None)
        if mark is not None:
            self.places.troubled(mark)
