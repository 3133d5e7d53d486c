"""The parts of a reading: what one of them asks of Moodle, and what comes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moodle_coupling.errors import AnswerLost, MoodleAnswerUnreadable
from moodle_coupling.matching.accounts import accounts_frame
from moodle_coupling.provisioning.load.readback import lookup_batches
from moodle_coupling.provisioning.snapshot.hidden import refuse_hidden
from moodle_coupling.provisioning.snapshot.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.hooks.moodle.types import Account
    from moodle_coupling.provisioning.snapshot.tracker import Tracker
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
