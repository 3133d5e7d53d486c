"""What sending creates and sending changes have in common: shared state of a load, and the calls of one batch."""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from moodle_coupling.contract.fields import is_kept
from moodle_coupling.errors import (
    AnswerLost,
    MoodleAnswerUnreadable,
    MoodleParameterRefused,
    MoodleRefused,
    MoodleRequestTooLarge,
    NotAMoodle,
    ValueNotTaken,
)
from moodle_coupling.hooks.moodle.probes import CHOICES, Value, mend_value, not_taken, refused_values, unfit_for_new
from moodle_coupling.hooks.moodle.records import CONTROL_VARIABLES, NewAccount
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.provisioning.load.rows import NOT_KEPT, UNSEEN, WITHHELD, ChangeItem, NewItem, OutcomeStatus
from moodle_coupling.provisioning.lookups import Found, look_up
from moodle_coupling.provisioning.wire import Stopped, Wire
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.errors import MoodleError
    from moodle_coupling.provisioning.load.book import Book
    from moodle_coupling.provisioning.load.culprits import Refusal


# ---- Proof of what was written: profile fields are read back on a sample, for Moodle takes any value of them without
# an error.

Written = TypeVar("Written", NewItem, ChangeItem)

FIRST: Final = 5
"""So many accounts of each field are read back, whatever the value;"""
VALUES: Final = 20
"""then those with a value that was not read back yet, up to so many different ones: the options of a menu, the years of a date."""
MOST: Final = 60
"""Accounts that are read back in one load at most, whatever its size."""

_DATE: Final = re.compile(r"(\d{4})-\d{2}-\d{2}(-\d{2}){0,3}")


class Proof:
    """What is known of the profile fields of one load: which of them Moodle keeps as they are sent; for several threads.

    A field of which Moodle did not keep a value is not sent again in this load: nobody else's good value shall be lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: Counter[str] = Counter()
        self._values: defaultdict[str, set[str]] = defaultdict(set)
        self._left = MOST
        self._shown: set[str] = set()
        self._spoilt: set[str] = set()
        self._withheld: dict[int, list[str]] = {}

    def without_spoilt(self, items: Sequence[Written], book: Book) -> list[Written]:
        """Give the items without the fields that Moodle does not keep; whoever has nothing left is written down as skipped."""
        with self._lock:
            spoilt = set(self._spoilt)
        kept = []
        for item in items:
            held_back = sorted(spoilt & set(item.wire.profile))
            if held_back:
                profile = {name: value for name, value in item.wire.profile.items() if name not in spoilt}
                item = replace(item, wire=replace(item.wire, profile=profile))  # noqa: PLW2901  # the same person
                self._withheld[item.index] = held_back
            if item.wire.fields or item.wire.profile:
                kept.append(item)
            else:
                book.write(item.index, OutcomeStatus.SKIPPED, WITHHELD, _withheld(held_back), _account_of(item))
        return kept

    def look(self, items: Sequence[NewItem] | Sequence[ChangeItem], wire: Wire, book: Book) -> None:
        """Read a sample of the items that are done back, and write down of whom Moodle kept something else."""
        done = {outcome.index: outcome for outcome in book.known(item.index for item in items)}
        done = {index: one for index, one in done.items() if one.status is OutcomeStatus.DONE and one.account_id}
        for item in items:
            if item.index in done and item.index in self._withheld:
                said = _withheld(self._withheld[item.index])
                book.write(item.index, OutcomeStatus.DONE, WITHHELD, said, done[item.index].account_id)
        sample = {done[item.index].account_id: item for item in self._sample([i for i in items if i.index in done])}
        if not sample:
            return
        found = look_up(wire, "id", [str(id_) for id_ in sample])
        with self._lock:
            self._shown |= {name for account in found.accounts for name in account.profile}
        for account in found.accounts:
            self._judge(account, sample[account.id], book)

    def _sample(self, items: Sequence[NewItem | ChangeItem]) -> list[NewItem | ChangeItem]:
        with self._lock:
            chosen = []
            for item in items:
                if self._left and any(self._is_new(name, value) for name, value in item.wire.profile.items()):
                    chosen.append(item)
                    self._left -= 1
                    self._read.update(item.wire.profile.keys())
                    for name, value in item.wire.profile.items():
                        self._values[name].add(_kind(value))
            return chosen

    def _is_new(self, name: str, value: str) -> bool:
        seen = self._values[name]
        return self._read[name] < FIRST or (len(seen) < VALUES and _kind(value) not in seen)

    def _judge(self, account: Account, item: NewItem | ChangeItem, book: Book) -> None:
        lost = [
            name
            for name, sent in item.wire.profile.items()
            if not is_kept(account.profile_types.get(name, ""), account.profile.get(name, ""), sent)
        ]
        if not lost:
            return
        had = item.had if isinstance(item, ChangeItem) else frozenset()
        spoilt = [name for name in lost if name in self._shown or name in had]
        with self._lock:
            self._spoilt.update(spoilt)
        code, say = (NOT_KEPT, _not_kept) if spoilt else (UNSEEN, _unseen)
        said = in_turn(say(name, account.profile.get(name, ""), item.wire.profile[name]) for name in spoilt or lost)
        book.write(item.index, OutcomeStatus.DONE, code, said, account.id)


def _account_of(item: NewItem | ChangeItem) -> int | None:
    return item.account_id if isinstance(item, ChangeItem) else None


def _kind(value: str) -> str:
    date = _DATE.fullmatch(value)
    return date[1] if date else value


def _not_kept(name: str, held: str, sent: str) -> Sentence:
    return Sentence("load.not_kept", name=name, held=held, sent=sent)


def _unseen(name: str, _held: str, sent: str) -> Sentence:
    return Sentence("load.unseen", name=name, sent=sent)


def _withheld(names: Sequence[str]) -> Sentence:
    return Sentence("load.withheld", names=list(names))


# ---- What a load knows of values that several persons share: Moodle takes one or does not, whoever has it ----

Item = TypeVar("Item", bound=Sendable)

_ONES_OWN: Final = frozenset(
    {"username", "firstname", "lastname", "email", "idnumber", "createpassword", "suspended", "password"}
)
"""Fields that are each person's own, or that no probe can tell about."""


