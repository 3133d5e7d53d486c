"""``core_user_get_users_by_field`` and ``core_user_get_users``: looking accounts up, and what one caller gets to see of one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean
from moodle_coupling.sandbox.moodle.database import equality_key, like
from moodle_coupling.sandbox.moodle.descriptions import TYPES, Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.exceptions import InvalidParameter, coding_error, format_string, fullname, unworded
from moodle_coupling.sandbox.moodle.php import is_empty, loosely_equal
from moodle_coupling.sandbox.moodle.site import RELEASES

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.profile_fields import ProfileField


_EVERYONE = 1  # maildisplay: the address is shown to everyone
_VISIBLE_ALL, _VISIBLE_OWN = 2, (1, 3)
_ONLY_WHO_MAY_SEE_ALL = ("auth", "confirmed", "lang", "theme", "mailformat", "trackforums")


def user_details(context: Context, users: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Return per user what the caller may see, None where that is nothing."""
    profiles = context.accounts.profiles(user["id"] for user in users)
    context.work.accounts += len(users)
    return [_details(context, user, profiles[user["id"]]) for user in users]


def _details(context: Context, user: dict[str, Any], profile: dict[str, str]) -> dict[str, Any] | None:
    own = user["id"] == context.user["id"]
    if not own and not context.may("moodle/user:viewdetails"):
        return None
    sees_all = own or context.may("moodle/user:viewalldetails")
    details = {
        "id": user["id"],
        "firstname": user["firstname"],
        "lastname": user["lastname"],
        "fullname": fullname(user),
        **_picture(context),
    }
    if sees_all:
        details |= {"username": user["username"], "department": user["department"]}
        details |= {name: user[name] for name in ("idnumber", "institution") if not is_empty(user[name])}
        details |= {name: user[name] for name in _ONLY_WHO_MAY_SEE_ALL}
        details["lang"] = clean(user["lang"], ParamType.LANG, context.site)
        details["theme"] = clean(user["theme"], ParamType.THEME, context.site)
    details |= _identity(context, user, own=own)
    details |= _not_hidden(context, user)
    details |= _for_admins(context, user, own=own)
    if not is_empty(user["address"]):
        details["address"] = user["address"]
    if user["interests"]:
        details["interests"] = user["interests"]
    fields = _custom_fields(context, profile, own=own)
    if fields:
        details["customfields"] = fields
    if own:
        details["preferences"] = _own_preferences(context, user)
    return details


def picture_url(site_url: str, size: str) -> str:
    """Return the address of the picture of someone without a picture."""
    return f"{site_url}/theme/image.php/boost/core/1795560920/u/{size}"


def _picture(context: Context) -> dict[str, str]:
    url = context.site.siteurl
    return {"profileimageurlsmall": picture_url(url, "f2"), "profileimageurl": picture_url(url, "f1")}


def _identity_fields(context: Context) -> tuple[str, ...]:
    """Return what a caller who may see identities sees of them; a field that the site hides is none."""
    shown = context.site.showuseridentity if context.may("moodle/site:viewuseridentity") else ()
    return tuple(name for name in shown if name not in _hidden(context))


def _identity(context: Context, user: dict[str, Any], *, own: bool) -> dict[str, Any]:
    """Return what is shown only as a field of identity. Without that right an e-mail is missing, not empty."""
    shown = _identity_fields(context)
    hidden = "email" in _hidden(context)
    result = {}
    if own or "email" in shown or (user["maildisplay"] == _EVERYONE and not hidden):
        result["email"] = user["email"]
    for name in ("phone1", "phone2"):
        if not is_empty(user[name]) and (name in shown or context.is_admin()):
            result[name] = user[name]
    result |= {name: user[name] for name in ("idnumber", "institution") if name in shown and not is_empty(user[name])}
    if "department" in shown:
        result["department"] = user["department"]
    return result


def _hidden(context: Context) -> tuple[str, ...]:
    return () if context.may("moodle/user:viewhiddendetails") else context.site.hiddenuserfields


def _not_hidden(context: Context, user: dict[str, Any]) -> dict[str, Any]:
    values = {
        "country": user["country"],
        "city": user["city"],
        "timezone": user["timezone"],
        "suspended": bool(user["suspended"]),
        "firstaccess": user["firstaccess"],
        "lastaccess": user["lastaccess"],
    }
    hidden = _hidden(context)
    return {
        name: value
        for name, value in values.items()
        if name not in hidden and not (isinstance(value, str) and is_empty(value))
    }


