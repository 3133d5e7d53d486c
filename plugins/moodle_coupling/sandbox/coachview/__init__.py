"""A stand-in for a Coachview: its REST API over real HTTP, as far as it is known; what is not known is a setting."""

from __future__ import annotations

from moodle_coupling.sandbox.coachview.fields import DEFAULT_FREE_FIELDS, FreeField
from moodle_coupling.sandbox.coachview.refusals import Fault, FaultKind
from moodle_coupling.sandbox.coachview.sandbox import SandboxCoachview, running_coachview
from moodle_coupling.sandbox.coachview.settings import SCOPES, ServerSettings

__all__ = [
    "DEFAULT_FREE_FIELDS",
    "SCOPES",
    "Fault",
    "FaultKind",
    "FreeField",
    "SandboxCoachview",
    "ServerSettings",
    "running_coachview",
]
