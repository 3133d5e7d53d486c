"""The words of matching: the actions of a plan, and the columns of the frames that go in and come out."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from moodle_coupling.contract.frames import CANDIDATES, PLAN, REASONS


class Action(StrEnum):
    """What the plan intends for one row."""

    CREATE = "create"
    UPDATE = "update"
    LINK = "link"
    SUSPEND = "suspend"
    REACTIVATE = "reactivate"
    NONE = "none"
    REJECT = "reject"


WRITING_ACTIONS: Final = frozenset({Action.CREATE, Action.UPDATE, Action.LINK, Action.SUSPEND, Action.REACTIVATE})


SUSPEND: Final = "suspend"
"""The proposal for an orphan that a human must judge."""


CANDIDATE_COLUMNS: Final = CANDIDATES.names
REASON_COLUMNS: Final = REASONS.names
PLAN_COLUMNS: Final = PLAN.names
"""The columns of these frames; what they mean stands in contract/frames.py."""
