"""A reading of everyone: the parts it asks for, the piece each gives, and those that are kept until it is finished."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.errors import AnswerLost, MoodleAnswerUnreadable
from moodle_coupling.matching.frames import accounts_frame, no_accounts
from moodle_coupling.provisioning.lookups import lookup_batches
from moodle_coupling.provisioning.snapshot.turns import in_turn
from moodle_coupling.provisioning.snapshot.visibility import refuse_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from moodle_coupling.contract.account import Account
    from moodle_coupling.provisioning.snapshot.turns import Tracker
    from moodle_coupling.provisioning.wire import Wire


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
        for batch in lookup_batches(wire, self.field, self.values):
            read = wire.find(self.field, batch)
            refuse_hidden(read.accounts)
            accounts.update((account.id, account) for account in read.accounts)
            unreadable += read.unreadable
            deleted += read.deleted
            tracker.add(len(read.accounts))
        return Piece(accounts_frame(accounts.values()), tuple(unreadable), tuple(deleted))


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
_ACCOUNT, _UNREADABLE, _DELETED, _READ_AT = "account", "unreadable", "deleted", "read_at"


@dataclass(frozen=True, slots=True)
class Piece:
    """``accounts``: an accounts frame; ``unreadable``: values without an answer; ``deleted``: ids of deleted accounts."""

    accounts: pd.DataFrame = field(default_factory=no_accounts)
    unreadable: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()

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
    )
    return piece, datetime.fromisoformat(values[_READ_AT][0])


log = logging.getLogger(__name__)

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

    ``ids``: of the accounts read so far; ``unreadable``: values whose accounts Moodle cannot show.
    """

    def __init__(self, wire: Wire, pieces: Pieces, tracker: Tracker) -> None:
        self.tracker = tracker
        self.ids: set[int] = set()
        self.unreadable: set[str] = set()
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

    def accounts(self) -> pd.DataFrame:
        """Give everyone read so far, once."""
        whole = joined(self._frames)
        self._frames = [whole]
        return whole
