"""Retention: what is too old to be kept is deleted; what is still at work never is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, select

from moodle_coupling.ledger.models import (
    AccountKeyRow,
    ActivityRow,
    IntentionRow,
    MismatchRow,
    OutcomeRow,
    QuarantineRow,
    ReadingRow,
    RunRow,
    SharedDocumentRow,
)
from moodle_coupling.ledger.words import UNDERWAY, MismatchStatus

if TYPE_CHECKING:
    import datetime as dt

    from moodle_coupling.ledger.ledger import Ledger

_ACCOUNT_KEYS: Any = AccountKeyRow.__table__
_ACTIVITY: Any = ActivityRow.__table__
_INTENTIONS: Any = IntentionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_OUTCOMES: Any = OutcomeRow.__table__
_QUARANTINES: Any = QuarantineRow.__table__
_READINGS: Any = ReadingRow.__table__
_RUNS: Any = RunRow.__table__
_SHARED_DOCUMENTS: Any = SharedDocumentRow.__table__
_AT_REST = (MismatchStatus.GONE, MismatchStatus.LAPSED)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind were deleted."""

    outcomes: int
    intentions: int
    runs: int
    mismatches: int
    activities: int
    quarantines: int
    account_keys: int
    shared_documents: int


def purge(ledger: Ledger, older_than: dt.datetime) -> Purged:
    """Delete what ended before ``older_than``: outcomes, intentions and runs, mismatches at rest, activity, quarantines.

    Deleted too are the account keys of an environment in which everyone was last read before it, and counts and tokens of a
    source that were last changed before it.
    Kept whatever their age: links, absences, protections (also those on mismatches that are deleted), runs under way and
    all that hangs on them, mismatches that are open, decided or applied, and for each environment its latest run that
    came to its end (a first load waits for approval).
    """
    with ledger.writing() as connection:

        def deleted(table: Any, *conditions: Any) -> int:
            return connection.execute(delete(table).where(*conditions)).rowcount

        over = select(_RUNS.c.id).where(_RUNS.c.state.not_in(list(UNDERWAY)), _RUNS.c.ended < older_than)
        later = _RUNS.alias("later")
        latest = ~exists().where(
            later.c.environment == _RUNS.c.environment, later.c.state == "done", later.c.ended > _RUNS.c.ended
        )
        unread = select(_READINGS.c.environment).where(_READINGS.c.at < older_than)
        return Purged(
            outcomes=deleted(_OUTCOMES, _OUTCOMES.c.run.in_(over)),
            intentions=deleted(_INTENTIONS, _INTENTIONS.c.run.in_(over)),
            runs=deleted(_RUNS, _RUNS.c.id.in_(over.where(~((_RUNS.c.state == "done") & latest)))),
            mismatches=deleted(_MISMATCHES, _MISMATCHES.c.status.in_(_AT_REST), _MISMATCHES.c.last_seen < older_than),
            activities=deleted(_ACTIVITY, _ACTIVITY.c.at < older_than),
            quarantines=deleted(_QUARANTINES, _QUARANTINES.c.lifted_at < older_than),
            account_keys=deleted(_ACCOUNT_KEYS, _ACCOUNT_KEYS.c.environment.in_(unread)),
            shared_documents=deleted(_SHARED_DOCUMENTS, _SHARED_DOCUMENTS.c.changed_at < older_than),
        )
