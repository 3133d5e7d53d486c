"""What a web service function has at hand while it runs, and how long a real Moodle would take (2 cores, MariaDB, opcache; medians)."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.database import MARIADB, POSTGRESQL
from moodle_coupling.sandbox.moodle.exceptions import MoodleException, no_permission, unworded
from moodle_coupling.sandbox.moodle.php import is_empty
from moodle_coupling.sandbox.moodle.site import CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle.access import AccessTables
    from moodle_coupling.sandbox.moodle.accounts import Accounts
    from moodle_coupling.sandbox.moodle.site import SiteSettings, Token


_CAN_CHANGE_PASSWORD = ("manual", "email", "none", "db")
FORCE_PASSWORD_CHANGE = "auth_forcepasswordchange"  # noqa: S105 - the name of a preference


@dataclass
class Work:
    """How much one call did, for the service times.

    Accounts touched, profile fields and passwords written, rows of a report, cohort members and enrolments written; and rows of the user table that the
    database went through for want of an index: to see whether an address is taken, or to search.
    """

    accounts: int = 0
    profile_fields: int = 0
    passwords: int = 0
    report_rows: int = 0
    members: int = 0
    enrolments: int = 0
    rows_checked: int = 0
    rows_searched: int = 0


@dataclass
class Context:
    """One call: the site, its accounts, its cohorts and courses, the token and its user's row."""

    site: SiteSettings
    accounts: Accounts
    access: AccessTables
    token: Token
    user: dict[str, Any]
    work: Work = field(default_factory=Work)

    def is_admin(self, userid: int | None = None) -> bool:
        """Return whether the caller (or ``userid``) is a site administrator."""
        return (self.user["id"] if userid is None else userid) in self.site.admins

    def may(self, capability: str) -> bool:
        """Return whether the caller has a capability; an administrator has them all."""
        if self.is_admin():
            return True
        return capability in self.token.capabilities and capability not in self.site.prohibited

    def require(self, capability: str) -> None:
        """Raise Moodle's refusal unless the caller has the capability."""
        if not self.may(capability):
            raise no_permission(CAPABILITIES[capability])

    def require_any(self, *capabilities: str) -> None:
        """Raise Moodle's refusal, which names the last of them, unless the caller has one of the capabilities."""
        if not any(self.may(capability) for capability in capabilities):
            raise no_permission(CAPABILITIES[capabilities[-1]])

    def require_ready_user(self) -> None:
        """Raise unless the calling user could log in and go on: the checks of ``validate_context``.

        ``core_webservice_get_site_info`` and ``core_user_get_users`` do without them.
        """
        if self.accounts.preferences(self.user["id"]).get(FORCE_PASSWORD_CHANGE) == "1":
            raise self._password_must_change()
        if self._is_incomplete():
            raise MoodleException("usernotfullysetup", "User not fully set-up")
        if self.site.sitepolicy and not self.user["policyagreed"] and not self.is_admin():
            raise MoodleException(
                "sitepolicynotagreed",
                f'Site policy not agreed: <a href="{self.site.siteurl}/user/policy.php">'
                "Click here to open the site policy.</a>",
            )

    def _is_incomplete(self) -> bool:
        if any(is_empty(self.user[name]) for name in ("firstname", "lastname", "email")):
            return True
        required = [f.shortname for f in self.site.profile_fields if f.required and f.visible and not f.locked]
        filled = self.accounts.profiles([self.user["id"]])[self.user["id"]] if required else {}
        return any(not filled.get(shortname) for shortname in required)

    def _password_must_change(self) -> MoodleException:
        if self.user["auth"] in _CAN_CHANGE_PASSWORD:
            return unworded("forcepasswordchangenotice")
        return MoodleException(
            "nopasswordchangeforced",
            "You cannot proceed without changing your password, however there is no available page for changing it. "
            "Please contact your Moodle Administrator.",
        )


# Seconds, as measured on Moodle 5.1: a call, an account, a profile field, a password and a row of a custom report; a cohort
# member put in or taken out, and an enrolment made or ended.
# Those of the address check and of a search are of 40,000 accounts on a busy machine, 4.5 on MariaDB and 5.1 on PostgreSQL.
PER_ROW_CHECKED = {MARIADB: 1.0e-6, POSTGRESQL: 0.48e-6}
PER_ROW_SEARCHED = 1.0e-6
PER_CALL, PER_ACCOUNT, PER_PROFILE_FIELD, PER_PASSWORD, PER_REPORT_ROW = 0.013, 0.003, 0.0008, 0.009, 0.0003
PER_MEMBER, PER_ENROLMENT = 0.0028, 0.0074
AT_ONCE = 2


def service_seconds(work: Work, database: str = MARIADB) -> float:
    """Return how many seconds a real Moodle on that database takes for this much work."""
    return (
        PER_CALL
        + work.accounts * PER_ACCOUNT
        + work.profile_fields * PER_PROFILE_FIELD
        + work.passwords * PER_PASSWORD
        + work.report_rows * PER_REPORT_ROW
        + work.members * PER_MEMBER
        + work.enrolments * PER_ENROLMENT
        + work.rows_checked * PER_ROW_CHECKED[database]
        + work.rows_searched * PER_ROW_SEARCHED
    )


class ServiceTimes:
    """Lets only so many calls work at once, each as long as on a real site."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def lasting(self, work: Work, database: str) -> Iterator[None]:
        """Keep a place while the block runs and for the rest of the time its work takes."""
        with self._places:
            started = time.monotonic()
            yield
            time.sleep(max(0.0, service_seconds(work, database) - (time.monotonic() - started)))