def _for_admins(context: Context, user: dict[str, Any], *, own: bool) -> dict[str, Any]:
    """Return the description: shown of someone enrolled nowhere only to admins and to that person."""
    enrolled_only = context.site.profilesforenrolledusersonly and not own
    visible = "description" not in _hidden(context) and not enrolled_only
    if user["description"] is None or not (visible or context.is_admin()):
        return {}
    return {"description": user["description"], "descriptionformat": user["descriptionformat"]}


def _custom_fields(context: Context, profile: dict[str, str], *, own: bool) -> list[dict[str, Any]]:
    return [
        {
            "type": field.datatype,
            "value": value,
            "displayvalue": field.display(value, context.site.timezone),
            "name": format_string(field.title()),
            "shortname": field.shortname,
        }
        for field in context.site.profile_fields
        if field.is_shown(value := profile.get(field.shortname, field.default())) and _may_see(context, field, own=own)
    ]


def _may_see(context: Context, field: ProfileField, *, own: bool) -> bool:
    """Return whether the field is shown; even one for nobody is shown to who may see all details (5.1)."""
    if field.visible == _VISIBLE_ALL or (own and field.visible in _VISIBLE_OWN):
        return True
    return context.may("moodle/user:viewalldetails")


def _own_preferences(context: Context, user: dict[str, Any]) -> list[dict[str, Any]]:
    kept = {
        "auth_manual_passwordupdatetime": str(user["timecreated"]),
        "last_time_enrolments_synced": str(user["timecreated"]),
        **context.accounts.preferences(user["id"]),
    }
    # The last one is the one value Moodle answers as a number here.
    loaded = {"name": "_lastloaded", "value": user["timemodified"]}
    return [{"name": name, "value": value} for name, value in kept.items()] + [loaded]


_LOOKUPS = ("id", "idnumber", "username", "email")
_CRITERIA = (*_LOOKUPS, "auth", "firstname", "lastname")
_WITH_WILDCARDS = ("email", "firstname", "lastname")


