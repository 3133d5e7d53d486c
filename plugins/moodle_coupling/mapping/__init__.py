"""The mapping file of a coupling: its model, and what its parts may say.

Reading one from disk is ``mapping.file``, which knows YAML; this does not.
"""

from __future__ import annotations

from moodle_coupling.contract.recipes import UsernameRecipe
from moodle_coupling.mapping.access import Access, AccessRule, LeaverAccess, ListState, MissingTargets, TakeBack
from moodle_coupling.mapping.model import ENVIRONMENT, Mapping, MoodleField
from moodle_coupling.mapping.parts import (
    Condition,
    FieldValue,
    IdnumberFrom,
    LeaverPolicy,
    Leavers,
    Limits,
    Matching,
    Schedule,
    Scope,
    SnapshotSettings,
    SnapshotStrategy,
    Unmatched,
    Username,
    Write,
)
from moodle_coupling.mapping.safeguards import Limit, Notify, Safeguards
from moodle_coupling.mapping.source import SourceSettings

__all__ = [
    "ENVIRONMENT",
    "Access",
    "AccessRule",
    "Condition",
    "FieldValue",
    "IdnumberFrom",
    "LeaverAccess",
    "LeaverPolicy",
    "Leavers",
    "Limit",
    "Limits",
    "ListState",
    "Mapping",
    "Matching",
    "MissingTargets",
    "MoodleField",
    "Notify",
    "Safeguards",
    "Schedule",
    "Scope",
    "SnapshotSettings",
    "SnapshotStrategy",
    "SourceSettings",
    "TakeBack",
    "Unmatched",
    "Username",
    "UsernameRecipe",
    "Write",
]
