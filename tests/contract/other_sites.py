"""The sites of the recordings from 310 on, and what a recording's ``site_before`` says of one before its call."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from moodle_coupling.sandbox.moodle import FUNCTIONS, REPORT_FUNCTIONS, CustomReport, ProfileField
from moodle_coupling.sandbox.moodle.site import LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract.comparing import Ids
    from contract.recording import Recording

    from moodle_coupling.sandbox.moodle import SandboxMoodle

    Call = Callable[[str, dict[str, Any]], Any]

SERVICE_USER = 3
TIMEZONE = "Europe/London"
_DATABASES = {"5.1": "postgresql", "4.5": "mariadb"}
_PROFILE_FIELDS = [
    ProfileField("functie", "Functie"),
    ProfileField("overmij", "Over mij", datatype="textarea"),
    ProfileField("kleur", "Kleur", datatype="menu", options=("Rood", "Groen", "Blauw")),
    ProfileField("nieuwsbrief", "Nieuwsbrief", datatype="checkbox"),
    ProfileField("geboren", "Geboortedatum", datatype="datetime", startyear=1990, endyear=2030),
    ProfileField("afspraak", "Afspraak", datatype="datetime", startyear=1990, endyear=2030, with_time=True),
    ProfileField("skypenaam", "Skype", datatype="social"),
]
_MAY_ASSIGN = {"none": (), "the role of the service user may assign Student (5)": (5,)}
_SETTINGS = ("extendedusernamechars", "allowaccountssameemail", "hiddenuserfields", "showuseridentity")
_REPORTS = {1: "Moodle coupling", 3: "Alle velden"}
_ALL_FIELDS = (
    "username", "idnumber", "email", "fullnamewithlink", "fullname", "firstname", "suspended", "auth", "city", "country",
    "lastaccess", "timecreated", "confirmed", *(f"profilefield_{field.shortname}" for field in _PROFILE_FIELDS),
)  # fmt: skip
_COLUMNS = {1: ("username", "idnumber", "email", "fullnamewithlink"), 3: _ALL_FIELDS}
_MOMENT = "%A, %d %B %Y, %I:%M %p"


def _described(field: ProfileField) -> dict[str, Any]:
    """Give a field as a recording describes it: ``param1`` to ``param3`` mean something else for every type."""
    values = asdict(field)
    parameters = {
        "text": ("30", str(field.maxlength), ""),
        "menu": ("\n".join(field.options), "", ""),
        "datetime": (str(field.startyear), str(field.endyear), "1" if field.with_time else None),
        "social": (field.network, "", ""),
    }.get(field.datatype, ("", "", ""))
    return {
        **{name: values[name] for name in ("shortname", "datatype", "name")},
        "defaultdata": field.default(),
        **dict(zip(("param1", "param2", "param3"), parameters, strict=True)),
    }


_DESCRIBED = [_described(field) for field in _PROFILE_FIELDS]


def site_settings(version: str) -> dict[str, Any]:
    """Give the settings of the site on which these recordings of a version were made."""
    return {
        "database": _DATABASES[version],
        "siteurl": "https://moodle.example.org",
        "timezone": TIMEZONE,
        "profile_fields": _PROFILE_FIELDS,
    }


@contextmanager
def as_before(site: SandboxMoodle, recording: Recording) -> Iterator[None]:
    """Give the site the settings, reports and rights that it had for this call, for the length of a block."""
    before = recording.data.get("site_before", {})
    settings = {name: before[name] for name in _SETTINGS if name in before}
    assert before.get("profile_field", _DESCRIBED[0]) in _DESCRIBED
    assert before.get("site_timezone", TIMEZONE) == TIMEZONE
    if "role_allow_assign" in before:
        settings["assignable_roles"] = _MAY_ASSIGN[before["role_allow_assign"]]
    if "report" in before:
        settings["reports"] = [_report(recording)]
    allowed = set(before.get("capabilities_of_the_service_user", LEAST_CAPABILITIES | {"moodle/reportbuilder:view"}))
    allowed |= set(before.get("capabilities_added", ()))
    allowed -= {before.get("capability_taken_away", "")}
    with ExitStack() as stack:
        stack.enter_context(site.changed(**settings))
        site.restrict_token(functions=(*FUNCTIONS, *REPORT_FUNCTIONS), capabilities=frozenset(allowed))
        stack.callback(site.restrict_token)
        yield


def _report(recording: Recording) -> CustomReport:
    number = int(recording.data["params"].get("reportid", 1))
    number = number if number in _REPORTS else 1
    audience = () if "not in its audience" in recording.data["site_before"]["report"] else (SERVICE_USER,)
    return CustomReport(number, _REPORTS[number], _COLUMNS[number], audience=audience)


def make_ready(site: SandboxMoodle, recording: Recording, ids: Ids, call: Call) -> None:
    """Make the accounts and values that the recording says were there, as the web service would where they were sent."""
    before = recording.data.get("site_before", {})
    created = recording.body if recording.function == "core_user_create_users" else None
    if isinstance(created, list):
        site.table.reserve_ids(created[0]["id"])  # so that those of the calls left out keep their place
    for account in before.get("accounts", ()):
        if "email" in account and site.account(account["username"]) is None:
            _create(call, {"auth": "oidc", **account})
    if before.get("account_2") == "suspended":
        second = site.account(before["accounts"][1]["username"])
        assert second is not None
        site.table.update(second["id"], {"suspended": 1})
    if before.get("account", "").startswith("rec.") and " has " in before["account"]:
        username, email = before["account"].split(" has ")
        _add(site, {"username": username, "email": email, "firstname": "Vera", "lastname": "Borgen"})
    for seen in _accounts_in(recording.body):
        _add(site, seen)
    for cells in _report_rows(recording):
        _set_time_created(site, cells)
    _learn_ids(site, recording, ids)
    if "value_before" in before:
        (user,) = recording.data["params"]["users"]
        value = {"type": before["profile_field"]["shortname"], "value": before["value_before"]}
        answer = call("core_user_update_users", {"users": [{"id": ids.here(user["id"]), "customfields": [value]}]})
        assert answer == {"warnings": []}, answer


def _create(call: Call, account: dict[str, Any]) -> None:
    answer = call("core_user_create_users", {"users": [account]})
    assert isinstance(answer, list), answer


def _add(site: SandboxMoodle, seen: dict[str, Any]) -> None:
    """Put in an account as it was seen, where no recorded call had made it (some calls were left out)."""
    if site.account(seen["username"]) is not None:
        return
    names = (
        "id",
        "username",
        "firstname",
        "lastname",
        "email",
        "idnumber",
        "auth",
        "city",
        "country",
        "timezone",
        "lang",
    )
    names += ("department", "institution", "firstaccess", "lastaccess")
    account = {name: seen[name] for name in names if name in seen}
    account |= {"auth": seen.get("auth", "oidc"), "suspended": int(seen.get("suspended", False))}
    account |= {f"profile_field_{field['shortname']}": field["value"] for field in seen.get("customfields", ())}
    site.add_accounts([account])


def _accounts_in(body: Any) -> list[dict[str, Any]]:
    users = body.get("users", []) if isinstance(body, dict) else body
    return [user for user in users or () if "firstname" in user]


def _report_rows(recording: Recording) -> list[dict[str, str]]:
    body = recording.body
    if not isinstance(body, dict) or "data" not in body:
        return []
    return [dict(zip(body["data"]["headers"], row["columns"], strict=True)) for row in body["data"]["rows"]]


def _set_time_created(site: SandboxMoodle, cells: dict[str, str]) -> None:
    account = site.account(cells["Username"])
    if account is not None and "Time created" in cells:
        moment = datetime.strptime(cells["Time created"], _MOMENT).replace(tzinfo=ZoneInfo(TIMEZONE))
        site.table.update(account["id"], {"timecreated": int(moment.timestamp())})


def _learn_ids(site: SandboxMoodle, recording: Recording, ids: Ids) -> None:
    """Learn which id here stands for a recorded one, by the username beside it."""
    pairs = [(user["username"], user["id"]) for user in _accounts_in(recording.body) if "username" in user]
    for cells in _report_rows(recording):
        link = re.search(r"id=(\d+)", cells["Full name with link"])
        assert link is not None
        pairs.append((cells["Username"], int(link[1])))
    for username, recorded in pairs:
        account = site.account(username)
        if account is not None:
            ids.known.setdefault(recorded, account["id"])
