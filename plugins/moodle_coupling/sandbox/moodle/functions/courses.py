"""``core_course_…``: the site's courses, and who may open one. What an editor of a course sees besides is left out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.access import FRONT_PAGE
from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import WARNINGS, Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, MoodleException, format_string, record_missing
from moodle_coupling.sandbox.moodle.functions.accounts import check_writable
from moodle_coupling.sandbox.moodle.php import is_empty, trim

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context


# ---- ``core_group_…``: the groups of a course and who is in them ----

_P = ParamType
_LOOKUPS = ("id", "ids", "shortname", "idnumber", "category")
_FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")
_TEXT, _NUMBER = Value(_P.RAW), Value(_P.INT)

GET_PARAMETERS = Structure({"options": Structure({"ids": Many(_NUMBER, Presence.OPTIONAL)}, Presence.OPTIONAL)})
BY_FIELD_PARAMETERS = Structure(
    {"field": Value(_P.ALPHA, Presence.DEFAULT, ""), "value": Value(_P.RAW, Presence.DEFAULT, "")}
)
COURSES = Many(
    Structure(
        {
            "id": _NUMBER,
            "shortname": _TEXT,
            "categoryid": _NUMBER,
            **dict.fromkeys(("fullname", "displayname", "summary"), _TEXT),
            "summaryformat": _NUMBER,
            "format": _TEXT,
            "startdate": _NUMBER,
            "enddate": _NUMBER,
            "numsections": optional(_P.INT),
            "showactivitydates": Value(_P.BOOL),
            "showcompletionconditions": Value(_P.BOOL),
        }
    )
)
_NUMBERS = (
    "maxbytes",
    "showreports",
    "visible",
    "groupmode",
    "groupmodeforce",
    "defaultgroupingid",
    "enablecompletion",
)
FOUND = Structure(
    {
        "courses": Many(
            Structure(
                {
                    "id": _NUMBER,
                    **dict.fromkeys(("fullname", "displayname", "shortname", "courseimage"), _TEXT),
                    "categoryid": _NUMBER,
                    "categoryname": _TEXT,
                    "sortorder": _NUMBER,
                    "summary": _TEXT,
                    "summaryformat": _NUMBER,
                    "summaryfiles": Many(_TEXT),
                    "overviewfiles": Many(_TEXT),
                    "showactivitydates": Value(_P.BOOL),
                    "showcompletionconditions": Value(_P.BOOL),
                    "contacts": Many(_TEXT),
                    "enrollmentmethods": Many(_TEXT),
                    "format": optional(_P.RAW),
                    **dict.fromkeys(("showgrades", "newsitems", "startdate", "enddate", *_NUMBERS), optional(_P.INT)),
                    "completionnotify": optional(_P.INT),
                    "lang": optional(_P.RAW),
                    "theme": optional(_P.RAW),
                    "marker": optional(_P.INT),
                    "filters": Many(
                        Structure({"filter": _TEXT, "localstate": _NUMBER, "inheritedstate": _NUMBER}),
                        Presence.OPTIONAL,
                    ),
                    "courseformatoptions": Many(Structure({"name": _TEXT, "value": _TEXT}), Presence.OPTIONAL),
                }
            )
        ),
        "warnings": WARNINGS,
    }
)


def get_courses(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the courses of these ids, or all with the front page. One that may not be opened refuses the whole call."""
    wanted = parameters.get("options", {}).get("ids")
    found = []
    if not wanted or FRONT_PAGE in wanted:
        context.require_ready_user()
        found.append(_front_page(context))
    for course in context.access.courses():
        if not wanted or course["id"] in wanted:
            open_course(context, course, wrapped=True)
            context.require("moodle/course:view")
            found.append({**_public(context, course), "format": "topics", "startdate": 0, "enddate": 0})
    return found


def _front_page(context: Context) -> dict[str, Any]:
    name = context.site.sitename
    return {
        "id": FRONT_PAGE,
        "shortname": context.site.front_page(),
        "categoryid": 0,
        "fullname": name,
        "displayname": name,
        "summary": "",
        "summaryformat": 0,
        "format": "site",
        "startdate": 0,
        "enddate": 0,
        "numsections": 1,
        "showactivitydates": False,
        "showcompletionconditions": None,
    }


