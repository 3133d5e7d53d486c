"""How far a reading of Coachview came, kept from one try of a run to the next: a day's requests may not do for everyone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.hooks.coachview.rows import CoachviewPerson

if TYPE_CHECKING:
    from moodle_coupling.provisioning.snapshot.checkpoint import Keeper

KEPT_FOR: Final = dt.timedelta(days=3)
"""Progress older than this counts no more: who was deleted since would be in it."""


@dataclass(slots=True)
class Progress:
    """Persons by Coachview's ``id``, in the order they came, and the categories that were read.

    ``day`` is when the reading began; ``until`` the day up to which, not included, everyone is in; None when that cannot be said.
    """

    day: dt.date
    until: dt.date | None = None
    persons: dict[str, CoachviewPerson] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)


def begun(keep: Keeper | None, name: str, today: dt.date) -> Progress:
    """Give the progress that an earlier try kept, or none yet."""
    if keep is not None and keep.has(name) and len(frame := keep.get(name)):
        day = dt.date.fromisoformat(frame["day"].iloc[0])
        if today - day <= KEPT_FOR:
            persons = {one.id: one for one in (CoachviewPerson(**json.loads(text)) for text in frame["person"])}
            categories = {
                id_: tuple(json.loads(text)) for id_, text in zip(persons, frame["categories"], strict=True) if text
            }
            return Progress(day, dt.date.fromisoformat(frame["until"].iloc[0]), persons, categories)
    return Progress(today)


def put_by(keep: Keeper | None, name: str, now: Progress) -> None:
    """Keep how far a reading came, for the next try."""
    if keep is None or now.until is None or not now.persons:
        return
    rows = [
        {
            "day": now.day.isoformat(),
            "until": now.until.isoformat(),
            "person": json.dumps(dataclasses.asdict(one)),
            "categories": json.dumps(now.categories[id_]) if id_ in now.categories else "",
        }
        for id_, one in now.persons.items()
    ]
    keep.put(name, pd.DataFrame(rows))


def finish(keep: Keeper | None, name: str) -> None:
    """Forget the progress of a reading that is whole: the same run, started anew, reads anew."""
    if keep is not None and keep.has(name):
        keep.put(name, pd.DataFrame({"day": pd.Series(dtype="str")}))
