"""What sending creates and sending changes have in common: shared state of a load, and the calls of one batch."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from moodle_coupling.errors import (
    AnswerLost,
    MoodleAnswerUnreadable,
    MoodleParameterRefused,
    MoodleRefused,
    MoodleRequestTooLarge,
    NotAMoodle,
)
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.provisioning.load.proof import Proof
from moodle_coupling.provisioning.load.shared_values import SharedValues
from moodle_coupling.provisioning.lookups import Found, look_up
from moodle_coupling.provisioning.wire import Stopped, Wire
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from moodle_coupling.errors import MoodleError
    from moodle_coupling.provisioning.load.book import Book
    from moodle_coupling.provisioning.load.culprits import Refusal


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
    in_doubt: frozenset[int] = frozenset()
    proof: Proof = field(default_factory=Proof)
    values: SharedValues = field(default_factory=SharedValues)

    def announce_ahead(self, items: Sequence[Sendable]) -> None:
        """Put on record that this batch is sent next."""
        self.book.announce_ahead([item.index for item in items])

    def judge(self, items: Sequence[Sendable]) -> None:
        """Stop the load where, with this batch, too many went wrong."""
        reason = self.book.count([item.index for item in items])
        if reason is not None:
            self.wire.stop(reason)

    def tell(self, items: Sequence[Sendable]) -> None:
        """Put on record what became of a batch."""
        self.book.tell(self.book.firm([item.index for item in items]))


Item = TypeVar("Item", bound=Sendable)


class Calls:
    """The calls of one batch, counted: all but the first are extra."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.book = load.book
        self._made = 0

    def find(self, name: str, values: Iterable[str]) -> Found:
        """Look accounts up, in as many calls as it takes."""
        found = look_up(self.load.wire, name, values)
        self.book.count_extra(found.calls)
        return found

    def doubt(self, items: Iterable[Sendable], error: MoodleError) -> None:
        """Write down for now that nobody knows what became of these."""
        for item in items:
            said = Sentence("load.answer_lost", error=error.said)
            self.book.write(item.index, OutcomeStatus.UNKNOWN, "answer_lost", said)

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

    def announce(self, items: Sequence[Sendable]) -> None:
        """Put on record that these are about to be sent; nothing goes out unless that is kept."""
        self.load.wire.refuse_when_stopped()
        self.book.announce([item.index for item in items])
        if self._made:
            self.book.count_extra()
        self._made += 1


class Batch(Calls, ABC, Generic[Item]):
    """One batch on its way: how to send it is the kind's own, what a lost or refused answer means is the same for all."""

    def try_send(self, items: Sequence[Item]) -> Refusal | None:
        """Send in one call; after a lost answer look before sending the rest again, at most ``pace.sends`` times in all.

        Gives the refusal when Moodle refused the call as a whole.
        """
        for attempt in range(1, self.load.pace.sends + 1):
            try:
                answer = self.send(items)
            except AnswerLost as error:
                self.doubt(items, error)
                items = self.missing_after_loss(items)
                if items and attempt == self.load.pace.sends:
                    self.give_up(error)
            except NotAMoodle as error:
                # Some page in between answered; whether Moodle got the call nobody knows.
                self.doubt(items, error)
                raise
            except MoodleAnswerUnreadable as error:
                # The work may have been done (seen on 5.1 with a weak password): only who is missing was refused.
                self.doubt(items, error)
                items = self.missing(items)
                return error if items else None
            except (MoodleRefused, MoodleRequestTooLarge) as error:
                return error
            else:
                self.settle(answer, items)
                return None
            if not items:
                return None
        return None

    def without_bad_values(self, items: Sequence[Item], refusal: Refusal | None = None) -> list[Item]:
        """Give the items without a value that Moodle is known not to take; the others are written down as refused for it.

        With ``refusal``, of a call with all of them, Moodle is asked about the values that nobody has asked about. Raises
        Stopped where so many share such a value that the load ends here.
        """
        values = self.load.values
        bad = values.known_bad(items)
        if isinstance(refusal, MoodleParameterRefused):
            bad, calls = values.find(self.load.wire, items)
            self.book.count_extra(calls)
        for value in dict.fromkeys(bad.values()):
            reason = values.reason_to_stop(value)
            if reason is not None:
                self.load.wire.stop(reason)
                raise Stopped
        for item in items:
            if item.index in bad:
                self.book.write(item.index, OutcomeStatus.REJECTED, "value_not_taken", values.why(bad[item.index]))
        return [item for item in items if item.index not in bad]

    @abstractmethod
    def send(self, items: Sequence[Item]) -> Any:
        """Make the call and give Moodle's answer."""

    @abstractmethod
    def settle(self, answer: Any, items: Sequence[Item]) -> None:
        """Write down what the answer says of each item."""

    @abstractmethod
    def missing(self, items: Sequence[Item]) -> list[Item]:
        """Read back: write down of whom Moodle holds what was sent; give the others."""

    @abstractmethod
    def missing_after_loss(self, items: Sequence[Item]) -> list[Item]:
        """Do the same after a lost answer, when Moodle may still be at work."""