def get_courses_by_field(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the courses with that value; a hidden one looks unknown to who may not see it. Every field '' gives all.

    Who may see but not open a course gets what everybody sees in the list of courses.
    """
    context.require_ready_user()
    found = _looked_up(context, parameters["field"], parameters["value"])
    shown = [course for course in found if course["visible"] or context.may("moodle/course:viewhiddencourses")]
    return {"courses": [_found(context, course) for course in shown], "warnings": []}


def _looked_up(context: Context, field: str, value: str) -> list[dict[str, Any]]:
    if field == "":
        return context.access.courses()
    if field not in _LOOKUPS:
        raise InvalidParameter("Invalid field name", show_debuginfo=context.site.shows_debuginfo())
    if field == "ids":
        one_by_one = [context.access.course("id", number.strip()) for number in value.split(",")]
        return [course for course in one_by_one if course]
    if field == "category":
        return [course for course in context.access.courses() if str(course["categoryid"]) == value]
    course = context.access.course(field, value)
    return [course] if course else []


def _public(context: Context, course: dict[str, Any]) -> dict[str, Any]:
    """Return what everybody sees of a visible course."""
    return {
        "id": course["id"],
        "fullname": format_string(course["fullname"]),
        "displayname": format_string(course["fullname"]),
        "shortname": format_string(course["shortname"]),
        "courseimage": f"{context.site.siteurl}/pluginfile.php/{course['id'] + 11}/course/generated/course.svg",
        "categoryid": course["categoryid"],
        "categoryname": context.access.category_name(course["categoryid"]),
        "sortorder": _sortorder(context, course),
        "summary": "",
        "summaryformat": 0,
        "summaryfiles": [],
        "overviewfiles": [],
        "showactivitydates": False,
        "showcompletionconditions": True,
        "contacts": [],
        "enrollmentmethods": ["manual"] if course["manual"] == "on" else [],
    }


def _sortorder(context: Context, course: dict[str, Any]) -> int:
    """Return the place of a course among all: the newest of a category comes first."""
    beside = [c["id"] for c in context.access.courses() if c["categoryid"] == course["categoryid"]]
    place = len([other for other in beside if other >= course["id"]])
    return 10_000 * int(course["categoryid"]) + place


def _found(context: Context, course: dict[str, Any]) -> dict[str, Any]:
    shown = _public(context, course)
    if _why_closed(context, course):
        return shown
    return {
        **shown,
        "format": "topics",
        "showgrades": 1,
        "newsitems": 1,
        "startdate": 0,
        "enddate": 0,
        **dict.fromkeys(_NUMBERS, 0),
        "visible": course["visible"],
        "enablecompletion": course["enablecompletion"],
        "completionnotify": 0,
        "lang": "",
        "theme": "",
        "marker": 0,
        "filters": [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in _FILTERS],
        "courseformatoptions": [
            {"name": "hiddensections", "value": 1},
            {"name": "coursedisplay", "value": 0},
            {"name": "indentation", "value": "1"},
        ],
    }


def existing_course(context: Context, courseid: int) -> dict[str, Any]:
    """Return a course that must be there."""
    course = context.access.course("id", courseid)
    if course is None:
        raise record_missing(context.site.release, "course", id=courseid)
    return course


def open_course(context: Context, course: dict[str, Any], *, wrapped: bool = False) -> None:
    """Raise unless the caller may open the course: ``require_login``. Some functions wrap its error in one of their own."""
    context.require_ready_user()
    why = _why_closed(context, course)
    if not why:
        return
    text = "Course or activity not accessible."
    if wrapped:
        raise MoodleException(
            "errorcoursecontextnotvalid",
            f"You cannot execute functions in the course context (course id:{course['id']}). "
            f"The context error message was: {text}",
        )
    raise MoodleException("requireloginerror", text, why, "core\\exception\\require_login_exception")


def _why_closed(context: Context, course: dict[str, Any]) -> str:
    if not course["visible"] and not context.may("moodle/course:viewhiddencourses"):
        return "Course is hidden"
    if context.may("moodle/course:view"):
        return ""
    mine = context.access.active_courses(context.user["id"], int(time.time()))
    return "" if any(each["id"] == course["id"] for each in mine) else "Not enrolled"


_MANAGE = "moodle/course:managegroups"

CREATE_PARAMETERS = Structure(
    {
        "groups": Many(
            Structure(
                {
                    "courseid": Value(_P.INT),
                    "name": Value(_P.TEXT),
                    "description": Value(_P.RAW),
                    "descriptionformat": Value(_P.INT, Presence.DEFAULT, "1"),
                    "enrolmentkey": optional(_P.RAW),
                    "idnumber": optional(_P.RAW),
                }
            )
        )
    }
)
COURSE_PARAMETERS = Structure({"courseid": Value(_P.INT)})
MEMBERS_PARAMETERS = Structure({"groupids": Many(Value(_P.INT))})
CHANGE_PARAMETERS = Structure({"members": Many(Structure({"groupid": Value(_P.INT), "userid": Value(_P.INT)}))})
GROUPS = Many(
    Structure(
        {
            "id": Value(_P.INT),
            "courseid": Value(_P.INT),
            "name": Value(_P.RAW),
            "description": Value(_P.RAW),
            "descriptionformat": Value(_P.INT),
            "enrolmentkey": Value(_P.RAW),
            "idnumber": Value(_P.RAW),
            "visibility": Value(_P.INT),
            "participation": Value(_P.BOOL),
        }
    )
)
MEMBERS = Many(Structure({"groupid": Value(_P.INT), "userids": Many(Value(_P.INT))}))


def create_groups(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the groups in one transaction and return them in the order sent."""
    with context.access.transaction():
        return [_create(context, group) for group in parameters["groups"]]


def _create(context: Context, group: dict[str, Any]) -> dict[str, Any]:
    if trim(group["name"]) == "":
        raise _refused(context, "Invalid group name")
    beside = context.access.groups(group["courseid"])
    if any(context.access.same(other["name"], group["name"]) for other in beside):
        raise _refused(context, "Group with the same name already exists in the course")
    open_course(context, existing_course(context, group["courseid"]), wrapped=True)
    context.require(_MANAGE)
    idnumber = trim(group.get("idnumber", ""))
    if not is_empty(idnumber) and any(context.access.same(other["idnumber"], idnumber) for other in beside):
        raise MoodleException("idnumbertaken", "This ID number is already in use")
    check_writable(context.site, "INSERT INTO mdl_groups")
    row = {name: group[name] for name in ("courseid", "name", "description")} | {"idnumber": idnumber}
    return _shown({**row, "id": context.access.add_group(row)}, "")


def _shown(group: dict[str, Any], enrolmentkey: str | None) -> dict[str, Any]:
    return {
        **group,
        "descriptionformat": 1,
        "enrolmentkey": enrolmentkey,
        "visibility": 0,
        "participation": True,
    }


def get_course_groups(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of a course."""
    open_course(context, existing_course(context, parameters["courseid"]), wrapped=True)
    context.require(_MANAGE)
    return [_shown(group, None) for group in context.access.groups(parameters["courseid"])]


def get_group_members(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ids of who is in each group."""
    groups = [_managed(context, groupid) for groupid in parameters["groupids"]]
    return [{"groupid": group["id"], "userids": context.access.group_members(group["id"])} for group in groups]


def add_group_members(context: Context, parameters: dict[str, Any]) -> None:
    """Put each in a group, in one transaction: only who is enrolled; who is in it already is passed over without a word."""
    with context.access.transaction():
        for member in parameters["members"]:
            group = _managed(context, member["groupid"])
            if not context.access.is_enrolled(group["courseid"], _user(context, member["userid"])):
                raise _refused(context, "Only enrolled users may be members of groups")
            check_writable(context.site, "INSERT INTO mdl_groups_members")
            context.access.add_group_member(group["id"], member["userid"])


def delete_group_members(context: Context, parameters: dict[str, Any]) -> None:
    """Take each out of a group, in one transaction; who is not in it is passed over without a word."""
    with context.access.transaction():
        for member in parameters["members"]:
            group = _managed(context, member["groupid"])
            check_writable(context.site, "DELETE FROM mdl_groups_members")
            context.access.remove_group_member(group["id"], _user(context, member["userid"]))


def _managed(context: Context, groupid: int) -> dict[str, Any]:
    """Return a group that must be there, in a course that may be opened, and that the caller may manage."""
    group = context.access.group(groupid)
    if group is None:
        raise record_missing(context.site.release, "groups", id=groupid)
    open_course(context, existing_course(context, group["courseid"]), wrapped=True)
    context.require(_MANAGE)
    return group


def _user(context: Context, userid: int) -> int:
    user = context.accounts.get(userid)
    if user is None or user["deleted"]:
        raise record_missing(context.site.release, "user", id=userid, deleted=0, mnethostid="1")
    return userid


def _refused(context: Context, reason: str) -> InvalidParameter:
    return InvalidParameter(reason, show_debuginfo=context.site.shows_debuginfo())
