"""The ``where`` and ``orderby`` of a request, read, and the people they find: fast, for the sandbox must not be what a benchmark measures."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.coachview.fields import Field, Kind, Rules, field_named
from moodle_coupling.sandbox.coachview.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.sandbox.coachview.fields import Person

    FieldOf = Callable[[str], Field]
    """From the name in a filter to the field it means."""


_CONDITION = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*)\s*(>=|>|=)(.*)", re.DOTALL)
_ORDER = re.compile(r"\s*([A-Za-z][A-Za-z0-9.]*)(?:\s+(asc|desc))?\s*", re.IGNORECASE)


class Operator(StrEnum):
    """How a condition compares."""

    ONE_OF = "="
    AFTER = ">"
    FROM = ">="
    PERIOD = "period"


@dataclass(frozen=True)
class Condition:
    """One condition: a field, an operator and the keys to compare with (PERIOD: begin and end)."""

    field: Field
    operator: Operator
    keys: tuple[Any, ...]
    includes_end: bool = False

    def accepts(self, key: Any) -> bool:
        """Return whether a key fits; no value fits nothing, as in SQL."""
        if key is None:
            return False
        if self.operator is Operator.ONE_OF:
            return key in self.keys
        if self.operator is Operator.PERIOD:
            begin, end = self.keys
            return bool(begin <= key < end) or (self.includes_end and bool(key == end))
        return bool(key > self.keys[0] or (self.operator is Operator.FROM and key == self.keys[0]))


@dataclass(frozen=True)
class Order:
    """In which order rows come."""

    field: Field
    descending: bool = False


def raw_conditions(where: str) -> list[tuple[str, str, list[str]]]:
    """Split a filter into field name, operator and values; nothing between two semicolons is nothing.

    Raises :class:`Refusal` where it is not ``field=value``, ``field=v1,v2``, ``field>value`` or ``field>=value``.
    """
    found = []
    for part in where.split(";"):
        if not part.strip():
            continue
        match = _CONDITION.fullmatch(part)
        values = [value.strip() for value in match[3].split(",")] if match else []
        if match is None or not all(values):
            raise bad_request(f"The filter '{part.strip()}' cannot be read: field, operator (=, > or >=) and value.")
        found.append((match[1], match[2], values))
    return found


def read_where(where: str, rules: Rules, field_of: FieldOf = field_named) -> tuple[Condition, ...]:
    """Return the conditions of a filter on persons, or on what ``field_of`` knows; all must hold. Raises :class:`Refusal`."""
    return tuple(_condition(field_of(name), sign, values, rules) for name, sign, values in raw_conditions(where))


def _condition(field: Field, sign: str, values: list[str], rules: Rules) -> Condition:
    keys = tuple(rules.wanted(field, value) for value in values)
    operator = Operator(sign)
    if operator is Operator.ONE_OF and field.kind is Kind.MOMENT and len(keys) > 1:
        if len(keys) > 2:
            raise bad_request(f"A period of {field.name} has a begin and an end, not {len(keys)} values.")
        return Condition(field, Operator.PERIOD, keys, rules.period_includes_end)
    if operator is not Operator.ONE_OF and len(keys) > 1:
        raise bad_request(f"'{sign}' takes one value, not {len(keys)}.")
    return Condition(field, operator, keys)


def read_order(orderby: str, field_of: FieldOf = field_named) -> Order | None:
    """Return the order asked for, None where none was. Raises :class:`Refusal`."""
    if not orderby.strip():
        return None
    match = _ORDER.fullmatch(orderby)
    if match is None:
        raise bad_request(f"The order '{orderby}' cannot be read: a field, then asc or desc.")
    return Order(field_of(match[1]), (match[2] or "").lower() == "desc")


_KEPT = 64


class _Column:
    """One field of all people: the keys by position, and the positions that have one in order of their keys."""

    def __init__(self, people: Sequence[Person], field: Field, rules: Rules) -> None:
        self.keys = [rules.key(field, field.of(person)) for person in people]
        self.ordered = [position for position, key in enumerate(self.keys) if key is not None]
        self.ordered.sort(key=self.keys.__getitem__)
        self._sorted = [self.keys[position] for position in self.ordered]

    def ranges(self, condition: Condition) -> list[tuple[int, int]]:
        """Return where in ``ordered`` those stand that fit a condition."""
        keys, ends = condition.keys, len(self._sorted)
        if condition.operator is Operator.ONE_OF:
            return [(bisect_left(self._sorted, key), bisect_right(self._sorted, key)) for key in set(keys)]
        if condition.operator is Operator.PERIOD:
            until = bisect_right if condition.includes_end else bisect_left
            return [(bisect_left(self._sorted, keys[0]), until(self._sorted, keys[1]))]
        from_ = bisect_right if condition.operator is Operator.AFTER else bisect_left
        return [(from_(self._sorted, keys[0]), ends)]

    def all_in_order(self, *, descending: bool) -> list[int]:
        """Return all positions in order; those without a value come first, and last where it descends (SQL Server)."""
        without = [position for position, key in enumerate(self.keys) if key is None]
        return [*reversed(self.ordered), *without] if descending else [*without, *self.ordered]


class Snapshot:
    """People as they are at one moment; what finds them is built when it is first needed, then kept."""

    def __init__(self, people: Sequence[Person], rules: Rules) -> None:
        self.people = people
        self._rules = rules
        self._lock = threading.Lock()
        self._columns: dict[str, _Column] = {}
        self._found: dict[tuple[tuple[Condition, ...], Order | None], list[int]] = {}

    def find(self, conditions: tuple[Condition, ...], order: Order | None) -> Sequence[int]:
        """Return the positions of the people that fit all conditions, in order (none: that in which they were added)."""
        with self._lock:
            found = self._found.get((conditions, order))
            if found is None:
                found = self._search(conditions, order)
                if len(self._found) >= _KEPT:
                    self._found.pop(next(iter(self._found)))
                self._found[conditions, order] = found
            return found

    def _search(self, conditions: tuple[Condition, ...], order: Order | None) -> list[int]:
        if not conditions:
            if order is None:
                return list(range(len(self.people)))
            return self._column(order.field).all_in_order(descending=order.descending)
        fitting = self._fitting(conditions)
        if order is None:
            return sorted(fitting)
        keys = self._column(order.field).keys
        fitting.sort(key=lambda position: _nulls_first(keys[position]), reverse=order.descending)
        return fitting

    def _fitting(self, conditions: tuple[Condition, ...]) -> list[int]:
        """Take the condition that fewest people fit, and look at those one by one for the others."""
        looked_up = [(self._column(condition.field), condition) for condition in conditions]
        ranges = [column.ranges(condition) for column, condition in looked_up]
        fewest = min(range(len(ranges)), key=lambda at: sum(end - begin for begin, end in ranges[at]))
        ordered = looked_up[fewest][0].ordered
        rest = looked_up[:fewest] + looked_up[fewest + 1 :]
        return [
            position
            for begin, end in ranges[fewest]
            for position in ordered[begin:end]
            if all(condition.accepts(column.keys[position]) for column, condition in rest)
        ]

    def _column(self, field: Field) -> _Column:
        column = self._columns.get(field.name)
        if column is None:
            column = self._columns[field.name] = _Column(self.people, field, self._rules)
        return column


def _nulls_first(key: Any) -> tuple[bool, Any]:
    return (key is not None, key)
