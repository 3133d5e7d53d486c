"""``enrol_manual_…``, ``core_enrol_get_enrolled_users`` and the status of completion: who is in a course."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.exceptions import (
    InvalidParameter,
    MoodleException,
    format_string,
    record_missing,
    unworded,
)
from moodle_coupling.sandbox.moodle.functions.accounts import GUEST, check_writable
from moodle_coupling.sandbox.moodle.functions.courses import existing_course, open_course
from moodle_coupling.sandbox.moodle.functions.lookup import user_details
from moodle_coupling.sandbox.moodle.php import is_empty

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

_P = ParamType
_ACTIVE, _SUSPENDED = 0, 1

ENROL_PARAMETERS = Structure(
    {
        "enrolments": Many(
            Structure(
                {
                    **{name: Value(_P.INT) for name in ("roleid", "userid", "courseid")},
                    **{name: optional(_P.INT) for name in ("timestart", "timeend", "suspend")},
                }
            )
        )
    }
)
UNENROL_PARAMETERS = Structure(
    {"enrolments": Many(Structure({"userid": Value(_P.INT), "courseid": Value(_P.INT), "roleid": optional(_P.INT)}))}
)
ENROLLED_PARAMETERS = Structure(
    {
        "courseid": Value(_P.INT),
        "options": Many(Structure({"name": Value(_P.ALPHANUMEXT), "value": Value(_P.RAW)}), Presence.OPTIONAL),
    }
)
COMPLETION_PARAMETERS = Structure({"courseid": Value(_P.INT), "userid": Value(_P.INT)})

_CUSTOM_FIELD = Structure({name: Value(_P.RAW) for name in ("type", "value", "name", "shortname")})
_FIELDS: dict[str, Any] = {
    "id": Value(_P.INT),
    **{name: optional(_P.RAW) for name in ("username", "firstname", "lastname")},
    "fullname": Value(_P.NOTAGS),
    **{
        name: optional(_P.RAW)
        for name in ("email", "address", "phone1", "phone2", "department", "institution", "idnumber", "interests")
    },
    **{name: optional(_P.INT) for name in ("firstaccess", "lastaccess", "lastcourseaccess")},
    "description": optional(_P.RAW),
    "descriptionformat": optional(_P.INT),
    **{name: optional(_P.RAW) for name in ("city", "country", "profileimageurlsmall", "profileimageurl")},
    "customfields": Many(_CUSTOM_FIELD, Presence.OPTIONAL),
    "groups": Many(
        Structure(
            {
                "id": Value(_P.INT),
                "name": Value(_P.RAW),
                "description": Value(_P.RAW),
                "descriptionformat": Value(_P.INT),
            }
        ),
        Presence.OPTIONAL,
    ),
    "roles": Many(
        Structure(
            {
                "roleid": Value(_P.INT),
                "name": Value(_P.RAW),
                "shortname": Value(_P.ALPHANUMEXT),
                "sortorder": Value(_P.INT),
            }
        ),
        Presence.OPTIONAL,
    ),
    "preferences": Many(Structure({"name": Value(_P.RAW), "value": Value(_P.RAW)}), Presence.OPTIONAL),
    "enrolledcourses": Many(
        Structure({"id": Value(_P.INT), "fullname": Value(_P.RAW), "shortname": Value(_P.RAW)}), Presence.OPTIONAL
    ),
}
ENROLLED = Many(Structure(_FIELDS))
_ALWAYS = ("id", "fullname")
_SORTS = ("id", "firstname", "lastname", "siteorder")


def enrol_users(context: Context, parameters: dict[str, Any]) -> None:
    """Enrol each in one transaction, over what was there: dates left out become 0, a suspension left out is lifted."""
    with context.access.transaction():
        for enrolment in parameters["enrolments"]:
            _enrol(context, enrolment)


def _enrol(context: Context, enrolment: dict[str, int]) -> None:
    course = context.access.course("id", enrolment["courseid"])
    if course is None:
        raise InvalidParameter("Context does not exist", show_debuginfo=context.site.shows_debuginfo())
    open_course(context, course)
    context.require("enrol/manual:enrol")
    roleid, userid = enrolment["roleid"], enrolment["userid"]
    if not _may_assign(context, roleid):
        raise MoodleException(
            "wsusercannotassign",
            f"You don't have the permission to assign this role ({roleid}) to this user ({userid}) "
            f"in this course ({course['id']}).",
        )
    if course["manual"] != "on":
        raise _no_instance(course["id"])
    _check_active(context, userid)
    check_writable(context.site, "INSERT INTO mdl_user_enrolments")
    status = _SUSPENDED if enrolment.get("suspend") else _ACTIVE
    context.access.enrol(
        course["id"], userid, roleid, status, enrolment.get("timestart", 0), enrolment.get("timeend", 0)
    )
    context.work.enrolments += 1


def _may_assign(context: Context, roleid: int) -> bool:
    known = roleid in context.site.role_names()
    return known and (
        context.is_admin() or (context.may("moodle/role:assign") and roleid in context.site.assignable_roles)
    )


def _no_instance(courseid: int) -> MoodleException:
    return MoodleException(
        "wsnoinstance",
        f"Manual enrolment plugin instance doesn't exist or is disabled for the course (id = {courseid})",
    )


def _check_active(context: Context, userid: int) -> None:
    """Raise unless somebody can be enrolled; a suspended account can."""
    user = context.accounts.get(userid)
    if user is None:
        raise record_missing(context.site.release, "user", id=userid)
    if user["deleted"]:
        raise unworded("userdeleted")
    if not user["confirmed"]:
        raise MoodleException("usernotconfirmed", f"Could not confirm {user['username']}")
    if userid == GUEST:
        raise MoodleException("guestsarenotallowed", "The guest user is not allowed to do this")


def unenrol_users(context: Context, parameters: dict[str, Any]) -> None:
    """End each one's manual enrolment in one transaction; who is not enrolled is passed over without a word."""
    with context.access.transaction():
        for enrolment in parameters["enrolments"]:
            course = existing_course(context, enrolment["courseid"])
            open_course(context, course)
            context.require("enrol/manual:unenrol")
            if course["manual"] == "none":
                raise _no_instance(course["id"])
            if context.accounts.get(enrolment["userid"]) is None:
                raise record_missing(context.site.release, "user", id=enrolment["userid"])
            check_writable(context.site, "DELETE FROM mdl_user_enrolments")
            context.access.unenrol(course["id"], enrolment["userid"])
            context.work.enrolments += 1


