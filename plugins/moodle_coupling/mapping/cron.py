"""Cron expressions of a mapping file, checked without Airflow and in the dialect that Airflow reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.words.sentence import Sentence

PRESETS: Final = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Names that Airflow turns into cron expressions (airflow.utils.dates, 3.3)."""

_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM: Final = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d{1,2}))?")
_NTH_WEEKDAY: Final = re.compile(r"(?P<day>\w+)#[1-5]")


@dataclass(frozen=True, slots=True)
class _Field:
    name: Sentence
    least: int
    most: int
    names: tuple[str, ...] = field(default=())

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.least
        if not re.fullmatch(r"[0-9]{1,2}", text) or not self.least <= int(text) <= self.most:
            hint = did_you_mean(text, self.names) if self.names else ""
            raise ValueError(
                Sentence(
                    "mapping.cron.between", field=self.name, item=text, least=self.least, most=self.most, hint=hint
                )
            )
        return int(text)

    def values(self, text: str) -> set[int]:
        """Give the numbers a field stands for; a ValueError says what is wrong with it."""
        return {number for item in text.split(",") for number in self._item(item)}

    def _item(self, item: str) -> range:
        parts = _ITEM.fullmatch(item)
        if parts is None:
            raise ValueError(Sentence("mapping.cron.not_understood", field=self.name, item=item))
        first = self.least if parts["first"] == "*" else self.number(parts["first"])
        step = int(parts["step"] or 1)
        if step == 0 or (parts["first"] == "*" and parts["last"]):
            raise ValueError(Sentence("mapping.cron.not_understood", field=self.name, item=item))
        if parts["last"]:
            last = self.number(parts["last"])
        else:
            last = self.most if parts["first"] == "*" or parts["step"] else first
        if last < first:
            raise ValueError(
                Sentence(
                    "mapping.cron.backwards",
                    field=self.name,
                    item=item,
                    first=first,
                    most=self.most,
                    least=self.least,
                    last=last,
                )
            )
        return range(first, last + 1, step)


_MINUTE: Final = _Field(Sentence("mapping.cron.minute"), 0, 59)
_HOUR: Final = _Field(Sentence("mapping.cron.hour"), 0, 23)
_DAY: Final = _Field(Sentence("mapping.cron.day"), 1, 31)
_MONTH: Final = _Field(
    Sentence("mapping.cron.month"),
    1,
    12,
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAY: Final = _Field(Sentence("mapping.cron.weekday"), 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))


def cron_problem(expression: str) -> Sentence | None:
    """Say what is wrong with a cron expression or preset; None when Airflow can run by it.

    A date that never comes (30 February) is wrong too: Airflow would look for it in vain.
    """
    text = expression.strip()
    if text.startswith("@"):
        if text in PRESETS:
            return None
        presets = ", ".join(PRESETS)
        return Sentence("mapping.cron.preset", text=text, presets=presets, hint=did_you_mean(text, PRESETS))
    parts = text.split()
    if len(parts) != 5:
        return Sentence("mapping.cron.fields", text=text, n=len(parts))
    minute, hour, day, month, weekday = parts
    try:
        _MINUTE.values(minute)
        _HOUR.values(hour)
        days = _DAY.values(day)
        months = _MONTH.values(month)
        every_weekday = _is_every_weekday(weekday)
    except ValueError as error:
        return Sentence("mapping.cron.wrong", text=text, said=error.args[0])
    # With weekdays given, cron runs on those days or on that date; so the date need not exist.
    if every_weekday and not any(number <= _LONGEST_MONTHS[each - 1] for each in months for number in days):
        return Sentence("mapping.cron.never", text=text)
    return None


def _is_every_weekday(text: str) -> bool:
    nth = _NTH_WEEKDAY.fullmatch(text)
    if nth:
        _WEEKDAY.number(nth["day"])
        return False
    return {number % 7 for number in _WEEKDAY.values(text)} == set(range(7))
