"""The kinds of site that whatever holds on any Moodle is tried on, each as a sandbox."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle import FUNCTIONS, REPORT_FUNCTIONS, CustomReport, ProfileField, running_moodle
from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle import SandboxMoodle

SERVICE_USER = 3
_STRANGERS = [
    {"username": f"stranger{n}", "firstname": "Iemand", "lastname": "Anders", "email": f"stranger{n}@example.org"}
    for n in range(30)
]
_REPORT = CustomReport(4, "Moodle coupling", audience=(SERVICE_USER,))
_MAY_NOT_DELETE = tuple(name for name in FUNCTIONS if name != "core_user_delete_users")
_RIGHTS_TO_CLEAN_UP = {"moodle/user:delete", "moodle/cohort:manage"}
COURSE = "PROEF"
"""The shortname of the course that enrolments are tried in."""
# What of a site differs: its settings, who is there already, and what the token may call.
SANDBOXES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], tuple[str, ...]]] = {
    "quiet": ({"profile_fields": []}, [], FUNCTIONS),
    "mariadb": ({"database": "mariadb", "allowaccountssameemail": True}, _STRANGERS, _MAY_NOT_DELETE),
    "postgresql": ({"database": "postgresql", "debug": "developer", "release": "4.5"}, _STRANGERS, FUNCTIONS),
    "report": ({"reports": [_REPORT]}, _STRANGERS, (*FUNCTIONS, *REPORT_FUNCTIONS)),
    "hidden": (
        {
            "hiddenuserfields": "city,country,timezone,firstaccess,lastaccess",
            "profile_fields": [ProfileField("customfield1", datatype="checkbox")],
        },
        _STRANGERS,
        FUNCTIONS,
    ),
}


@contextmanager
def sandbox_of_kind(kind: str) -> Iterator[SandboxMoodle]:
    """Run a sandbox of a kind for the length of a block; the service user has the least rights."""
    settings, accounts, functions = SANDBOXES[kind]
    rights = LEAST_CAPABILITIES | ACCESS_CAPABILITIES | _RIGHTS_TO_CLEAN_UP | {"moodle/reportbuilder:view"}
    with running_moodle(settings=settings, accounts=accounts, access={"courses": [{"shortname": COURSE}]}) as sandbox:
        sandbox.restrict_token(functions=functions, capabilities=rights)
        yield sandbox
