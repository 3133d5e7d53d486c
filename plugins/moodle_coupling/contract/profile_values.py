"""A profile field's value as Moodle must get it, by the field's type: dates, options of a menu, ticks."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final, Protocol

from moodle_coupling.contract.flags import read_flag
from moodle_coupling.contract.profile_types import FIRST_YEAR, LAST_YEAR, ProfileType, date_sent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


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