def get_enrolled_users(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who is enrolled in a course, suspended and ended enrolments too unless only the active are asked for."""
    options = {option["name"]: option["value"] for option in parameters.get("options", ())}
    course = existing_course(context, parameters["courseid"])
    open_course(context, course, wrapped=True)
    context.require("moodle/course:viewparticipants")
    group = _number(options, "groupid")
    if group and context.user["id"] not in context.access.group_members(group):
        context.require("moodle/site:accessallgroups")
    active, suspended = _number(options, "onlyactive"), _number(options, "onlysuspended")
    if active or suspended:
        context.require("moodle/course:enrolreview")
    ids = {e["userid"] for e in context.access.enrolments(course["id"]) if _wanted(e, bool(active), bool(suspended))}
    if group:
        ids &= set(context.access.group_members(group))
    users = [user for user in context.accounts.find("id", ids) if not user["deleted"]]
    users = _page(_sorted(users, options), options)
    wanted = {*options["userfields"].split(","), *_ALWAYS} if options.get("userfields") else set(_FIELDS)
    details = [one for one in user_details(context, users) if one]
    return [_only(wanted, {**one, **_in_course(context, course, one["id"], wanted)}) for one in details]


def _number(options: dict[str, str], name: str) -> int:
    value = options.get(name, "0")
    return int(value) if value.isdecimal() else 0


def _wanted(enrolment: dict[str, int], active: bool, suspended: bool) -> bool:  # noqa: FBT001 - Moodle's options
    now = time.time()
    begun, ended = enrolment["timestart"] <= now, 0 < enrolment["timeend"] <= now
    counts = enrolment["status"] == _ACTIVE and begun and not ended
    return (counts or not active) and (not counts or not suspended)


def _sorted(users: list[dict[str, Any]], options: dict[str, str]) -> list[dict[str, Any]]:
    by = options.get("sortby", "id")
    if by not in _SORTS:
        raise InvalidParameter(f"Invalid value for sortby parameter (value: {by})")
    if by != "id":
        name = "lastname" if by == "siteorder" else by
        users = sorted(users, key=lambda user: (str(user[name]).lower(), user["id"]))
    return users[::-1] if options.get("sortdirection", "ASC").upper() == "DESC" else users


def _page(users: list[dict[str, Any]], options: dict[str, str]) -> list[dict[str, Any]]:
    start, count = _number(options, "limitfrom"), _number(options, "limitnumber")
    return users[start : start + count] if count else users[start:]


def _in_course(context: Context, course: dict[str, Any], userid: int, wanted: set[str]) -> dict[str, Any]:
    """Return what is shown of somebody as a participant of the course."""
    access = context.access
    shown: dict[str, Any] = {"lastcourseaccess": 0}
    groups = (
        [g for g in access.groups(course["id"]) if userid in access.group_members(g["id"])]
        if "groups" in wanted
        else []
    )
    if groups:
        shown["groups"] = [
            {"id": g["id"], "name": format_string(g["name"]), "description": g["description"], "descriptionformat": 1}
            for g in groups
        ]
    names = context.site.role_names()
    if "roles" in wanted:
        shown["roles"] = [
            {"roleid": role, "name": "", "shortname": names.get(role, ""), "sortorder": 0}
            for role in access.roles(course["id"], userid)
        ]
    courses = access.active_courses(userid, int(time.time())) if "enrolledcourses" in wanted else []
    if courses:
        shown["enrolledcourses"] = [
            {
                name: format_string(each[name]) if name != "id" else each[name]
                for name in ("id", "fullname", "shortname")
            }
            for each in courses
        ]
    return shown


def _only(wanted: set[str], details: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name in wanted}


def get_completion_status(context: Context, parameters: dict[str, Any]) -> None:
    """Refuse, as a course without criteria does: the sandbox's courses have none."""
    course = existing_course(context, parameters["courseid"])
    open_course(context, course)
    if context.accounts.get(parameters["userid"]) is None:
        raise record_missing(context.site.release, "user", id=parameters["userid"])
    if is_empty(course["enablecompletion"]):
        raise MoodleException("completionnotenabled", "Completion is not enabled")
    raise MoodleException("nocriteriaset", "No completion criteria set for this course")
