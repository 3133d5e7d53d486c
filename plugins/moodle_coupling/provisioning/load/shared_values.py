"""What a load knows of values that several persons share: Moodle takes one or does not, whoever has it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from moodle_coupling.errors import ValueNotTaken
from moodle_coupling.hooks.moodle.form import CONTROL_VARIABLES
from moodle_coupling.hooks.moodle.probes import CHOICES, Value, mend_value, not_taken, refused_values, unfit_for_new
from moodle_coupling.hooks.moodle.records import NewAccount
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moodle_coupling.provisioning.wire import Wire

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
