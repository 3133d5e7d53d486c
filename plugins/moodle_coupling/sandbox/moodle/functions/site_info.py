"""``core_webservice_get_site_info``: who the token is, what it may call, and which Moodle this is."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.cleaning import ParamType
from moodle_coupling.sandbox.moodle.descriptions import Many, Presence, Structure, Value, optional
from moodle_coupling.sandbox.moodle.functions.lookup import picture_url
from moodle_coupling.sandbox.moodle.site import RELEASES
from moodle_coupling.sandbox.moodle.wording import fullname

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context

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
