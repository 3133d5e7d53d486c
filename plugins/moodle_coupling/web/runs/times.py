"""Durations and rates in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moodle_coupling.words.catalogue import Texts

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float, texts: Texts) -> str:
    """Write a duration in the two units that matter: '4 s', '3 min 20 s', '2 h 5 min'."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return texts("{seconds} s", seconds=whole)
    if whole < _HOUR:
        return texts("{minutes} min {seconds} s", minutes=whole // _MINUTE, seconds=whole % _MINUTE)
    return texts("{hours} h {minutes} min", hours=texts.number(whole // _HOUR), minutes=whole % _HOUR // _MINUTE)


def rate(per_second: float, texts: Texts) -> str:
    """Write how many a second, or a minute where it is less than one a second."""
    if per_second >= 1:
        return texts("{n} a second", n=texts.number(per_second))
    return texts("{n} a minute", n=texts.number(max(1, per_second * _MINUTE)))
