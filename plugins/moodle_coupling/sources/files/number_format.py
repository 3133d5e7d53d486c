"""Numbers of a spreadsheet as their format shows them: leading zeros, prefixes and dashes of ids, dates and times."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from openpyxl.styles.numbers import is_date_format, is_timedelta_format
from openpyxl.utils.datetime import from_excel

_SAID: Final = 10**15
"""A spreadsheet keeps 15 digits of a number: from here on the last ones are not what was typed."""
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<symbol>[^\]-]*)(?:-[^\]]*)?\]|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<digit>[0#?])|(?P<other>.)",
    re.DOTALL,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)(-?[0-9.]+)")
_LITERAL: Final = frozenset(" -+()':/!^&~{}<>=$€£")
_HOLDS: Final = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
    "<>": lambda value, limit: value != limit,
}

_LONGEST: Final = 255
"""Characters of a number format, by Excel's own limit; a longer one would take time that grows with its square."""


def shown(value: float, number_format: str, epoch: dt.datetime) -> str:
    """Return a number as a person sees it, where its format says more than how it looks; else its plain digits.

    Zeros in front, prefixes and dashes are part of an id and stay; thousands separators, currencies with decimals and percentages
    are looks and go. Dates are ``2024-05-01``, with a time ``2024-05-01T09:30:00``. A number with more than 15 digits ends in
    ``.0`` or holds an exponent, which shows that digits are lost. A format longer than Excel's own (255 characters) says nothing.
    """
    if len(number_format) > _LONGEST:
        number_format = "General"
    if is_date(number_format):
        moment = _moment(value, number_format, epoch)
        if moment is not None:
            return moment
    if value != int(value) if abs(value) < _SAID else True:
        return repr(float(value))
    digits = int(value)
    if digits < 0:
        return str(digits)
    parts = _parts(number_format, digits)
    return _filled(parts, str(digits)) if parts else str(digits)


@lru_cache(maxsize=2_000)
def is_date(number_format: str) -> bool:
    """Return whether a number format makes a date or a time of a number."""
    return bool(is_date_format(number_format))


def _moment(value: float, number_format: str, epoch: dt.datetime) -> str | None:
    try:
        moment = from_excel(value, epoch, timedelta=is_timedelta_format(number_format))
    except (ValueError, OverflowError):
        return None
    if isinstance(moment, dt.datetime):
        return moment.isoformat() if moment.time() != dt.time() else moment.date().isoformat()
    return moment.isoformat() if isinstance(moment, dt.time) else str(moment)


@lru_cache(maxsize=2_000)
def _sections(number_format: str) -> tuple[tuple[tuple[str, float] | None, tuple[str, ...] | None], ...]:
    """Return each section's condition, and its parts ('0', '#', '?' and literals as '=text'); None for other formats."""
    return tuple(_section(text) for text in re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format))


def _section(text: str) -> tuple[tuple[str, float] | None, tuple[str, ...] | None]:
    condition: tuple[str, float] | None = None
    parts: list[str] = []
    for found in _TOKEN.finditer(text):
        if found["digit"]:
            parts.append(found["digit"])
        elif found["bracket"] is not None:
            if said := _CONDITION.fullmatch(found["bracket"]):
                condition = (said[1], float(said[2]))
        elif found["other"] is not None:
            if found["other"] not in _LITERAL:
                return condition, None
            parts.append("=" + found["other"])
        else:
            literal = found["quoted"] or found["escaped"] or found["symbol"]
            parts += ["=" + literal] if literal else []
    return condition, tuple(parts) if "0" in parts or "#" in parts else None


def _parts(number_format: str, value: int) -> tuple[str, ...] | None:
    """Return the parts of the section that Excel takes for a whole number of 0 or more."""
    sections = _sections(number_format)
    for condition, parts in sections:
        if condition and _HOLDS[condition[0]](value, condition[1]):
            return parts
    free = [parts for condition, parts in sections if condition is None]
    if not value and len(sections) > 2 and not any(condition for condition, _ in sections):
        return sections[2][1]
    return free[0] if free else None


def _filled(parts: tuple[str, ...], digits: str) -> str:
    """Return the digits in their places, from the right; what does not fit stands before the first place."""
    places = sum(len(part) == 1 for part in parts)
    padded, first, made = digits.rjust(places), True, ""
    over = len(padded) - places
    if digits == "0" and "0" not in parts:
        padded = " " * len(padded)
    at = 0
    for part in parts:
        if len(part) > 1:
            made += part[1:]
            continue
        piece = padded[: over + 1] if first else padded[at + over]
        made += piece.strip() or ("0" if part == "0" else "")
        first, at = False, at + 1
    return made.strip()
