"""Web service tokens: whose they are, what their service contains and what their user may do."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

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
