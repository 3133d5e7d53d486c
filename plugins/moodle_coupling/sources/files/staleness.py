"""Yesterday's file: noticed by its content, and by when it was written."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.files.places import Taken

_CLOCKS_DIFFER: Final = dt.timedelta(days=1)


def age_problem(taken: Taken, settings: FileSource, seen: dt.datetime | None, now: dt.datetime) -> str:
    """Say why a file is old, '' when it is not.

    ``seen`` is when a good run first saw this very content, None when none did. A file that was put there again with
    the same content is therefore as old as its content.
    """
    if seen is not None and settings.max_age_hours == 0:
        return _sentence(taken, f"its content is that of the last good run, first seen at {_shown(seen)}")
    if taken.modified is not None and taken.modified - now > _CLOCKS_DIFFER:
        return (
            f"{taken.where} is dated {_shown(taken.modified)}, which is later than now: how old it is cannot be told, and "
            "source.newest_by 'modified' takes it for the newest as long as it is there. Look at the clock of whoever wrote it, "
            "and write it anew."
        )
    limit = dt.timedelta(hours=settings.max_age_hours)
    if not limit:
        return ""
    told = f"source.max_age_hours is {settings.max_age_hours}"
    if taken.modified is not None and now - taken.modified > limit:
        return _sentence(
            taken, f"it was written at {_shown(taken.modified)} ({_hours(now - taken.modified)} ago; {told})"
        )
    if seen is not None and now - seen > limit:
        return _sentence(taken, f"its content has not changed since {_shown(seen)} ({_hours(now - seen)} ago; {told})")
    return ""


def _sentence(taken: Taken, why: str) -> str:
    return (
        f"{taken.where} is old: {why}. See whether the export that writes it has run. source.stale in the mapping file says "
        "what is done with an old file (warn, refuse, allow)."
    )


def _shown(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hours(passed: dt.timedelta) -> str:
    return f"{int(passed.total_seconds() // 3600)} hours"
