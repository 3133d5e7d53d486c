"""Accounts of persons who left: what the mapping's policy does with each, and why not where it does nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moodle_coupling.mapping import LeaverPolicy

if TYPE_CHECKING:
    from moodle_coupling.mapping import Leavers


@dataclass(frozen=True, slots=True)
class Leaver:
    """One orphan: whether a person points at it, whether it is suspended, ours (made or linked by this coupling), and
    whether the source has its person, who is not in scope; ``since`` when it is an orphan (UTC), None: since now.
    """  # noqa: D205

    asked: bool
    suspended: bool
    ours: bool
    explained: bool
    since: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an orphan: ``suspend`` it, or leave it for the reason ``why``.

    ``listed``: a human must judge it. ``for_now``: the policy would suspend it, and a later run may.
    """

    why: str = ""
    listed: bool = False
    for_now: bool = False

    @property
    def suspend(self) -> bool:
        """Whether the mapping's policy suspends it in this plan."""
        return not self.why


def fate_of(leaver: Leaver, leavers: Leavers, now: dt.datetime | None, *, everyone_known: bool) -> Fate:
    """Say what the policy does with one orphan; days of grace are whole days."""
    for holds, why in (
        (leaver.asked, "Nothing is done while the question of a person who points at it is open."),
        (leavers.policy == LeaverPolicy.IGNORE, "The mapping ignores leavers."),
        (leaver.suspended, "It is suspended already."),
    ):
        if holds:
            return Fate(why)
    if leavers.policy == LeaverPolicy.REPORT:
        return Fate("The mapping only reports leavers.", listed=True)
    if not leaver.ours:
        return Fate("It is not suspended: this coupling neither made nor linked it, as far as is known.", listed=True)
    if not (everyone_known or leaver.explained):
        why = "It is not suspended: the source left somebody out in this run, so that it may be that person's."
        return Fate(why, for_now=True)
    return _by_days(leaver, leavers, now)


def _by_days(leaver: Leaver, leavers: Leavers, now: dt.datetime | None) -> Fate:
    if leavers.grace_days == 0:
        return Fate()
    if now is None:
        why = f"since when it is an orphan is not known, and leavers.grace_days is {leavers.grace_days}"
        return Fate(f"It is not suspended: {why}.", for_now=True)
    since = leaver.since or now
    if (now - since).days >= leavers.grace_days:
        return Fate()
    day = since + dt.timedelta(days=leavers.grace_days)
    told = f"It is an orphan since {since:%Y-%m-%d}, and will be suspended on {day:%Y-%m-%d} (UTC)"
    return Fate(f"{told} or at the first full run after that.", for_now=True)