_VARIABLES_PER_PROBE: Final = 2
"""An account's id and the value."""


@dataclass
class SharedValues:
    """What is known of the values of one load; several threads may use it."""

    rule: StopRule = field(default_factory=StopRule)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _why: dict[Value, Sentence | None] = field(default_factory=dict)
    _persons: Counter[Value] = field(default_factory=Counter)
    _total: int = 0

    def expect(self, items: Sequence[Sendable]) -> None:
        """Take note of everyone who is about to be sent: how many share a value says whether the load goes on without it.

        Who was refused in an earlier run too does not count, as everywhere in the rule.
        """
        counting = [item for item in items if item.index not in self.rule.expected]
        self._total = len(counting)
        self._persons = Counter(value for item in counting for value in _values(item))

    def known_bad(self, items: Sequence[Item]) -> dict[int, Value]:
        """Give, by index, the value of whoever has one that Moodle is known not to take."""
        with self._lock:
            return {item.index: value for item in items for value in _values(item) if self._why.get(value)}

    def find(self, wire: Wire, items: Sequence[Sendable]) -> tuple[dict[int, Value], int]:
        """Ask Moodle about the values in a refused batch that nobody has asked about; as ``known_bad``, and the calls made.

        Asked about are languages, auth plugins and themes, and whatever else two persons of the load share. Nothing is written.
        """
        with self._lock:
            counts = Counter(value for item in items for value in _values(item))
            new = [
                value
                for value, n in counts.items()
                if (max(n, self._persons[value]) > 1 or value[0] in CHOICES) and value not in self._why
            ]
            before = wire.calls["probe"]
            room = (wire.hook.settings.max_input_vars - CONTROL_VARIABLES) // _VARIABLES_PER_PROBE
            parts = [new[start : start + room] for start in range(0, len(new), room)]
            refused = {value for part in parts for value in refused_values(part, wire.takes_values)}
            for value in new:
                self._why[value] = (
                    Sentence("load.value_refused", not_taken=not_taken(value))
                    if value in refused
                    else self._no_account(value, items)
                )
            calls = wire.calls["probe"] - before
        return self.known_bad(items), calls

    @staticmethod
    def _no_account(value: Value, items: Sequence[Sendable]) -> Sentence | None:
        """Say why new accounts cannot have this auth plugin, which the probe, an update, does not tell; None if they can."""
        if value[0] != "auth":
            return None
        new = [
            item.wire
            for item in items
            if isinstance(item.wire, NewAccount) and item.wire.fields.get("auth") == value[1]
        ]
        with_password = all(one.fields.get("createpassword") for one in new)
        return unfit_for_new([value[1]], with_password=with_password).get(value[1]) if new else None

    def why(self, value: Value) -> Sentence:
        """Say what is wrong with a value that is known to be bad, and what a person does about it."""
        return in_turn([self._why[value] or not_taken(value), mend_value(value[0])])

    def reason_to_stop(self, value: Value) -> ValueNotTaken | None:
        """Give the error to stop with where more have this value than the rule bears; None where the others can be brought in."""
        with_it, total = self._persons[value], self._total
        if with_it < self.rule.minimum or with_it <= self.rule.share * total:
            return None
        return ValueNotTaken(
            Sentence(
                "load.value_not_taken",
                why=self._why[value] or not_taken(value),
                with_it=with_it,
                total=total,
                mend=mend_value(value[0]),
            ),
            field=value[0],
            failed=with_it,
            attempted=total,
        )


def _values(item: Sendable) -> Iterable[Value]:
    return ((name, str(value)) for name, value in item.wire.fields.items() if name not in _ONES_OWN and value != "")


# ---- What sending creates and sending changes have in common ----


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
