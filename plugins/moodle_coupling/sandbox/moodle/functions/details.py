"""What one caller gets to see of one account: Moodle's ``user_get_user_details``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType, clean
from moodle_coupling.sandbox.moodle.php import is_empty
from moodle_coupling.sandbox.moodle.wording import format_string, fullname

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
