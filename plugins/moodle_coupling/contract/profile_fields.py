"""Profile fields by their type: what each type takes, and how its values are written."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from moodle_coupling.contract.columns import read_flag

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class ProfileType(StrEnum):
    """A profile field's type, as ``core_user_get_users_by_field`` names it."""

    TEXT = "text"
    TEXTAREA = "textarea"
    SOCIAL = "social"
    MENU = "menu"
    CHECKBOX = "checkbox"
    DATETIME = "datetime"


_TEXTS: Final = frozenset({ProfileType.TEXT, ProfileType.TEXTAREA, ProfileType.SOCIAL})
"""Types that keep a text as it was sent."""


def contradicts(said: str, shown: str) -> bool:
    """Tell whether the type that a mapping says cannot be the one that the site shows; '' is not known."""
    return bool(said and shown) and said != shown and not {said, shown} <= _TEXTS


FIRST_YEAR, LAST_YEAR = 1900, 2050
"""The widest bounds that Moodle's form gives a date field; a year outside a field's own bounds is moved to the bound."""

_DAY: Final = 86_400
_QUARTER: Final = 900
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:-\d{2}-\d{2}-\d{2})?")
_STAMP: Final = re.compile(r"-?\d{1,11}")


def date_sent(moment: dt.datetime, *, with_time: bool) -> str:
    """Give a moment as a date field takes it: YYYY-MM-DD, or YYYY-MM-DD-HH-MM-SS (with less the time is dropped)."""
    return moment.strftime("%Y-%m-%d-%H-%M-%S" if with_time else "%Y-%m-%d")


def date_stored(stored: str, zone: str = "") -> str:
    """Give a stored timestamp as a date is sent; a text that is no timestamp as it is, 0 (no date) as ''.

    Moodle stores midnight in the site's time zone. ``zone`` is that zone; without one the nearest midnight is meant, which is right
    from less than twelve hours west to twelve hours east of Greenwich.
    """
    if not _STAMP.fullmatch(stored):
        return stored
    if int(stored) == 0:
        return ""
    if zone:
        moment = dt.datetime.fromtimestamp(int(stored), zoneinfo.ZoneInfo(zone))
        return date_sent(moment, with_time=moment.time() != dt.time())
    days = (int(stored) + _DAY // 2) // _DAY
    return (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()


def is_that_date(stored: str, sent: str) -> bool:
    """Tell whether a stored timestamp can be the moment that was sent, in whatever time zone the site is."""
    if not _MOMENT.fullmatch(sent) or not _STAMP.fullmatch(stored):
        return False
    try:
        moment = dt.datetime.strptime(sent, "%Y-%m-%d-%H-%M-%S" if len(sent) > 10 else "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        return False
    away = int(stored) - int(moment.replace(tzinfo=dt.UTC).timestamp())
    return -14 * 3600 <= away <= 12 * 3600 and away % _QUARTER == 0


def is_kept(type_: str, stored: str, sent: str) -> bool:
    """Tell whether Moodle holds what was sent to a profile field, as it stores values of that type."""
    if type_ == ProfileType.DATETIME:
        return is_that_date(stored, sent) if sent else stored in ("", "0")
    if type_ == ProfileType.CHECKBOX:
        return (stored or "0") == (sent or "0")
    return stored.strip() == sent.strip()


class DateSetting(Protocol):
    """What a mapping says of a date field."""

    @property
    def date_format(self) -> str | None:
        """How the source writes dates, as strptime has it; None for ISO."""

    @property
    def years(self) -> Sequence[int] | None:
        """The first and last year that the field takes; None for the widest."""

    @property
    def with_time(self) -> bool:
        """Whether the field holds a time too."""


NO_FLAG: Final = "profile_field_no_flag"
NO_OPTION: Final = "profile_field_no_option"
NO_DATE: Final = "profile_field_no_date"
YEAR_OUTSIDE: Final = "profile_field_year"

_ISO: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")
"""2024-05-01, also as databases and spreadsheets write a date: with midnight behind it."""


def to_moodle(text: str, type_: str, setting: DateSetting, options: Collection[str] = ()) -> tuple[str, str]:
    """Give the value to send for a text of the source, and the code of the rule that it breaks ('' when it breaks none).

    ``options`` are those of a menu that are known. A tick that is not said is no tick.
    """
    if type_ == ProfileType.CHECKBOX:
        flag = read_flag(text)
        return ("", NO_FLAG) if flag is None else ("1" if flag else "0", "")
    if not text:
        return "", ""
    if type_ == ProfileType.MENU:
        return (text, "") if text in options else ("", NO_OPTION)
    if type_ == ProfileType.DATETIME:
        return _date(text, setting)
    return text, ""


def near_option(text: str, options: Collection[str]) -> str:
    """Give the option that a text is but for letter case and spaces, '' when there is none."""
    return next((option for option in sorted(options) if _loose(option) == _loose(text)), "")


def _loose(text: str) -> str:
    return "".join(text.casefold().split())


def _date(text: str, setting: DateSetting) -> tuple[str, str]:
    moment = _moment(text, setting.date_format)
    if moment is None:
        return "", NO_DATE
    first, last = setting.years or (FIRST_YEAR, LAST_YEAR)
    if not first <= moment.year <= last:
        return "", YEAR_OUTSIDE
    return date_sent(moment, with_time=setting.with_time), ""


def _moment(text: str, date_format: str | None) -> dt.datetime | None:
    if date_format is None:
        iso = _ISO.fullmatch(text)
        if iso is None:
            return None
        text, date_format = iso[1], "%Y-%m-%d"
    try:
        return dt.datetime.strptime(text, date_format)  # noqa: DTZ007  # Moodle reads it in the site's time zone
    except ValueError:
        return None
