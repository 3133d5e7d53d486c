"""What was done lately in an environment, as its page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.web.base.access import MASK
from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    import datetime as dt

    from moodle_coupling.ledger.activity import Activity
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.words.catalogue import Texts

LIMIT: Final = 30
ACTIONS: Final = {
    "pause": say("paused"),
    "resume": say("resumed"),
    "check": say("tested the connection"),
    "dry run": say("asked for a dry run"),
    "reconcile": say("asked for a reconciliation"),
    "lift quarantine": say("lifted the quarantine"),
    "decide": say("decided on mismatches"),
    "protect": say("protected"),
    "unprotect": say("took a protection off"),
    "apply": say("asked for a run of what was decided"),
    "export": say("exported mismatches"),
    "explain": say("followed a person from source to Moodle:"),
    "provision": say("asked for a run of one person:"),
    "forget": say("forgot a person"),
    "mismatches told": say("mailed the number of new mismatches"),
}
"""What the pages and the commands note, in words."""
FREE_TEXT: Final = frozenset({"protect"})
"""Those of them whose detail an analyst wrote, and which may name a person; the others hold counts, kinds and run ids."""

PERSONS: Final = frozenset({"explain", "provision"})
"""Those whose subject is one person."""


@dataclass(frozen=True, slots=True)
class Done:
    """One thing someone did."""

    at: dt.datetime
    by: str
    what: str
    subject: str
    detail: str


def recent(ledger: Ledger, environment: str, texts: Texts, *, details: bool) -> list[Done]:
    """Give what was done lately, latest first; without ``details`` free text that may name a person is masked."""
    from moodle_coupling.ledger import activity

    return [
        Done(
            at=one.at,
            by=one.by,
            what=texts(ACTIONS[one.action]) if one.action in ACTIONS else one.action,
            subject=one.subject if details or not _may_be_typed(one) else MASK,
            detail=one.detail if details or _names_nobody(one.action) or not one.detail else MASK,
        )
        for one in activity.recent(ledger, environment, limit=LIMIT)
    ]


def _may_be_typed(one: Activity) -> bool:
    """Tell whether the subject may be a name or an address that somebody typed, as earlier versions kept it."""
    return one.action in PERSONS and any(char in one.subject for char in "@ ")


def _names_nobody(action: str) -> bool:
    return action in ACTIONS and action not in FREE_TEXT
