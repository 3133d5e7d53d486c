"""What part of a list is asked for: days on which rows changed, or some ids; and how a part is cut into smaller ones."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from moodle_coupling.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CHANGED: Final = "audittrail.gewijzigddatumtijd"
EARLIEST: Final = dt.date(1900, 1, 1)
_DAY: Final = dt.timedelta(days=1)
_LONGEST_FILTER: Final = 1500
"""Characters of an encoded filter: web servers take addresses of 2,048 characters or more."""


@dataclass(frozen=True, slots=True)
class Window:
    """The rows created or changed on the days from ``first`` up to, not including, ``until``."""

    first: dt.date
    until: dt.date

    @property
    def where(self) -> str:
        """The filter, as Coachview writes days."""
        return f"{CHANGED}={self.first:%d-%m-%Y},{self.until:%d-%m-%Y}"

    @property
    def is_divisible(self) -> bool:
        """Whether it can be cut: time of day in a filter is not known to work, so a day is the least."""
        return (self.until - self.first).days > 1

    def cut(self, parts: int) -> list[Window]:
        """Cut into at most so many windows that lie end to end, the earliest first."""
        days = (self.until - self.first).days
        parts = max(1, min(parts, days))
        edges = [self.first + dt.timedelta(days=days * part // parts) for part in range(parts + 1)]
        return [Window(first, until) for first, until in itertools.pairwise(edges)]

    def __str__(self) -> str:
        return f"changed from {self.first} to {self.until - _DAY}"


@dataclass(frozen=True, slots=True)
class Everything:
    """All rows, without a filter; cut into what is older than ``first_day`` and windows from there up to ``until``."""

    first_day: dt.date
    until: dt.date
    by_windows: bool = True

    @property
    def where(self) -> str:
        """No filter."""
        return ""

    @property
    def is_divisible(self) -> bool:
        """Whether it may be read by windows."""
        return self.by_windows

    def cut(self, parts: int) -> list[Window]:
        """Give the window of all that is old, and at most so many windows after it."""
        first = min(self.first_day, self.until - _DAY)
        return [Window(EARLIEST, first), *Window(first, self.until).cut(parts)]

    def __str__(self) -> str:
        return "everyone"


@dataclass(frozen=True, slots=True)
class Ids:
    """The rows whose ``key`` is one of these values, letter case aside."""

    key: str
    values: tuple[str, ...]

    @property
    def where(self) -> str:
        """The filter: a list of values means one of them."""
        return f"{self.key}={','.join(self.values)}"

    @property
    def is_divisible(self) -> bool:
        """Whether there is more than one."""
        return len(self.values) > 1

    def cut(self, parts: int) -> list[Ids]:
        """Cut into at most so many shorter lists."""
        size = max(1, -(-len(self.values) // max(1, parts)))
        return [Ids(self.key, self.values[at : at + size]) for at in range(0, len(self.values), size)]

    def __str__(self) -> str:
        return f"{len(self.values)} by {self.key}"


Part = Window | Everything | Ids


def impossible() -> Window:
    """Give a window in which no row can have changed: whoever gets rows for it is not obeyed."""
    return Window(EARLIEST, EARLIEST + _DAY)


def widened(first: dt.date, last: dt.date) -> Window:
    """Give the window that surely holds the days from ``first`` to ``last``, both included.

    Whether the ends of a period belong to it is not known, nor whose midnight counts: a day more on either side.
    """
    if last < first:
        msg = f"The last day of a period ({last}) must not be before its first ({first})."
        raise InputError(msg)
    return Window(first - _DAY, last + 2 * _DAY)


def lists_of_ids(key: str, values: Collection[str], most: int) -> Iterator[Ids]:
    """Give lists of at most ``most`` ids that fit one address. Raises InputError for an id that a filter cannot hold."""
    now: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        if not re.fullmatch(r"[^,;<>=%&\x00-\x20\x7f](?:[^,;<>=%&\x00-\x1f\x7f]{0,98}[^,;<>=%&\x00-\x20\x7f])?", value):
            msg = f"Coachview cannot be asked for {key} {value!r}: no comma, semicolon or other sign of a filter fits in it."
            raise InputError(msg)
        size = len(quote(value, safe="")) + 3
        if now and (len(now) >= most or length + size > _LONGEST_FILTER):
            yield Ids(key, tuple(now))
            now, length = [], 0
        now.append(value)
        length += size
    if now:
        yield Ids(key, tuple(now))
