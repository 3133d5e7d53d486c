"""How long ago, in words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    from moodle_coupling.words.catalogue import Texts

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


def since(at: dt.datetime, now: dt.datetime, texts: Texts) -> str:
    """Say how long ago ``at`` was, or how long it is until then, in whole days, hours or minutes."""
    seconds = (now - at).total_seconds()
    for size, one, many in _FUTURE if seconds < 0 else _PAST:
        if abs(seconds) >= size:
            return texts.plural(one, many, int(abs(seconds) // size))
    return texts("just now") if seconds >= 0 else texts("any moment")
