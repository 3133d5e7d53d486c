"""What the loader and the snapshot need of a Moodle, and the calls they make, counted and stopped together."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from moodle_coupling.provisioning.in_flight import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from moodle_coupling.contract.account import Account
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
