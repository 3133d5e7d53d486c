"""Custom profile fields of every type: what Moodle stores of a value that is sent, and how it shows what is stored.

No type refuses a value; what does not fit is bent or dropped without a word (recordings 310 to 432).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from moodle_coupling.sandbox.moodle.exceptions import day, format_string, format_text, long_moment
from moodle_coupling.sandbox.moodle.php import is_empty, is_numeric, to_int

DATATYPES = ("text", "textarea", "menu", "checkbox", "datetime", "social")
_SHOWN_WHEN_EMPTY = "checkbox"
_NUMBERS = ("checkbox", "datetime")
_NETWORKS = {"skype": ("Skype ID", '<a href="skype:{}?call">{}</a>')}
_FIRST_YEAR, _LAST_YEAR = 1970, 2038
_LAST_MOMENT = 253_000_000_000  # beyond the bounds of any field


@dataclass(frozen=True)
class ProfileField:
    """A custom profile field. ``visible``: 0 nobody, 1 the user, 2 everyone, 3 the user and teachers.

    ``maxlength`` is of a text, ``options`` are of a menu, ``with_time``, ``startyear`` and ``endyear`` of a datetime.
    ``defaultdata`` is what an account without a stored value shows; None takes the type's own.
    """

    shortname: str
    name: str = ""
    required: bool = False
    visible: int = 2
    maxlength: int = 2048
    datatype: str = "text"
    locked: bool = False
    forceunique: bool = False
    defaultdata: str | None = None
    options: tuple[str, ...] = ()
    with_time: bool = False
    startyear: int = _FIRST_YEAR
    endyear: int = _LAST_YEAR
    network: str = "skype"

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise ValueError(f"there is no type {self.datatype!r} of profile field; there are {', '.join(DATATYPES)}")
        if self.network not in _NETWORKS:
            raise ValueError(f"the network of a social field is one of {', '.join(_NETWORKS)}")

    def title(self) -> str:
        """Return the field's name as people see it; a social field's is its network's."""
        if self.datatype == "social":
            return _NETWORKS[self.network][0]
        return self.name or self.shortname

    def default(self) -> str:
        """Return what an account without a stored value has."""
        if self.defaultdata is not None:
            return self.defaultdata
        return "0" if self.datatype in _NUMBERS else ""

    def stored(self, value: str, timezone: str) -> str:
        """Return what is kept of a value that was sent; dates are midnight in the site's ``timezone``."""
        if self.datatype == "text":
            return value[: self.maxlength]
        if self.datatype == "menu":
            return value if value in ("", *self.options) else self.default()
        if self.datatype == "datetime":
            return str(self._moment(value, timezone))
        return value

    def is_shown(self, value: str) -> bool:
        """Return whether an account with this value has the field in an answer at all."""
        if self.datatype == "datetime":
            return not is_empty(value)
        return self.datatype == _SHOWN_WHEN_EMPTY or value != ""

    def display(self, value: str, timezone: str) -> str:
        """Return a value as people see it."""
        if self.datatype == "textarea":
            return format_text(value)
        if self.datatype == "checkbox":
            return "No" if is_empty(value) else "Yes"
        if self.datatype == "social":
            return _NETWORKS[self.network][1].format(quote(value, safe=""), value)
        if self.datatype == "datetime":
            if is_empty(value):
                return "Not set"
            return (long_moment if self.with_time else day)(to_int(value), timezone)
        return format_string(value)

    def _moment(self, sent: str, timezone: str) -> int:
        """Return Moodle's reading of a date: a timestamp, or numbers between hyphens; what is no number is a nought."""
        if is_empty(sent):
            return 0
        zone = ZoneInfo(timezone)
        parts = sent.split("-")
        if is_numeric(sent):
            seconds = min(max(to_int(sent), 0), _LAST_MOMENT)
            parts = datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime("%Y-%m-%d-%H-%M-%S").split("-")
        numbers = [_bounded(parts[0], self.startyear, self.endyear), *map(to_int, parts[1:])]
        numbers += [0] * (3 - len(numbers))
        with_time = self.with_time and len(numbers) == 6
        return _timestamp(zone, *numbers[:3], *(numbers[3:] if with_time else ()))


def _bounded(year: str, first: int, last: int) -> int:
    """Return the year within its bounds as PHP compares: a word as text, so that it counts as later than any number."""
    later = max(to_int(year), first) if is_numeric(year) else _greater(year, str(first))
    if isinstance(later, int):
        return min(later, last)
    return last if later > str(last) else to_int(later)


def _greater(one: str, other: str) -> str | int:
    return one if one > other else to_int(other)


def _timestamp(zone: ZoneInfo, year: int, month: int, day_of_month: int, *time_of_day: int) -> int:
    """Return PHP's ``setDate`` and ``setTime``: months, days and hours beyond their range run on."""
    hours, minutes, seconds = time_of_day or (0, 0, 0)
    days = _days_before(year, month) + day_of_month - 1
    wall_clock = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    try:
        return int((datetime(1970, 1, 1, tzinfo=zone) + timedelta(seconds=wall_clock)).timestamp())
    except OverflowError:
        return wall_clock


def _days_before(year: int, month: int) -> int:
    """Return the days from 1970 to the first of a month, of any year: every 400 years the calendar is the same."""
    years, months = divmod(year * 12 + month - 1, 12)
    centuries, rest = divmod(years, 400)
    return date(rest + 400, months + 1, 1).toordinal() + (centuries - 1) * 146_097 - date(1970, 1, 1).toordinal()


def profile_fields(value: Any) -> list[ProfileField]:
    """Return the fields that a list, its JSON text or a list of shortnames by comma describes."""
    items = value
    if isinstance(value, str):
        items = json.loads(value) if value.lstrip().startswith("[") else [v for v in value.split(",") if v]
    return [_profile_field(item) for item in items]


def _profile_field(item: Any) -> ProfileField:
    if isinstance(item, ProfileField):
        return item
    if isinstance(item, dict):
        return ProfileField(**{**item, "options": tuple(item.get("options", ()))})
    return ProfileField(item)
