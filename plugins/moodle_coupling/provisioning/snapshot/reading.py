"""A reading of everyone: the parts it asks for, the piece each gives, and those that are kept until it is finished."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.errors import AnswerLost, MoodleAnswerUnreadable
from moodle_coupling.matching.frames import accounts_frame, no_accounts
from moodle_coupling.provisioning.lookups import lookup_batches
from moodle_coupling.provisioning.snapshot.visibility import refuse_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.provisioning.wire import Wire


# ---- Several parts of a work at a time with results in order, and how far it is: told about once a second, and logged
# now and then.

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


# ---- A reading of everyone ----


@dataclass(frozen=True, slots=True)
class Refusal:
    """A slice that Moodle could not give. ``too_large``: it may be that smaller ones would come."""

    too_large: bool


@dataclass(frozen=True, slots=True)
class Part(ABC):
    """A part of a reading; ``name`` is what its piece is kept under."""

    name: str

    @abstractmethod
    def read(self, wire: Wire, tracker: Tracker) -> Piece | Refusal:
        """Read it, counting accounts as they come. Raises MoodleAccessDenied where some of them is hidden."""


@dataclass(frozen=True, slots=True)
class Lookups(Part):
    """Values of one field (id, idnumber, username, email) to look up."""

    field: str
    values: Sequence[str]

    def read(self, wire: Wire, tracker: Tracker) -> Piece:
        """Look them up, in as many calls as it takes."""
        accounts: dict[int, Account] = {}
        unreadable: list[str] = []
        deleted: list[int] = []
        odd: list[str] = []
        for batch in lookup_batches(wire, self.field, self.values):
            read = wire.find(self.field, batch)
            refuse_hidden(read.accounts)
            accounts.update((account.id, account) for account in read.accounts)
            unreadable += read.unreadable
            odd += read.odd
            deleted += read.deleted
            tracker.add(len(read.accounts))
        return Piece(accounts_frame(accounts.values()), tuple(unreadable), tuple(deleted), tuple(odd))


@dataclass(frozen=True, slots=True)
class Slice(Part):
    """The accounts whose e-mail address is like ``pattern``."""

    pattern: str

    def read(self, wire: Wire, tracker: Tracker) -> Piece | Refusal:
        """Search them in one call; one odd account makes Moodle refuse them all."""
        try:
            accounts = wire.search("email", self.pattern)
        except MoodleAnswerUnreadable:
            return Refusal(too_large=False)
        except AnswerLost:
            return Refusal(too_large=True)
        refuse_hidden(accounts)
        tracker.add(len(accounts))
        return Piece(accounts_frame(accounts))


_KIND, _VALUE = "piece_kind", "piece_value"
_ACCOUNT, _UNREADABLE, _DELETED, _ODD, _READ_AT = "account", "unreadable", "deleted", "odd", "read_at"


@dataclass(frozen=True, slots=True)
class Piece:
    """``accounts``: an accounts frame; ``unreadable``: values without an answer; ``deleted``: ids of deleted accounts; ``odd``: those values
    of which an account is there, and cannot be shown (AccountsRead).
    """  # noqa: D205

    accounts: pd.DataFrame = field(default_factory=no_accounts)
    unreadable: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()
    odd: tuple[str, ...] = ()

    def highest(self) -> int:
        """Give the highest id that someone has or had, 0 when nobody has."""
        ids = [*self.deleted, *(int(value) for value in self.unreadable if value.isascii() and value.isdigit())]
        return max([*ids, 0 if self.accounts.empty else int(self.accounts["id"].max())], default=0)


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Give accounts frames as one: nobody twice (the later frame counts), by id; a profile field nobody has is ''."""
    filled = [frame for frame in frames if not frame.empty]
    if not filled:
        return no_accounts()
    whole = pd.concat(filled, ignore_index=True).drop_duplicates("id", keep="last")
    profile = sorted(name for name in whole.columns if name.startswith(PROFILE_PREFIX))
    whole = whole[[*(name for name in whole.columns if not name.startswith(PROFILE_PREFIX)), *profile]]
    whole[profile] = whole[profile].fillna("")
    return whole.sort_values("id", ignore_index=True)


def packed(piece: Piece, read_at: datetime) -> pd.DataFrame:
    """Give a piece as one frame, to be kept: a row per account, unreadable value and deleted id, and for the moment."""
    beside = [
        (0, _READ_AT, read_at.isoformat()),
        *((0, _UNREADABLE, value) for value in piece.unreadable),
        *((0, _ODD, value) for value in piece.odd),
        *((id_, _DELETED, "") for id_ in piece.deleted),
    ]
    rows = pd.DataFrame(beside, columns=["id", _KIND, _VALUE])
    whole = pd.concat([piece.accounts.assign(**{_KIND: _ACCOUNT, _VALUE: ""}), rows], ignore_index=True)
    texts = [name for name in whole.columns if name not in ("id", "suspended")]
    whole[texts] = whole[texts].fillna("").astype("str")
    whole["suspended"] = whole["suspended"].astype("boolean").fillna(value=False).astype("bool")
    return whole


