"""Who and what in a refused call is to blame, and taking a refused batch apart until every culprit stands alone."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from moodle_coupling.contract.fields import WIDTHS
from moodle_coupling.errors import MoodleRefused, MoodleRequestTooLarge, ValueNotTaken
from moodle_coupling.hooks.moodle.probes import CHOICES, Value, mend_value, not_taken, refused_values, unfit_for_new
from moodle_coupling.hooks.moodle.records import NewAccount
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from moodle_coupling.errors import MoodleError
    from moodle_coupling.hooks.moodle.records import AccountChange
    from moodle_coupling.provisioning.wire import Wire


class Sendable(Protocol):
    """Something with an account to write in it."""

    @property
    def index(self) -> int:
        """The row's position in the plan."""

    @property
    def wire(self) -> NewAccount | AccountChange:
        """What is sent."""


Item = TypeVar("Item", bound=Sendable)

# What a site with debugging says of the culprit (seen on 4.5 and 5.1), and the field it means where the text does not say.
_NAMING: Final = (
    (re.compile(r"Username already exists: (.+)$"), "username"),
    (re.compile(r"Duplicate entry '\d{1,20}-(.{0,400})' for key '\w*mneuse"), "username"),
    (re.compile(r"Email address (?:already exists|is invalid): (.+)$"), "email"),
    (re.compile(r"Invalid authentication type: (.+)$"), "auth"),
    (re.compile(r"Invalid language code: (.+)$"), "lang"),
    (re.compile(r"Invalid theme: (.+)$"), "theme"),
    (re.compile(r'\b(\w+) => [^>]{0,400}the value is "(.{0,400})", the server was expecting', re.DOTALL), None),
)

_TAG: Final = re.compile(r"<[^>]*>")
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SUSPECT: Final[dict[str, Callable[[str], bool]]] = {
    "username": lambda value: re.fullmatch(r"[a-z0-9._@-]+", value) is None,
    "email": lambda value: _EMAIL.fullmatch(value) is None,
    "firstname": lambda value: _TAG.search(value) is not None,
    "lastname": lambda value: _TAG.search(value) is not None,
}


def named_culprits(error: MoodleError, items: Sequence[Item]) -> list[Item]:
    """Give the items that Moodle's debuginfo names; none when it is not sent, or names nobody that was sent."""
    for pattern, name in _NAMING:
        found = pattern.search(error.debuginfo)
        if found:
            field, value = (name, found[1]) if name else (found[1], found[2])
            return [item for item in items if str(item.wire.fields.get(field, "")) == value]
    return []


def is_suspect(item: Sendable) -> bool:
    """Tell whether a value looks like one that Moodle refuses.

    It is sent all the same, but alone: Moodle decides (a site may allow more characters in a username).
    """
    for name, value in item.wire.fields.items():
        text = str(value)
        if len(text) > WIDTHS.get(name, len(text)) or "\0" in text:
            return True
        if name in _SUSPECT and _SUSPECT[name](text):
            return True
    return False


Refusal = MoodleRefused | MoodleRequestTooLarge


class Job(Protocol[Item]):
    """One batch on its way: how to send a part of it and what to write down of a culprit."""

    def try_send(self, items: Sequence[Item]) -> Refusal | None:
        """Send items in one call and write down what became of them; the refusal if it was refused as a whole."""

    def refuse(self, item: Item, refusal: Refusal, *, explained: bool) -> None:
        """Write down that Moodle refused this one; ``explained`` when we know what is wrong with it."""

    def still_open(self, items: Sequence[Item]) -> list[Item]:
        """Give the items of which it is not known that they are done."""


def take_apart(job: Job[Item], items: Sequence[Item], refusal: Refusal | None) -> None:
    """Bring in everyone of a refused batch whom Moodle takes.

    ``refusal`` is what Moodle said of exactly these items, None when it has not seen these together. With b culprits
    that nothing names among n it takes log2(n) + 2 calls for one, about 2·b·log2(n/b) for more, else about one per culprit
    and one for the rest.
    """
    suspects = [item for item in items if is_suspect(item)]
    rest = [item for item in items if not is_suspect(item)]
    if suspects or refusal is None:
        refusal = job.try_send(rest) if rest else None
    while refusal is not None and (named := named_culprits(refusal, rest)):
        for item in named:
            job.refuse(item, refusal, explained=True)
        blamed = {item.index for item in named}
        rest = [item for item in rest if item.index not in blamed]
        refusal = job.try_send(rest) if rest else None
    if refusal is not None:
        _take_out_one(job, rest, refusal)
    for item in suspects:
        send_alone(job, item, explained=True)


def _take_out_one(job: Job[Item], items: Sequence[Item], refusal: Refusal) -> None:
    """Look for one culprit among refused items and send all others together; where that is refused too, by halves.

    One culprit that nothing names is found among n in log2(n) calls, and two more.
    """
    if not isinstance(refusal, MoodleRefused):
        _halve(job, items, refusal)
        return
    suspects = job.still_open(items)
    others: list[Item] = []
    said: Refusal | None = refusal
    while len(suspects) > 1:
        left, right = suspects[: -(-len(suspects) // 2)], suspects[-(-len(suspects) // 2) :]
        answer = job.try_send(left)
        suspects = right if answer is None else job.still_open(left)
        others += right if answer is not None else []
        said = answer
    for item in suspects:
        if said is None:
            send_alone(job, item, explained=False)
        else:
            job.refuse(item, said, explained=False)
    others = job.still_open(others)
    again = job.try_send(others) if others else None
    if again is not None:
        _halve(job, others, again)


def _halve(job: Job[Item], items: Sequence[Item], refusal: Refusal) -> None:
    """Split items of which at least one is refused."""
    items = job.still_open(items)
    if len(items) < 2:
        for item in items:
            job.refuse(item, refusal, explained=False)
        return
    left, right = items[: len(items) // 2], items[len(items) // 2 :]
    said_left = job.try_send(left)
    if said_left is not None:
        _halve(job, left, said_left)
    if said_left is None and len(right) > 1 and isinstance(refusal, MoodleRefused):
        # The left half is in, so the culprit is on the right: no need to ask.
        _halve(job, right, refusal)
        return
    said_right = job.try_send(right)
    if said_right is not None:
        _halve(job, right, said_right)


def send_alone(job: Job[Item], item: Item, *, explained: bool) -> None:
    """Send one item, and write down the refusal if there is one."""
    refusal = job.try_send([item])
    if refusal is not None and job.still_open([item]):
        job.refuse(item, refusal, explained=explained)


_ONES_OWN: Final = frozenset(
    {"username", "firstname", "lastname", "email", "idnumber", "createpassword", "suspended", "password"}
)
"""Fields that are each person's own, or that no probe can tell about."""


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

        Asked about are languages, auth plugins and themes, and whatever else two persons of the batch share. Nothing is written.
        """
        with self._lock:
            counts = Counter(value for item in items for value in _values(item))
            new = [value for value, n in counts.items() if (n > 1 or value[0] in CHOICES) and value not in self._why]
            before = wire.calls["probe"]
            refused = set(refused_values(new, wire.takes_values))
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
