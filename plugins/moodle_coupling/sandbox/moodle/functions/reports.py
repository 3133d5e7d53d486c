"""``core_reportbuilder_list_reports`` and ``core_reportbuilder_retrieve_report``: custom reports on users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.database import collation_key
from moodle_coupling.sandbox.moodle.descriptions import WARNINGS, Many, Presence, Structure, Value
from moodle_coupling.sandbox.moodle.exceptions import MoodleException, fullname, record_missing
from moodle_coupling.sandbox.moodle.functions.lookup import picture_url
from moodle_coupling.sandbox.moodle.reports import cell, heading

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.reports import CustomReport

_P = ParamType
_GUEST, _ADMIN = 1, 2
_SOURCE = "core_user\\reportbuilder\\datasource\\users"
_VIEW_ALL = "moodle/reportbuilder:viewall"
_PAGING = {"page": Value(_P.INT, Presence.DEFAULT, "0"), "perpage": Value(_P.INT, Presence.DEFAULT, "10")}
LIST_PARAMETERS = Structure(_PAGING)
RETRIEVE_PARAMETERS = Structure({"reportid": Value(_P.INT), **_PAGING})
_DETAILS = Structure(
    {
        **{name: Value(_P.RAW) for name in ("name", "source")},
        "type": Value(_P.INT),
        "uniquerows": Value(_P.BOOL),
        "conditiondata": Value(_P.RAW),
        "settingsdata": Value(_P.RAW),
        "contextid": Value(_P.INT),
        "component": Value(_P.RAW),
        "area": Value(_P.RAW),
        **{name: Value(_P.INT) for name in ("itemid", "usercreated", "id", "timecreated", "timemodified")},
        "usermodified": Value(_P.INT),
        "sourcename": Value(_P.RAW),
        "tags": Many(Value(_P.RAW)),
        "customfields": Structure({"data": Many(Value(_P.RAW))}, Presence.OPTIONAL),
        "modifiedby": Structure(
            {
                "id": Value(_P.INT),
                **{
                    name: Value(_P.RAW)
                    for name in (
                        "email", "idnumber", "phone1", "phone2", "department", "institution", "fullname", "identity",
                        "profileurl", "profileimageurl", "profileimageurlsmall",
                    )
                },
            }
        ),
    }
)  # fmt: skip
LISTED = Structure({"reports": Many(_DETAILS), "warnings": WARNINGS})
RETRIEVED = Structure(
    {
        "details": _DETAILS,
        "data": Structure(
            {
                "headers": Many(Value(_P.RAW)),
                "rows": Many(Structure({"columns": Many(Value(_P.RAW))})),
                "totalrowcount": Value(_P.INT),
            }
        ),
        "warnings": WARNINGS,
    }
)


def list_reports(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the reports the caller may see, by name."""
    context.require_ready_user()
    if not (context.may("moodle/reportbuilder:view") or context.may(_VIEW_ALL)):
        raise _no_access(context)
    seen = sorted((r for r in context.site.reports if _may_see(context, r)), key=lambda r: (r.name.lower(), r.id))
    page = seen[parameters["page"] * parameters["perpage"] :][: parameters["perpage"]]
    return {"reports": [_details(context, report) for report in page], "warnings": []}


def retrieve_report(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return one page of a report: everyone who is not deleted, but for guest; administrators and service users too."""
    report = next((r for r in context.site.reports if r.id == parameters["reportid"]), None)
    if report is None:
        raise record_missing(context.site.release, "reportbuilder_report", id=parameters["reportid"])
    context.require_ready_user()
    if not _may_see(context, report):
        raise _no_access(context)
    ids = _sorted(report, context, parameters["page"])
    start = parameters["page"] * parameters["perpage"]
    shown = ids[start : start + parameters["perpage"]]
    by_id = {user["id"]: user for user in context.accounts.find("id", shown)}
    part = [by_id[userid] for userid in shown if userid in by_id]
    context.work.report_rows += len(part)
    profiles = context.accounts.profiles(user["id"] for user in part)
    site = context.site
    return {
        "details": _details(context, report),
        "data": {
            "headers": [heading(column, site) for column in report.columns],
            "rows": [
                {"columns": [cell(column, user, profiles[user["id"]], site) for column in report.columns]}
                for user in part
            ],
            "totalrowcount": len(ids),
        },
        "warnings": [],
    }


def _may_see(context: Context, report: CustomReport) -> bool:
    if context.may(_VIEW_ALL):
        return True
    return context.may("moodle/reportbuilder:view") and context.user["id"] in report.audience


def _no_access(context: Context) -> MoodleException:
    namespace = "core_reportbuilder\\" if context.site.release == "4.5" else "core_reportbuilder\\exception\\"
    return MoodleException(
        "errorreportview", "You cannot view this report", None, f"{namespace}report_access_exception"
    )


def _sorted(report: CustomReport, context: Context, page: int) -> list[int]:
    rows = context.accounts.column("suspended", report.sort or "id")
    rows = [row for row in rows if row[0] != _GUEST and not (report.hides_suspended and row[1])]
    if report.sort:
        rows.sort(key=lambda row: (collation_key(str(row[2])), row[0]))
    elif page % 2:
        # Nothing is promised: a database may well go through its table the other way round for another page.
        rows.reverse()
    return [row[0] for row in rows]


def _details(context: Context, report: CustomReport) -> dict[str, Any]:
    admin = context.accounts.get(_ADMIN) or context.user
    url = context.site.siteurl
    return {
        "name": report.name,
        "source": _SOURCE,
        "type": 0,
        "uniquerows": False,
        "conditiondata": None,
        "settingsdata": None,
        "contextid": 1,
        "component": "",
        "area": "",
        "itemid": 0,
        "usercreated": _ADMIN,
        "id": report.id,
        "timecreated": admin["timecreated"],
        "timemodified": admin["timecreated"],
        "usermodified": _ADMIN,
        "sourcename": "Users",
        "tags": [],
        **({} if context.site.release == "4.5" else {"customfields": {"data": []}}),
        "modifiedby": {
            "id": admin["id"],
            **{name: admin[name] for name in ("email", "idnumber", "phone1", "phone2", "department", "institution")},
            "fullname": fullname(admin),
            "identity": admin["email"],
            "profileurl": f"{url}/user/profile.php?id={admin['id']}",
            "profileimageurl": picture_url(url, "f1"),
            "profileimageurlsmall": picture_url(url, "f2"),
        },
    }
