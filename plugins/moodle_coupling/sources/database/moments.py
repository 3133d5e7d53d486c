"""When rows changed, by a column of a database: the latest moment that has come, and what is dated later than now.

A watermark beyond now would hide every change until then. So a value counts only once its moment has come, by our clock or by
the database's; a value that is no moment (a row version, a text that only sorts) always counts.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READ: Final[dict[str, Callable[[str], Any]]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "int": int,
    "Decimal": decimal.Decimal,
    "str": str,
}
"""Kinds of value, by the name of their Python type, and how they are read back from a watermark."""

_SKEW: Final = dt.timedelta(minutes=15)
"""Two clocks may differ so much before a row counts as dated later than now."""
_EASTERNMOST: Final = dt.timedelta(hours=14)
"""Without a time zone a moment may be that much later than UTC's, and be now."""
SET_BACK: Final = dt.timedelta(hours=2)
"""A clock without a time zone is set back by an hour in autumn; two, where summer time was two."""
_TEXT: Final = re.compile(
    r"(?P<day>[12]\d{3}-[01]\d-[0-3]\d|[12]\d{3}[01]\d[0-3]\d(?!\d{7}))"
    r"(?:[T ]?(?P<time>\d\d:?\d\d(?::?\d\d)?)(?:[.,]\d+)?\s*(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?\Z"
)
_SAMPLE: Final = 200
_FIRST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _by_digits(form: str, digits: int) -> Callable[[int], dt.datetime | None]:
    def read(number: int) -> dt.datetime | None:
        if len(str(number)) != digits:  # strptime takes a month or day of one digit too
            return None
        try:
            return dt.datetime.strptime(str(number), form)  # noqa: DTZ007  # the zone is not known
        except ValueError:
            return None

    return read


def _by_seconds(parts: int) -> Callable[[int], dt.datetime | None]:
    def read(number: int) -> dt.datetime | None:
        try:
            return dt.datetime.fromtimestamp(number / parts, dt.UTC)
        except (ValueError, OverflowError, OSError):
            return None

    return read


_UNITS: Final[tuple[Callable[[int], dt.datetime | None], ...]] = (
    _by_digits("%Y%m%d", 8),
    _by_digits("%Y%m%d%H%M%S", 14),
    _by_seconds(1),
    _by_seconds(1_000),
    _by_seconds(1_000_000),
)
"""What a number can be: a day or second written in digits, or seconds, thousandths or millionths since 1970."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When a reading began: ``now`` by us, in UTC, and ``there`` by the database, None where it does not say."""

    now: dt.datetime
    there: dt.datetime | None = None

    def lateness(self, moment: dt.datetime | dt.date) -> dt.timedelta:
        """Tell how much later than now a moment is; nothing or less when it has come. Days count from their beginning."""
        return min(_aware(moment) - limit for limit in self._limits(moment))

    def is_far(self, moment: dt.datetime | dt.date) -> bool:
        """Tell whether a moment is later than now in every time zone it may be meant in, and by more than clocks differ."""
        zoned = isinstance(moment, dt.datetime) and moment.tzinfo is not None
        return self.lateness(moment) > (_SKEW if zoned else _SKEW + _EASTERNMOST)

    def _limits(self, moment: dt.datetime | dt.date) -> list[dt.datetime]:
        if self.there is None:
            return [self.now]
        zoned = isinstance(moment, dt.datetime) and moment.tzinfo is not None
        return [
            self.now,
            self.there.astimezone(dt.UTC) if zoned and self.there.tzinfo else _aware_as_it_stands(self.there),
        ]


def _aware(moment: dt.datetime | dt.date) -> dt.datetime:
    """Give a moment in UTC; a day is its beginning, and what has no time zone is taken as it stands."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _aware_as_it_stands(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


@dataclass
class Moments:
    """The values of one reading's column of changes.

    ``latest`` is the greatest whose moment has come, None without any; ``furthest`` the greatest that is dated later than now
    beyond doubt, of ``ahead`` rows. ``last`` is the value of the last watermark, None without one.
    """

    clock: Clock
    last: Any = None
    latest: Any = None
    furthest: Any = None
    ahead: int = 0
    _unit: Callable[[int], dt.datetime | None] | None = field(default=None, init=False)
    _learned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.last is not None:
            self._learn([self.last])

    @property
    def last_has_come(self) -> bool:
        """Whether the last watermark is not later than now; one that is was made of a row dated wrongly."""
        return self.last is None or self._late(self.last) <= dt.timedelta()

    @property
    def last_was_set_back(self) -> bool:
        """Whether the last watermark is later than now by no more than a clock without a time zone is set back."""
        return isinstance(self.last, dt.datetime) and self.last.tzinfo is None and self._late(self.last) <= SET_BACK

    def note(self, values: Sequence[Any]) -> None:
        """Take values in; raises TypeError when they cannot be compared."""
        self._learn(values)
        self._learned = True
        newest = max(values)
        if self._late(newest) > dt.timedelta():
            late = [value for value in values if self._late(value) > dt.timedelta()]
            far = [value for value in late if (moment := self.moment(value)) and self.clock.is_far(moment)]
            self.ahead += len(far)
            self.furthest = max([*far, *self._known(self.furthest)], default=None)
            values = [value for value in values if self._late(value) <= dt.timedelta()]
        self.latest = max([*values, *self._known(self.latest)], default=None)

    def moment(self, value: Any) -> dt.datetime | dt.date | None:
        """Give the moment that a value means; None when it means none that is known."""
        if isinstance(value, dt.date):
            return value
        if isinstance(value, str):
            return _in_text(value)
        return self._unit(int(value)) if self._unit is not None else None

    def _late(self, value: Any) -> dt.timedelta:
        moment = self.moment(value)
        return dt.timedelta() if moment is None else self.clock.lateness(moment)

    def _learn(self, values: Sequence[Any]) -> None:
        """Find out, once, what numbers mean: a time, when most of them are moments from 2000 until now."""
        sample = values[:_SAMPLE]
        if self._learned or not all(isinstance(value, int | decimal.Decimal) for value in sample):
            return
        for unit in _UNITS:
            moments = [moment for value in sample if (moment := unit(int(value))) is not None and self._is_past(moment)]
            if 2 * len(moments) > len(sample):
                self._unit = unit
                return

    def _is_past(self, moment: dt.datetime) -> bool:
        return _aware(moment) >= _FIRST and self.clock.lateness(moment) <= dt.timedelta()

    @staticmethod
    def _known(value: Any) -> list[Any]:
        return [] if value is None else [value]


def _in_text(text: str) -> dt.datetime | dt.date | None:
    found = _TEXT.match(text.strip())
    if found is None:
        return None
    try:
        if not found["time"]:
            return dt.date.fromisoformat(found["day"])
        return dt.datetime.fromisoformat(f"{found['day']}T{found['time']}{found['zone'] or ''}")
    except ValueError:
        return None
