"""The tables of the ledger, a file for each subject; importing this package knows them all."""

from __future__ import annotations

from moodle_coupling.ledger.models.accounts import AbsenceRow, AccountKeyRow, ProtectionRow, ReadingRow
from moodle_coupling.ledger.models.base import Base
from moodle_coupling.ledger.models.claims import ClaimRow
from moodle_coupling.ledger.models.links import LinkRow
from moodle_coupling.ledger.models.mismatches import DecisionRow, MismatchRow
from moodle_coupling.ledger.models.operations import ActivityRow, LeaseRow, QuarantineRow, SharedDocumentRow
from moodle_coupling.ledger.models.outcomes import OutcomeRow
from moodle_coupling.ledger.models.runs import ApprovalRow, IntentionRow, ProgressRow, RunRow

__all__ = [
    "AbsenceRow",
    "AccountKeyRow",
    "ActivityRow",
    "ApprovalRow",
    "Base",
    "ClaimRow",
    "DecisionRow",
    "IntentionRow",
    "LeaseRow",
    "LinkRow",
    "MismatchRow",
    "OutcomeRow",
    "ProgressRow",
    "ProtectionRow",
    "QuarantineRow",
    "ReadingRow",
    "RunRow",
    "SharedDocumentRow",
]
