"""The ledger's words: states, statuses and kinds. They are stored as text, so they are never renamed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """Where a run is."""

    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    STOPPED = "stopped"


UNDERWAY: Final = frozenset({RunState.RUNNING, RunState.WAITING_APPROVAL})
"""States of a run that has not ended."""


DRY_RUN: Final = "dry run"
"""Mode of a run that was asked to write nothing."""


class IntentionState(StrEnum):
    """How far one row of a plan is: recorded, sent to Moodle, or settled with an outcome."""

    PLANNED = "planned"
    SENT = "sent"
    SETTLED = "settled"


FINAL: Final = ("done", "rejected", "skipped")
"""Statuses of provisioning.outcomes.OutcomeStatus after which a row is never tried again; the others may be replaced."""


class MismatchStatus(StrEnum):
    """The life of a mismatch: open → decided → applied → gone; lapsed when its facts changed after the decision."""

    OPEN = "open"
    DECIDED = "decided"
    APPLIED = "applied"
    GONE = "gone"
    LAPSED = "lapsed"


class ApprovalAnswer(StrEnum):
    """The answer to a question for approval; lapsed (no answer in time) counts as rejected."""

    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"
