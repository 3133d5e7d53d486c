"""Which web service functions there are: their parameters, their answer, their code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle import descriptions as user_fields
from moodle_coupling.sandbox.moodle.functions import cohorts, courses, enrolments, lookup, reports
from moodle_coupling.sandbox.moodle.functions.accounts import create_users, delete_users, update_users
from moodle_coupling.sandbox.moodle.functions.lookup import get_users, get_users_by_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.descriptions import Description, Structure


@dataclass(frozen=True)
class Function:
    """One web service function. ``returns`` is None where Moodle answers ``null``."""

    run: Callable[[Context, dict[str, Any]], Any]
    parameters: Structure
    returns: Description | None
    writes: bool


FUNCTIONS: dict[str, Function] = {
    "core_webservice_get_site_info": Function(lookup.get_site_info, lookup.PARAMETERS, lookup.ANSWER, writes=False),
    "core_user_create_users": Function(create_users, user_fields.CREATE_PARAMETERS, user_fields.CREATED, writes=True),
    "core_user_update_users": Function(update_users, user_fields.UPDATE_PARAMETERS, user_fields.UPDATED, writes=True),
    "core_user_get_users": Function(
        get_users, user_fields.GET_USERS_PARAMETERS, user_fields.USERS_AND_WARNINGS, writes=False
    ),
    "core_user_get_users_by_field": Function(
        get_users_by_field, user_fields.BY_FIELD_PARAMETERS, user_fields.USERS, writes=False
    ),
    "core_reportbuilder_list_reports": Function(
        reports.list_reports, reports.LIST_PARAMETERS, reports.LISTED, writes=False
    ),
    "core_reportbuilder_retrieve_report": Function(
        reports.retrieve_report, reports.RETRIEVE_PARAMETERS, reports.RETRIEVED, writes=False
    ),
    "core_user_delete_users": Function(delete_users, user_fields.DELETE_PARAMETERS, None, writes=True),
    "core_cohort_get_cohorts": Function(cohorts.get_cohorts, cohorts.GET_PARAMETERS, cohorts.COHORTS, writes=False),
    "core_cohort_search_cohorts": Function(
        cohorts.search_cohorts, cohorts.SEARCH_PARAMETERS, cohorts.SEARCHED, writes=False
    ),
    "core_cohort_create_cohorts": Function(
        cohorts.create_cohorts, cohorts.CREATE_PARAMETERS, cohorts.CREATED, writes=True
    ),
    "core_cohort_delete_cohorts": Function(cohorts.delete_cohorts, cohorts.DELETE_PARAMETERS, None, writes=True),
    "core_cohort_add_cohort_members": Function(
        cohorts.add_cohort_members, cohorts.ADD_MEMBERS_PARAMETERS, cohorts.ADDED, writes=True
    ),
    "core_cohort_delete_cohort_members": Function(
        cohorts.delete_cohort_members, cohorts.DELETE_MEMBERS_PARAMETERS, None, writes=True
    ),
    "core_cohort_get_cohort_members": Function(
        cohorts.get_cohort_members, cohorts.MEMBERS_PARAMETERS, cohorts.MEMBERS, writes=False
    ),
    "enrol_manual_enrol_users": Function(enrolments.enrol_users, enrolments.ENROL_PARAMETERS, None, writes=True),
    "enrol_manual_unenrol_users": Function(enrolments.unenrol_users, enrolments.UNENROL_PARAMETERS, None, writes=True),
    "core_course_get_courses": Function(courses.get_courses, courses.GET_PARAMETERS, courses.COURSES, writes=False),
    "core_course_get_courses_by_field": Function(
        courses.get_courses_by_field, courses.BY_FIELD_PARAMETERS, courses.FOUND, writes=False
    ),
    "core_enrol_get_enrolled_users": Function(
        enrolments.get_enrolled_users, enrolments.ENROLLED_PARAMETERS, enrolments.ENROLLED, writes=False
    ),
    "core_group_create_groups": Function(courses.create_groups, courses.CREATE_PARAMETERS, courses.GROUPS, writes=True),
    "core_group_get_course_groups": Function(
        courses.get_course_groups, courses.COURSE_PARAMETERS, courses.GROUPS, writes=False
    ),
    "core_group_add_group_members": Function(courses.add_group_members, courses.CHANGE_PARAMETERS, None, writes=True),
    "core_group_get_group_members": Function(
        courses.get_group_members, courses.MEMBERS_PARAMETERS, courses.MEMBERS, writes=False
    ),
    "core_group_delete_group_members": Function(
        courses.delete_group_members, courses.CHANGE_PARAMETERS, None, writes=True
    ),
    "core_completion_get_course_completion_status": Function(
        enrolments.get_completion_status, enrolments.COMPLETION_PARAMETERS, None, writes=False
    ),
}

# Functions a real Moodle has besides (those the coupling may one day use, and a few more): there, yet not in our service.
ONLY_ON_A_REAL_SITE = frozenset(
    {
        "core_cohort_update_cohorts", "core_completion_get_activities_completion_status", "core_course_create_courses",
        "core_course_get_categories", "core_enrol_get_users_courses", "core_role_assign_roles",
        "core_user_add_user_device", "core_user_get_course_user_profiles", "core_user_get_user_preferences",
        "core_user_set_user_preferences", "core_user_update_user_preferences", "gradereport_user_get_grade_items",
        "mod_assign_get_assignments",
    }
)  # fmt: skip
