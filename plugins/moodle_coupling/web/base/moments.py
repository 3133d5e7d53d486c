"""How long ago, how long and how fast, in words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts

_PAST: Final = (
    (86400, say("{n} day ago"), say("{n} days ago")),
    (3600, say("{n} hour ago"), say("{n} hours ago")),
    (60, say("{n} minute ago"), say("{n} minutes ago")),
)
_FUTURE: Final = (
    (86400, say("in {n} day"), say("in {n} days")),
    (3600, say("in {n} hour"), say("in {n} hours")),
    (60, say("in {n} minute"), say("in {n} minutes")),
)
_MINUTE, _HOUR = 60, 3600


def since(at: dt.datetime, now: dt.datetime, texts: Texts) -> str:
    """Say how long ago ``at`` was, or how long it is until then, in whole days, hours or minutes."""
    seconds = (now - at).total_seconds()
    for size, one, many in _FUTURE if seconds < 0 else _PAST:
        if abs(seconds) >= size:
            return texts.plural(one, many, int(abs(seconds) // size))
    return texts("just now") if seconds >= 0 else texts("any moment")


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
