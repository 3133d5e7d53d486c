"""What the ledger knows of one person in one environment, as far as a trace tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.words.catalogue import ENGLISH

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

MOST_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class LastWritten:
    """The value that was last written to a field, and when (UTC)."""

    value: Any
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class History:
    """``known`` is False where there is no ledger to ask.

    ``written``: field → what was last written to it. ``outcomes``: what happened lately, latest first.
    ``mismatches``: those that are open or decided, one line each.
    """

    known: bool
    written: dict[str, LastWritten]
    outcomes: tuple[str, ...]
    mismatches: tuple[str, ...]


NOTHING: Final = History(known=False, written={}, outcomes=(), mismatches=())


def person_history(ledger: Ledger | None, environment: str, person_id: str, idnumber: str) -> History:
    """Look a person up in the ledger; raises LedgerUnavailable."""
    if ledger is None or not (person_id or idnumber):
        return NOTHING
    from moodle_coupling.ledger.people import person_mismatches, person_outcomes

    outcomes = person_outcomes(ledger, person_id=person_id, idnumber=idnumber, environment=environment, limit=100)
    mismatches = person_mismatches(ledger, person_id=person_id, idnumber=idnumber, environment=environment)
    told = [_outcome_line(row) for _, row in outcomes[outcomes["action"] != "none"].head(MOST_TOLD).iterrows()]
    return History(
        known=True,
        written=_written(outcomes[outcomes["status"] == "done"]),
        outcomes=tuple(told),
        mismatches=tuple(_mismatch_lines(ledger, mismatches)),
    )


def as_change(field: str, old: Any, new: Any) -> str:
    """Give one change in words: "lastname: 'Jansen' → 'de Wit'"; a new account has no old value."""
    return f"{field}: {_shown(new)}" if old is None else f"{field}: {_shown(old)} → {_shown(new)}"


def changes_of(text: str) -> dict[str, tuple[Any, Any]]:
    """Read the JSON of a plan's or an outcome's changes: field → (old, new)."""
    return {str(name): (pair[0], pair[1]) for name, pair in json.loads(text or "{}").items()}


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"'{value}'"


def _written(done: pd.DataFrame) -> dict[str, LastWritten]:
    found: dict[str, LastWritten] = {}
    for text, at in zip(done["changes"], done["at"], strict=True):  # latest first
        for name, (_old, new) in changes_of(text).items():
            found.setdefault(name, LastWritten(new, at.to_pydatetime()))
    return found


def _outcome_line(row: pd.Series[Any]) -> str:
    changes = ", ".join(as_change(name, *pair) for name, pair in changes_of(row["changes"]).items())
    why = f" ({row['code']}: {ENGLISH.say(row['message'])})" if row["code"] else ""
    return f"{row['at']:%Y-%m-%d %H:%M} UTC {row['action']} {row['status']}{why}{': ' if changes else ''}{changes}"


def _mismatch_lines(ledger: Ledger, mismatches: pd.DataFrame) -> list[str]:
    from moodle_coupling.ledger.decisions import decision_history
    from moodle_coupling.ledger.words import MismatchStatus

    standing = mismatches[mismatches["status"].isin([MismatchStatus.OPEN, MismatchStatus.DECIDED])]
    lines = []
    for _, row in standing.head(MOST_TOLD).iterrows():
        line = f"mismatch {row['id']} ({row['verdict']}) is {row['status']}, first seen {row['first_seen']:%Y-%m-%d}"
        decided = decision_history(ledger, int(row["id"]))
        if decided:
            last = decided[-1]
            line += f"; '{last.kind}' by {last.by} on {last.at:%Y-%m-%d}{': ' if last.note else ''}{last.note}"
        lines.append(line)
    return lines