def unpacked(frame: pd.DataFrame) -> tuple[Piece, datetime]:
    """Give back what was packed: the piece, and when it was read."""
    values = frame.groupby(_KIND)[_VALUE].agg(list)
    piece = Piece(
        frame[frame[_KIND] == _ACCOUNT].drop(columns=[_KIND, _VALUE]).reset_index(drop=True),
        tuple(values.get(_UNREADABLE, ())),
        tuple(int(id_) for id_ in frame.loc[frame[_KIND] == _DELETED, "id"]),
        tuple(values.get(_ODD, ())),
    )
    return piece, datetime.fromisoformat(values[_READ_AT][0])


KEPT_FOR: Final = timedelta(hours=4)
"""A piece older than this is read anew: people work in Moodle meanwhile, and a snapshot is to be of about one
moment."""

_READING: Final = "snapshot-reading"


class Keeper(Protocol):
    """Keeps frames by name for the length of one run; the names are safe as file names (letters, digits, ``-``, ``_``).

    ``put`` replaces what has that name; a frame comes back as it went in (Parquet will do). Called from one thread.
    """

    def has(self, name: str) -> bool:
        """Tell whether a frame of that name was kept."""

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Keep a frame, whole or not at all."""

    def get(self, name: str) -> pd.DataFrame:
        """Give a frame that was kept."""


class Pieces:
    """The pieces of one reading of everyone, kept as long as it is not finished.

    A reading that was finished leaves nothing to a later one in the same run: what was written since would be unseen.
    """

    def __init__(self, keep: Keeper | None, strategy: str, now: Callable[[], datetime] | None = None) -> None:
        self._keep = keep
        self._strategy = strategy
        self._now = now if now is not None else lambda: datetime.now(tz=UTC)
        self._begun = self._unfinished() or self._begin()

    def _unfinished(self) -> str:
        """Give when the reading that is to go on was begun; '' when there is none."""
        if self._keep is None or not self._keep.has(_READING):
            return ""
        last = self._keep.get(_READING).iloc[0]
        if last["finished"] or last["strategy"] != self._strategy:
            return ""
        log.info("The reading of %s UTC goes on; what it read in the last hours is not asked again.", last["begun"])
        return str(last["begun"])

    def _begin(self) -> str:
        begun = self._now().astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")
        self._note(begun, finished=False)
        return begun

    def _note(self, begun: str, *, finished: bool) -> None:
        if self._keep is not None:
            row = {"begun": begun, "strategy": self._strategy, "finished": finished}
            self._keep.put(_READING, pd.DataFrame([row]))

    def get(self, name: str) -> Piece | None:
        """Give a piece of this reading that is fresh enough, else None."""
        if self._keep is None or not self._keep.has(self._named(name)):
            return None
        piece, read_at = unpacked(self._keep.get(self._named(name)))
        # A piece of an earlier version may lack a field, and not read is not empty.
        whole = set(TEXT_FIELDS) <= set(piece.accounts.columns)
        return piece if whole and self._now() - read_at <= KEPT_FOR else None

    def put(self, name: str, piece: Piece) -> None:
        """Keep a piece that was read just now."""
        if self._keep is not None:
            self._keep.put(self._named(name), packed(piece, self._now()))

    def finish(self) -> None:
        """Note that everyone was read."""
        self._note(self._begun, finished=True)

    def _named(self, name: str) -> str:
        return f"snapshot-{self._begun}-{name}"


@dataclass(frozen=True, slots=True)
class _Job:
    """A part to read, and its piece where an earlier try kept it."""

    part: Part
    kept: Piece | None


class Reading:
    """What one reading of everyone has and does; the strategies differ in the parts they ask for.

    ``ids``: of the accounts read so far; ``unreadable``: values whose accounts Moodle cannot show;
    ``odd``: those of which an account is there for sure.
    """

    def __init__(self, wire: Wire, pieces: Pieces, tracker: Tracker) -> None:
        self.tracker = tracker
        self.ids: set[int] = set()
        self.unreadable: set[str] = set()
        self.odd: set[str] = set()
        self._wire = wire
        self._pieces = pieces
        self._frames: list[pd.DataFrame] = []

    def read(self, take: Callable[[], Part | None]) -> Iterator[tuple[Part, Piece | Refusal]]:
        """Read the parts that ``take`` gives, parallel_requests at a time, and give each with what came of it.

        A part of which an earlier try kept a fresh piece costs no call.
        """

        def next_part() -> _Job | None:
            # The keeper is asked in this thread only.
            part = take()
            return None if part is None else _Job(part, self._pieces.get(part.name))

        def read_one(job: _Job) -> Piece | Refusal:
            return job.part.read(self._wire, self.tracker) if job.kept is None else job.kept

        at_once = self._wire.hook.settings.parallel_requests
        for job, result in in_turn(read_one, next_part, at_once, tick=self.tracker.tick):
            if job.kept is not None:
                self.tracker.credit(len(job.kept.accounts))
            elif isinstance(result, Piece):
                self._pieces.put(job.part.name, result)
            if isinstance(result, Piece):
                self._take_in(result)
            yield job.part, result

    def _take_in(self, piece: Piece) -> None:
        self._frames.append(piece.accounts)
        self.ids.update(piece.accounts["id"].tolist())
        self.unreadable.update(piece.unreadable)
        self.odd.update(piece.odd)

    def accounts(self) -> pd.DataFrame:
        """Give everyone read so far, once."""
        whole = joined(self._frames)
        self._frames = [whole]
        return whole