def get_users_by_field(context: Context, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the accounts with one of the values, deleted ones too, by id; only if the field itself may be seen."""
    field: str = parameters["field"]
    if field not in _LOOKUPS:
        raise coding_error(
            "invalid field parameter",
            f"The search field '{field}' is not supported, look at the web service documentation",
        )
    values = [_cleaned(context, field, value) for value in parameters["values"]]
    found = context.accounts.find(field, values)
    context.require_ready_user()
    return [details for details in user_details(context, found) if details and _filled(details, field)]


def _cleaned(context: Context, field: str, value: str) -> str | int:
    cleaned = clean(value, TYPES[field], context.site)
    if not loosely_equal(value, cleaned):
        raise InvalidParameter(
            f"The field '{field}' value is invalid: {value}(cleaned value: {cleaned})",
            show_debuginfo=context.site.shows_debuginfo(),
        )
    return cleaned


def _filled(details: dict[str, Any], field: str) -> bool:
    """Return whether the caller saw the field; ``0`` counts as nothing there, as ever in PHP."""
    return not is_empty(details.get(field))


def get_users(context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the accounts that meet all criteria; a criterion of unknown name is left aside with a warning."""
    criteria: dict[str, str] = {}
    warnings = []
    for criterion in parameters["criteria"]:
        key = criterion["key"]
        if key in criteria:
            raise unworded("keyalreadyset", f"The key {key} can only be sent once")
        criteria[key] = criterion["value"]
        if key not in _CRITERIA:
            warnings.append(_unsupported(key))
    known = {key: value for key, value in criteria.items() if key in _CRITERIA}
    found = _search(context, known)
    users = [
        details for details in user_details(context, found) if details and all(_filled(details, key) for key in known)
    ]
    return {"users": users, "warnings": warnings}


def _unsupported(key: str) -> dict[str, str]:
    return {
        "item": key,
        "warningcode": "invalidfieldparameter",
        "message": f"The search key '{key}' is not supported, look at the web service documentation",
    }


def _search(context: Context, criteria: dict[str, str]) -> list[dict[str, Any]]:
    cleaned = {key: _search_value(context, key, value) for key, value in criteria.items()}
    quick = next((key for key in ("id", "username", "idnumber") if key in cleaned), None)
    rows = context.accounts.find(quick, [cleaned[quick]]) if quick else _scan(context, cleaned)
    return [
        row
        for row in rows
        if not row["deleted"] and all(_matches(context, row, key, value) for key, value in cleaned.items())
    ]


def _scan(context: Context, cleaned: dict[str, str | int]) -> list[dict[str, Any]]:
    key = next((key for key in _WITH_WILDCARDS if key in cleaned), None)
    if key is None:
        return context.accounts.all()
    column = context.accounts.column(key)
    context.work.rows_searched += len(column)
    fitting = [userid for userid, value in column if like(value, str(cleaned[key]))]
    return context.accounts.find("id", fitting)


def _search_value(context: Context, key: str, value: str) -> str | int:
    kind = ParamType.NOTAGS if key in ("firstname", "lastname") else TYPES[key]
    return clean(value, kind, context.site)


def _matches(context: Context, row: dict[str, Any], key: str, value: str | int) -> bool:
    if key == "id":
        return bool(row["id"] == value)
    if key in _WITH_WILDCARDS:
        return like(row[key], str(value))
    database = context.site.database
    return equality_key(row[key], database) == equality_key(str(value), database)


# ---- ``core_webservice_get_site_info``: who the token is, what it may call, and which Moodle this is ----

_P = ParamType
_BEFORE_UPGRADE = "2024010100"
_FEATURES = {
    "usecomments": 1, "usetags": 1, "enablenotes": 1, "messaging": 1, "enableblogs": 1, "enablecompletion": 1,
    "enablebadges": 1, "messagingallusers": 0, "enablecustomreports": 1, "enableglobalsearch": 0,
    "mnet_dispatcher_mode": 0, "enablecompetencies": 1,
}  # fmt: skip
_QUOTA, _UPLOAD = 100 * 1024 * 1024, 8 * 1024 * 1024

PARAMETERS = Structure({"serviceshortnames": Many(Value(_P.ALPHANUMEXT), Presence.OPTIONAL)})
ANSWER = Structure(
    {
        "sitename": Value(_P.RAW),
        "username": Value(_P.RAW),
        "firstname": Value(_P.TEXT),
        "lastname": Value(_P.TEXT),
        "fullname": Value(_P.TEXT),
        "lang": Value(_P.ALPHANUMEXT),
        "userid": Value(_P.INT),
        "siteurl": Value(_P.RAW),
        "userpictureurl": Value(_P.RAW),
        "functions": Many(Structure({"name": Value(_P.RAW), "version": Value(_P.TEXT)})),
        "downloadfiles": optional(_P.INT),
        "uploadfiles": optional(_P.INT),
        "release": optional(_P.TEXT),
        "version": optional(_P.TEXT),
        "mobilecssurl": optional(_P.RAW),
        "advancedfeatures": Many(Structure({"name": Value(_P.ALPHANUMEXT), "value": Value(_P.INT)})),
        "usercanmanageownfiles": optional(_P.BOOL),
        "userquota": optional(_P.INT),
        "usermaxuploadfilesize": optional(_P.INT),
        "userhomepage": optional(_P.INT),
        "userprivateaccesskey": optional(_P.ALPHANUM),
        "siteid": optional(_P.INT),
        "sitecalendartype": optional(_P.PLUGIN),
        "usercalendartype": optional(_P.PLUGIN),
        "userissiteadmin": optional(_P.BOOL),
        "theme": optional(_P.THEME),
        "limitconcurrentlogins": optional(_P.INT),
        "policyagreed": optional(_P.INT),
    }
)


def get_site_info(context: Context, _parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the site and the token's user. The private access key in it is a secret on a real site."""
    user, site, admin = context.user, context.site, context.is_admin()
    release, version = RELEASES[site.release]
    plugins = f"{version[:8]}00"  # a plugin has a version of its own, the day of the release
    version = _BEFORE_UPGRADE if site.upgrade_pending else version
    return {
        "sitename": site.sitename,
        **{name: user[name] for name in ("username", "firstname", "lastname")},
        "fullname": fullname(user),
        "lang": user["lang"] or site.lang,
        "userid": user["id"],
        "siteurl": site.siteurl,
        "userpictureurl": picture_url(site.siteurl, "f1"),
        "functions": [
            {"name": name, "version": plugins if name.startswith("enrol_") else version}
            for name in context.token.functions
        ],
        "downloadfiles": 0,
        "uploadfiles": 0,
        "release": release,
        "version": version,
        "mobilecssurl": "",
        "advancedfeatures": [{"name": name, "value": value} for name, value in _FEATURES.items()],
        "usercanmanageownfiles": True,
        "userquota": 0 if admin else _QUOTA,
        "usermaxuploadfilesize": -1 if admin else _UPLOAD,
        "userhomepage": 1,
        "userprivateaccesskey": hashlib.sha256(context.token.secret.encode()).hexdigest()[:32],
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": user["calendartype"],
        "userissiteadmin": admin,
        "theme": site.themes[0],
        "limitconcurrentlogins": 0,
        "policyagreed": user["policyagreed"],
    }
