"""Pieces of a snapshot that survive a crash or a pause, so that a second try goes on where the first one stopped."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import pandas as pd

from moodle_coupling.contract.fields import TEXT_FIELDS
from moodle_coupling.provisioning.snapshot.pieces import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.provisioning.snapshot.pieces import Piece

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
