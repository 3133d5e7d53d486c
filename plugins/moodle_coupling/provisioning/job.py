"""What sending creates and sending changes have in common: shared state of a load, and the calls of one batch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from moodle_coupling.provisioning.culprits import Sendable
from moodle_coupling.provisioning.journal import Record
from moodle_coupling.provisioning.looking import Found, look_up
from moodle_coupling.provisioning.outcomes import OutcomeStatus
from moodle_coupling.provisioning.stopping import Tally
from moodle_coupling.provisioning.wire import Stopped, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from moodle_coupling.errors import AnswerLost, MoodleError, MoodleRefused
    from moodle_coupling.hooks.moodle_types import CreatedAccount, UpdateWarning
    from moodle_coupling.provisioning.book import Book
    from moodle_coupling.provisioning.rows import ChangeItem, NewItem


@dataclass(frozen=True, slots=True)
class Pace:
    """How a lost answer is followed up.

    ``looks``: seconds to wait before each look at what became of it (Moodle goes on after the client hung up);
    ``sends``: how often one batch is sent at most.
    """

    looks: tuple[float, ...] = (1.0, 4.0)
    sends: int = 3
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Load:
    """What all batches of one load share.

    ``in_doubt``: positions of rows that an earlier try sent, and of which nobody knows what became.
    """

    wire: Wire
    book: Book
    pace: Pace
    record: Record = field(default_factory=Record)
    tally: Tally = field(default_factory=Tally)
    in_doubt: frozenset[int] = frozenset()

    def batch_over(self, items: Sequence[Sendable]) -> None:
        """Put on record what became of a batch, and stop the load where too many went wrong."""
        indexes = [item.index for item in items]
        reason = self.tally.add(self.book.known(indexes))
        if reason is not None:
            self.wire.stop(reason)
        self.record.settled(self.book.firm(indexes))


Item = TypeVar("Item", bound=Sendable)


class Calls:
    """The calls of one batch, counted: all but the first are extra."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.book = load.book
        self._made = 0

    def create(self, items: Sequence[NewItem]) -> Sequence[CreatedAccount]:
        """Create accounts in one call."""
        self._announce(items)
        return self.load.wire.create([item.wire for item in items])

    def update(self, items: Sequence[ChangeItem]) -> Sequence[UpdateWarning]:
        """Change accounts in one call."""
        self._announce(items)
        return self.load.wire.update([item.wire for item in items])

    def find(self, name: str, values: Iterable[str]) -> Found:
        """Look accounts up, in as many calls as it takes."""
        found = look_up(self.load.wire, name, values)
        self.book.count_extra(found.calls)
        return found

    def doubt(self, items: Iterable[Sendable], error: MoodleError) -> None:
        """Write down for now that nobody knows what became of these."""
        for item in items:
            message = f"Sent, but Moodle's answer did not arrive ({error})"
            self.book.write(item.index, OutcomeStatus.UNKNOWN, "answer_lost", message)

    def give_up(self, error: AnswerLost) -> None:
        """Stop the load: so many lost answers in a row are not chance."""
        self.load.wire.stop(error)
        raise Stopped

    def still_open(self, items: Sequence[Item]) -> list[Item]:
        """Give the items of which it is not known that they are done."""
        closed = (OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED)
        return [item for item in items if self.book.status(item.index) not in closed]

    def refused_alone(self, index: int, refusal: MoodleRefused, account_id: int | None = None) -> None:
        """Write down a refusal that nothing explains, and stop the load if everyone is refused."""
        reason = self.book.refused(index, refusal, account_id)
        if reason is not None:
            self.load.wire.stop(reason)
            raise Stopped

    def _announce(self, items: Sequence[Sendable]) -> None:
        """Put on record that these are about to be sent; nothing goes out unless that is kept."""
        self.load.wire.refuse_when_stopped()
        self.load.record.sending([item.index for item in items])
        if self._made:
            self.book.count_extra()
        self._made += 1
