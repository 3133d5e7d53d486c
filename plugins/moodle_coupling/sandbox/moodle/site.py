"""A sandbox site's settings: what an administrator can change, under Moodle's own names where it has one."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moodle_coupling.sandbox.controls import Settings, like
from moodle_coupling.sandbox.moodle.database import DATABASES, MARIADB, POSTGRESQL
from moodle_coupling.sandbox.moodle.profile_fields import ProfileField, profile_fields
from moodle_coupling.sandbox.moodle.reports import CustomReport, custom_reports

if TYPE_CHECKING:
    from collections.abc import Callable

DEBUG_LEVELS = {"none": 0, "minimal": 5, "normal": 15, "all": 30719, "developer": 32767}
RELEASES = {"5.1": ("5.1+ (Build: 20251017)", "2025100600.02"), "4.5": ("4.5.5+ (Build: 20250613)", "2024100705.01")}
_AUTHS = (
    "db", "email", "ldap", "lti", "manual", "nologin", "none", "oauth2", "oidc", "shibboleth", "webservice",
)  # fmt: skip
AUTHS = {"5.1": _AUTHS, "4.5": (*_AUTHS, "cas", "mnet")}
# The roles of a new site, as number:shortname.
_ROLES = (
    "1:manager", "2:coursecreator", "3:editingteacher", "4:teacher", "5:student", "6:guest", "7:user", "8:frontpage",
)  # fmt: skip
MAINTENANCE = ("off", "cli", "config")


def _default_fields() -> list[ProfileField]:
    return [ProfileField(f"customfield{n}", f"Custom field {n}") for n in range(1, 6)]


@dataclass
class SiteSettings(Settings):
    """Everything about the site that is not an account or a token. Defaults are those of a new Moodle."""

    choices: ClassVar = {
        "database": DATABASES, "debug": tuple(DEBUG_LEVELS), "maintenance": MAINTENANCE, "release": tuple(RELEASES)
    }  # fmt: skip

    release: str = "5.1"
    database: str = MARIADB
    sitename: str = "Sandbox Moodle"
    siteurl: str = ""
    allowaccountssameemail: bool = False
    extendedusernamechars: bool = False
    passwordpolicy: bool = True
    minpasswordlength: int = 8
    minpassworddigits: int = 1
    minpasswordlower: int = 1
    minpasswordupper: int = 1
    minpasswordnonalphanum: int = 1
    maxconsecutiveidentchars: int = 0
    max_input_vars: int = 5000
    post_max_size: int = 8 * 1024 * 1024
    client_max_body_size: int = 64 * 1024 * 1024
    enablewebservices: bool = True
    rest_enabled: bool = True
    maintenance: str = "off"
    upgrade_running: bool = False
    upgrade_pending: bool = False
    debug: str = "none"
    debugdisplay: bool = False
    display_errors: bool = False
    php_down: bool = False
    db_down: bool = False
    db_read_only: bool = False
    sitepolicy: bool = False
    profilesforenrolledusersonly: bool = True
    hiddenuserfields: tuple[str, ...] = ()
    prohibited: tuple[str, ...] = ()
    showuseridentity: tuple[str, ...] = ("email",)
    allowemailaddresses: str = ""
    country: str = ""
    defaultcity: str = ""
    timezone: str = "Europe/London"
    lang: str = "en"
    langs: tuple[str, ...] = ("en",)
    themes: tuple[str, ...] = ("boost", "classic")
    auths_installed: tuple[str, ...] = ()
    profile_fields: list[ProfileField] = field(default_factory=_default_fields)
    reports: list[CustomReport] = field(default_factory=list)
    admins: tuple[int, ...] = (2,)
    roles: tuple[str, ...] = _ROLES
    assignable_roles: tuple[int, ...] = (5,)
    realistic: bool = False
    email_indexed: bool = False

    def auths(self) -> tuple[str, ...]:
        """Return the authentication plugins that are installed: those of the release, where none are named."""
        return self.auths_installed or AUTHS[self.release]

    def scans_for_addresses(self) -> bool:
        """Return whether each look whether an address is taken goes through all accounts; an index helps PostgreSQL only."""
        return not (self.email_indexed and self.database == POSTGRESQL)

    def debug_level(self) -> int:
        """Return Moodle's number for the site's debugging level."""
        return DEBUG_LEVELS[self.debug]

    def sends_debuginfo(self) -> bool:
        """Return whether an error tells its reason (debugging at NORMAL or above)."""
        return self.debug_level() & DEBUG_LEVELS["normal"] == DEBUG_LEVELS["normal"]

    def shows_debuginfo(self) -> bool:
        """Return whether the reason even stands in the message."""
        return self.debugdisplay and self.debug == "developer"

    def profile_field(self, shortname: str) -> ProfileField | None:
        """Return the profile field of exactly that shortname."""
        return next((f for f in self.profile_fields if f.shortname == shortname), None)

    def role_names(self) -> dict[int, str]:
        """Return the shortname of each role, by its id."""
        pairs = (role.partition(":") for role in self.roles)
        return {int(number): shortname for number, _, shortname in pairs}

    def front_page(self) -> str:
        """Return the shortname of the course that is the site's front page."""
        return "".join(c for c in self.sitename.lower() if c.isalnum())

    def read(self, name: str, value: Any) -> Any:
        """Return a value as the setting holds it."""
        reader = _READERS.get(name)
        return reader(value) if reader else super().read(name, value)


