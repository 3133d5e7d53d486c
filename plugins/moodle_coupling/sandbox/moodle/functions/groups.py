"""``core_group_…``: the groups of a course and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, MoodleException, record_missing
from moodle_coupling.sandbox.moodle.functions.accounts import check_writable
from moodle_coupling.sandbox.moodle.functions.courses import existing_course, open_course
from moodle_coupling.sandbox.moodle.php import is_empty, trim

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

_P = ParamType
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
