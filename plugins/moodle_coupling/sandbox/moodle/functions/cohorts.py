"""``core_cohort_…``: the site's cohorts and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.access import SYSTEM
from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import WARNINGS, Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.exceptions import (
    InvalidParameter,
    MoodleException,
    format_string,
    record_missing,
    write_failed,
)
from moodle_coupling.sandbox.moodle.functions.accounts import check_writable
from moodle_coupling.sandbox.moodle.php import is_empty

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

_P = ParamType
_VIEW, _ASSIGN, _MANAGE = "moodle/cohort:view", "moodle/cohort:assign", "moodle/cohort:manage"
_WIDTHS = {"name": 254, "idnumber": 100}
_SYSTEM_CONTEXT = 1

_TYPE_AND_VALUE = Structure({"type": Value(_P.TEXT), "value": Value(_P.RAW)})
_COHORT_IDS = Many(Value(_P.INT))
GET_PARAMETERS = Structure({"cohortids": Many(Value(_P.INT), Presence.OPTIONAL)})
_CONTEXT = Structure(
    {"contextid": optional(_P.INT), "contextlevel": optional(_P.ALPHA), "instanceid": optional(_P.INT)}
)
SEARCH_PARAMETERS = Structure(
    {
        "query": Value(_P.RAW),
        "context": _CONTEXT,
        "includes": Value(_P.ALPHA, Presence.DEFAULT, "parents"),
        "limitfrom": Value(_P.INT, Presence.DEFAULT, "0"),
        "limitnum": Value(_P.INT, Presence.DEFAULT, "25"),
    }
)
CREATE_PARAMETERS = Structure(
    {
        "cohorts": Many(
            Structure(
                {
                    "categorytype": _TYPE_AND_VALUE,
                    "name": Value(_P.RAW),
                    "idnumber": Value(_P.RAW),
                    "description": optional(_P.RAW),
                    "descriptionformat": Value(_P.INT, Presence.DEFAULT, "1"),
                    "visible": optional(_P.BOOL),
                    "theme": optional(_P.THEME),
                }
            )
        )
    }
)
DELETE_PARAMETERS = MEMBERS_PARAMETERS = Structure({"cohortids": _COHORT_IDS})
ADD_MEMBERS_PARAMETERS = Structure(
    {"members": Many(Structure({"cohorttype": _TYPE_AND_VALUE, "usertype": _TYPE_AND_VALUE}))}
)
DELETE_MEMBERS_PARAMETERS = Structure(
    {"members": Many(Structure({"cohortid": Value(_P.INT), "userid": Value(_P.INT)}))}
)

_COHORT: dict[str, Any] = {
    "id": Value(_P.INT),
    "name": Value(_P.RAW),
    "idnumber": Value(_P.RAW),
    "description": Value(_P.RAW),
    "descriptionformat": Value(_P.INT),
    "visible": Value(_P.BOOL),
    "theme": optional(_P.THEME),
}
CREATED = Many(Structure(_COHORT))
COHORTS = Many(Structure({**_COHORT, "customfields": Many(Value(_P.RAW))}))
SEARCHED = Structure({"cohorts": COHORTS})
MEMBERS = Many(Structure({"cohortid": Value(_P.INT), "userids": Many(Value(_P.INT))}))
ADDED = Structure({"warnings": WARNINGS})


def get_cohorts(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cohorts of these ids, or all; those that are not there are left out. Hidden ones are shown too."""
    wanted = parameters.get("cohortids")
    found = [c for c in context.access.cohorts() if not wanted or c["id"] in wanted]
    for _ in found:
        context.require_ready_user()
        context.require_any(_MANAGE, _VIEW)
    return [{**_shown(cohort), "customfields": []} for cohort in found]


