"""The ``where`` and ``orderby`` of a request, read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moodle_coupling.sandbox.coachview.fields import Field, Kind, Rules, field_named
from moodle_coupling.sandbox.coachview.refusals import bad_request

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


def read_where(where: str, rules: Rules) -> tuple[Condition, ...]:
    """Return the conditions of a filter on persons, all of which must hold. Raises :class:`Refusal`."""
    return tuple(_condition(*raw, rules) for raw in raw_conditions(where))


def _condition(name: str, sign: str, values: list[str], rules: Rules) -> Condition:
    field = field_named(name)
    keys = tuple(rules.wanted(field, value) for value in values)
    operator = Operator(sign)
    if operator is Operator.ONE_OF and field.kind is Kind.MOMENT and len(keys) > 1:
        if len(keys) > 2:
            raise bad_request(f"A period of {field.name} has a begin and an end, not {len(keys)} values.")
        return Condition(field, Operator.PERIOD, keys, rules.period_includes_end)
    if operator is not Operator.ONE_OF and len(keys) > 1:
        raise bad_request(f"'{sign}' takes one value, not {len(keys)}.")
    return Condition(field, operator, keys)


def read_order(orderby: str) -> Order | None:
    """Return the order asked for, None where none was. Raises :class:`Refusal`."""
    if not orderby.strip():
        return None
    match = _ORDER.fullmatch(orderby)
    if match is None:
        raise bad_request(f"The order '{orderby}' cannot be read: a field, then asc or desc.")
    return Order(field_named(match[1]), (match[2] or "").lower() == "desc")
