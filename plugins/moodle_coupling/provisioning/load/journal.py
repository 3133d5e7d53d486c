"""The journal of a load: the intention before each call that writes, the outcome after it."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Protocol

from moodle_coupling.errors import CouplingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from moodle_coupling.provisioning.load.outcomes import Outcome


class Journal(Protocol):
    """Where a load puts on record what it is about to do and what came of it; called by several threads.

    What it raises of errors.py, and any OSError, stops the load; nothing is sent that could not be announced.
    """

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        """Record that these rows (positions in the plan) go out now, in the call that ``batch`` names (a fresh uuid).

        Called right before every call that writes, also when a refused batch is sent again in parts.
        """

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes that stand: once at the start for rows that need no call, after each batch, and at the end."""


class JournalFailed(CouplingError):
    """The journal of the load cannot be kept (a full disk, a file that is gone); nothing more was sent."""


class Record:
    """The journal as the loader keeps it: each outcome is told once, and it is known who was announced."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._sent: set[int] = set()
        self._told: set[int] = set()

    def sending(self, indexes: Sequence[int]) -> None:
        """Announce a call; raises what the journal raises, and JournalFailed for an OSError."""
        if self._journal is None:
            return
        with _translated():
            self._journal.sending(indexes, str(uuid.uuid4()))
        with self._lock:
            self._sent.update(indexes)

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """Tell outcomes that were not told yet; raises as ``sending`` does, and then they count as not told."""
        if self._journal is None:
            return
        with self._lock:
            new = [outcome for outcome in outcomes if outcome.index not in self._told]
        if not new:
            return
        with _translated():
            self._journal.settled(new)
        with self._lock:
            self._told.update(outcome.index for outcome in new)

    def was_sent(self, index: int) -> bool:
        """Tell whether a call with this row was announced."""
        return index in self._sent


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalFailed(
            f"The record of what is sent cannot be kept ({error}), so nothing more was sent. Make room or mend the disk, then "
            "run again: what was sent is looked up first."
        ) from error