def _timezone(value: Any) -> str:
    name = str(value)
    try:
        return ZoneInfo(name).key
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ValueError("use a name such as Europe/Amsterdam") from error


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, like((), value)))


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(map(int, _texts(value)))


def _roles(value: Any) -> tuple[str, ...]:
    roles = _texts(value)
    odd = [role for role in roles if not (role.partition(":")[0].isdecimal() and role.partition(":")[2])]
    if odd:
        raise ValueError(f"write {odd[0]!r} as number:shortname, such as 5:student")
    return roles


def _capabilities(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    unknown = [name for name in names if name not in CAPABILITIES]
    if unknown:
        raise ValueError(f"there is no capability {unknown[0]!r}; there are {', '.join(CAPABILITIES)}")
    return names


_READERS: dict[str, Callable[[Any], Any]] = {
    "profile_fields": profile_fields,
    "reports": custom_reports,
    "timezone": _timezone,
    "prohibited": _capabilities,
    "roles": _roles,
    "assignable_roles": _numbers,
}


CAPABILITIES: dict[str, str] = {
    "webservice/rest:use": "Use REST protocol",
    "moodle/user:create": "Create users",
    "moodle/user:update": "Update user profiles",
    "moodle/user:delete": "Delete users",
    "moodle/user:viewdetails": "View user profiles",
    "moodle/user:viewalldetails": "View user full information",
    "moodle/user:viewhiddendetails": "View hidden details of users",
    "moodle/site:viewuseridentity": "See full user identity in lists",
    "moodle/reportbuilder:view": "View custom reports",
    "moodle/reportbuilder:viewall": "View all custom reports",
    "moodle/cohort:view": "View site-wide cohorts",
    "moodle/cohort:assign": "Add and remove cohort members",
    "moodle/cohort:manage": "Create, delete and move cohorts",
    "moodle/course:view": "View courses without participation",
    "moodle/course:viewhiddencourses": "View hidden courses",
    "moodle/course:viewparticipants": "View participants",
    "moodle/course:enrolreview": "Review course enrolments",
    "moodle/course:managegroups": "Manage groups",
    "moodle/site:accessallgroups": "Access all groups",
    "moodle/role:assign": "Assign roles to users",
    "enrol/manual:enrol": "Enrol users",
    "enrol/manual:unenrol": "Unenrol users from the course",
}
LEAST_CAPABILITIES = frozenset(
    {
        "webservice/rest:use", "moodle/user:create", "moodle/user:update", "moodle/user:viewdetails",
        "moodle/user:viewalldetails", "moodle/site:viewuseridentity",
    }
)  # fmt: skip
"""What the coupling needs on a site that hides nothing."""
ACCESS_CAPABILITIES = frozenset(
    {
        "moodle/cohort:view", "moodle/cohort:assign", "moodle/course:view", "moodle/course:viewparticipants",
        "moodle/role:assign", "enrol/manual:enrol", "enrol/manual:unenrol",
    }
)  # fmt: skip
"""What it needs besides for cohorts and visible courses."""
ACCOUNT_FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_user_create_users",
    "core_user_update_users",
    "core_user_get_users",
    "core_user_get_users_by_field",
    "core_user_delete_users",
)
ACCESS_FUNCTIONS = (
    "core_cohort_get_cohorts",
    "core_cohort_search_cohorts",
    "core_cohort_create_cohorts",
    "core_cohort_delete_cohorts",
    "core_cohort_add_cohort_members",
    "core_cohort_delete_cohort_members",
    "core_cohort_get_cohort_members",
    "enrol_manual_enrol_users",
    "enrol_manual_unenrol_users",
    "core_course_get_courses",
    "core_course_get_courses_by_field",
    "core_enrol_get_enrolled_users",
    "core_group_create_groups",
    "core_group_get_course_groups",
    "core_group_add_group_members",
    "core_group_get_group_members",
    "core_group_delete_group_members",
    "core_completion_get_course_completion_status",
)
FUNCTIONS = (*ACCOUNT_FUNCTIONS, *ACCESS_FUNCTIONS)
"""What the service has unless someone says otherwise."""
REPORT_FUNCTIONS = ("core_reportbuilder_list_reports", "core_reportbuilder_retrieve_report")
"""Not in the service unless someone puts them there."""


@dataclass(frozen=True)
class Token:
    """A permanent token with its service. ``valid_until`` is a Unix time (0: for ever)."""

    secret: str = field(repr=False)
    userid: int
    functions: tuple[str, ...] = FUNCTIONS
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    valid_until: int = 0
    ip_restriction: str = ""
    service_enabled: bool = True

    def allows_address(self, address: str) -> bool:
        """Return whether a call from ``address`` fits the IP restriction (addresses or networks, by comma)."""
        networks = [n.strip() for n in self.ip_restriction.split(",") if n.strip()]
        return not networks or any(
            ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False) for network in networks
        )

    def without(self, *capabilities: str) -> Token:
        """Return the token of a user who lacks these capabilities."""
        return replace(self, capabilities=self.capabilities - set(capabilities))


class Tokens:
    """The site's tokens, by secret."""

    def __init__(self) -> None:
        self._by_secret: dict[str, Token] = {}

    def add(self, token: Token) -> Token:
        """Keep a token, in place of one with the same secret."""
        self._by_secret[token.secret] = token
        return token

    def find(self, secret: str) -> Token | None:
        """Return the token with that secret."""
        return self._by_secret.get(secret)

    def remove(self, token: Token) -> None:
        """Forget a token."""
        self._by_secret.pop(token.secret, None)