def search_cohorts(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return cohorts by name: those of the system (``self``), or all; above the system (``parents``) there are none."""
    asked, includes = parameters["context"], parameters["includes"]
    if asked.get("contextlevel") != "system" and asked.get("contextid") != _SYSTEM_CONTEXT:
        raise record_missing(context.site.release, "context", id=asked.get("contextid", 0))
    context.require_any(_MANAGE, _VIEW)
    context.require_ready_user()
    found = context.access.search_cohorts(parameters["query"])
    if includes not in ("self", "all", "parents"):
        raise MoodleException("Invalid search scope", "error/Invalid search scope")
    if includes != "all":
        found = [cohort for cohort in found if cohort["categoryid"] == SYSTEM]
    start, count = parameters["limitfrom"], parameters["limitnum"]
    page = found[start : start + count] if count else found[start:]
    return {"cohorts": [{**_shown(cohort), "customfields": []} for cohort in page]}


def _shown(cohort: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": cohort["id"],
        "name": format_string(cohort["name"]),
        "idnumber": cohort["idnumber"],
        "description": cohort["description"],
        "descriptionformat": 1,
        "visible": bool(cohort["visible"]),
        "theme": "",
    }


def create_cohorts(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the cohorts in one transaction and return them in the order sent."""
    with context.access.transaction():
        return [_create(context, cohort) for cohort in parameters["cohorts"]]


def _create(context: Context, cohort: dict[str, Any]) -> dict[str, Any]:
    categoryid = _category(context, **cohort["categorytype"])
    if not is_empty(cohort["idnumber"]) and context.access.cohort("idnumber", cohort["idnumber"]):
        raise _refused(context, f"record already exists: idnumber={cohort['idnumber']}")
    context.require_ready_user()
    context.require(_MANAGE)
    check_writable(context.site, "INSERT INTO mdl_cohort")
    for name, width in _WIDTHS.items():
        if len(cohort[name]) > width:
            raise write_failed(f"Data too long for column '{name}' at row 1\nINSERT INTO mdl_cohort")
    row = {name: cohort.get(name, "") for name in ("name", "idnumber", "description")}
    row |= {"visible": int(cohort.get("visible", True)), "categoryid": categoryid}
    return _shown({**row, "id": context.access.add_cohort(row)})


def _category(context: Context, type: str, value: str) -> int:  # noqa: A002 - Moodle's name
    if type == "system":
        return SYSTEM
    if type not in ("id", "idnumber"):
        raise _refused(context, f"category type must be id, idnumber or system:{type}")
    found = context.access.category_by(type, value)
    if found is None:
        raise _refused(context, f"category not exists: category {type} = {value}")
    return found


def delete_cohorts(context: Context, parameters: dict[str, Any]) -> None:
    """Delete the cohorts, or none where one is not there."""
    with context.access.transaction():
        for cohortid in parameters["cohortids"]:
            _existing(context, cohortid)
            context.require_ready_user()
            context.require(_MANAGE)
            check_writable(context.site, "DELETE FROM mdl_cohort")
            context.access.remove_cohort(cohortid)


def get_cohort_members(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ids of who is in each cohort, and nothing else of them."""
    found = []
    for cohortid in parameters["cohortids"]:
        _existing(context, cohortid)
        context.require_ready_user()
        context.require_any(_MANAGE, _VIEW)
        found.append({"cohortid": cohortid, "userids": context.access.members(cohortid)})
    return found


def add_cohort_members(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Put each in a cohort and return a warning for each who cannot be, or is in it already; the others are in."""
    with context.access.transaction():
        said = [_add(context, member["cohorttype"], member["usertype"]) for member in parameters["members"]]
    return {"warnings": [{"warningcode": code, "message": message} for code, message in filter(None, said)]}


def _add(context: Context, cohort: dict[str, str], user: dict[str, str]) -> tuple[str, str] | None:
    if cohort["type"] not in ("id", "idnumber"):
        return "1", f"invalid parameter: cohortype={cohort['type']}"
    if user["type"] not in ("id", "username"):
        return "1", f"invalid parameter: usertype={user['type']}"
    found = context.access.cohort(cohort["type"], cohort["value"])
    if found is None:
        return "2", f"cohort {cohort['type']}={cohort['value']} not exists"
    userid = _user(context, user["type"], user["value"])
    if userid is None:
        return "2", f"user {user['type']}={user['value']} not exists"
    if context.access.is_member(found["id"], userid):
        return "3", f"record already exists: cohort({cohort['type']}={cohort['value']} {user['type']}={user['value']})"
    context.require_ready_user()
    context.require_any(_MANAGE, _ASSIGN)
    check_writable(context.site, "INSERT INTO mdl_cohort_members")
    context.access.add_member(found["id"], userid)
    context.work.members += 1
    return None


def _user(context: Context, field: str, value: str) -> int | None:
    values: list[str | int] = [int(value) if field == "id" and value.isdecimal() else value]
    return next((int(row["id"]) for row in context.accounts.find(field, values) if not row["deleted"]), None)


def delete_cohort_members(context: Context, parameters: dict[str, Any]) -> None:
    """Take each out of a cohort, in one transaction; who is not in it is passed over without a word."""
    with context.access.transaction():
        for member in parameters["members"]:
            _existing(context, member["cohortid"])
            if _user(context, "id", str(member["userid"])) is None:
                raise record_missing(context.site.release, "user", id=member["userid"], deleted=0, mnethostid="1")
            context.require_ready_user()
            context.require_any(_MANAGE, _ASSIGN)
            check_writable(context.site, "DELETE FROM mdl_cohort_members")
            context.access.remove_member(member["cohortid"], member["userid"])
            context.work.members += 1


def _existing(context: Context, cohortid: int) -> None:
    if context.access.cohort("id", cohortid) is None:
        raise record_missing(context.site.release, "cohort", id=cohortid)


def _refused(context: Context, reason: str) -> InvalidParameter:
    return InvalidParameter(reason, show_debuginfo=context.site.shows_debuginfo())
