"""A stand-in for a Moodle: speaks its REST protocol over real HTTP, as recordings of Moodle 4.5 and 5.1 do."""

from __future__ import annotations

from moodle_coupling.sandbox.moodle.profile_fields import ProfileField
from moodle_coupling.sandbox.moodle.reports import CustomReport
from moodle_coupling.sandbox.moodle.sandbox import Fault, FaultKind, SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.site import (
    ACCESS_FUNCTIONS,
    ACCOUNT_FUNCTIONS,
    CAPABILITIES,
    FUNCTIONS,
    REPORT_FUNCTIONS,
    SiteSettings,
    Token,
)

__all__ = [
    "ACCESS_FUNCTIONS",
    "ACCOUNT_FUNCTIONS",
    "CAPABILITIES",
    "FUNCTIONS",
    "REPORT_FUNCTIONS",
    "CustomReport",
    "Fault",
    "FaultKind",
    "ProfileField",
    "SandboxMoodle",
    "SiteSettings",
    "Token",
    "running_moodle",
]
