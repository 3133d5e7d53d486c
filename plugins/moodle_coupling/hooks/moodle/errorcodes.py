"""Moodle's error codes, and which error of ours each one is."""

from __future__ import annotations

import html
import re
from typing import Final

from moodle_coupling.errors import (
    AnswerLost,
    MoodleAccessDenied,
    MoodleAnswerUnreadable,
    MoodleError,
    MoodleFunctionMissing,
    MoodleMaintenance,
    MoodleOverloaded,
    MoodleParameterRefused,
    MoodleRecordRefused,
    MoodleServiceUserBlocked,
    MoodleTokenInvalid,
)

SITE_INFO: Final = "core_webservice_get_site_info"

_READ: Final = re.compile(r"_(get|search|retrieve|list|count)_")

_DENIED: Final[dict[str, type[MoodleError]]] = {
    "invalidtoken": MoodleTokenInvalid,
    "invalidtimedtoken": MoodleTokenInvalid,
    "wrongusernamepassword": MoodleTokenInvalid,
    "nopermissions": MoodleAccessDenied,
    "nopermission": MoodleAccessDenied,
    "requireloginerror": MoodleAccessDenied,
    "enablewsdescription": MoodleAccessDenied,
    "servicenotavailable": MoodleAccessDenied,
    "sslonlyaccess": MoodleAccessDenied,
    "missingrequiredcapability": MoodleAccessDenied,
    "errorreportview": MoodleAccessDenied,
    "forcepasswordchangenotice": MoodleServiceUserBlocked,
    "sitepolicynotagreed": MoodleServiceUserBlocked,
    "usernotfullysetup": MoodleServiceUserBlocked,
    "passwordisexpired": MoodleServiceUserBlocked,
    "usernotconfirmed": MoodleServiceUserBlocked,
}
_LATER: Final[dict[str, type[MoodleError]]] = {
    "sitemaintenance": MoodleMaintenance,
    "upgraderunning": MoodleMaintenance,
    "upgraderequired": MoodleMaintenance,
    "dbconnectionfailed": MoodleOverloaded,
    "locktimeout": MoodleOverloaded,
    "cannotobtainlock": MoodleOverloaded,
}
_REFUSED: Final[dict[str, type[MoodleError]]] = {
    "invalidparameter": MoodleParameterRefused,
    "invalidresponse": MoodleAnswerUnreadable,
}
_BY_CODE: Final = {**_DENIED, **_LATER, **_REFUSED}

UNKNOWN_FUNCTION: Final = frozenset({"invalidrecordunknown", "invalidrecord", "accessexception"})
_DATABASE_TROUBLE: Final = frozenset({"dmlreadexception", "dmltransactionexception", "dmlexception", "ddlexecuteerror"})

_ADVICE: Final = {
    "invalidtoken": "Make a token for the service user in Moodle (Server > Web services > Manage tokens) and put it in the "
    "connection. A token that expired is deleted by Moodle at its first use after that.",
    "errorreportview": "Give the service user's role moodle/reportbuilder:viewall, or put the service user in the report's "
    "audience; and see that custom reports are on (Site administration > Advanced features).",
    "nopermissions": "Give the service user's role this capability.",
    "forcepasswordchangenotice": "Log in once as the service user and change its password, or untick 'force password change'.",
    "sitepolicynotagreed": "Log in once as the service user and agree to the site policy.",
    "usernotfullysetup": "The service user's own profile lacks something required, perhaps a profile field that was made "
    "required lately. Fill it in, or make the field optional.",
    "invalidparameter": "Which value, only a site with debugging says.",
    "invalidresponse": "Some account in the answer does not fit the site's own rules.",
    "sitemaintenance": "Try again when the maintenance is over.",
    "upgraderunning": "Try again when the upgrade is done.",
    "dbconnectionfailed": "The site's database is away; try again later.",
}


def is_read(function: str) -> bool:
    """Whether a web service function only reads, so that asking twice does no harm."""
    return bool(_READ.search(function))


def answer_lost(function: str, what: str, advice: str = "") -> AnswerLost:
    """Give the error for a call without a whole answer; ``what`` happened, as a clause, and what can be done about it.

    A read is never said to have been carried out: it changes nothing.
    """
    then = "It only reads, so nothing was changed." if is_read(function) else "The call may have been carried out."
    return AnswerLost(f"{function}: {what}. {then} {advice}".rstrip(), function=function)


def plain_text(text: str, limit: int = 500) -> str:
    """Give a text of Moodle's without tags, entities and line breaks, cut at ``limit`` characters."""
    # Four characters for one are enough for tags and entities; more of a foreign text is not looked at.
    words = html.unescape(re.sub(r"<[^<>]*>", " ", text[: limit * 4 + 400]))
    words = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", words).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def error_for(
    errorcode: str, message: str, debuginfo: str = "", *, function: str, functions: frozenset[str] | None = None
) -> MoodleError:
    """Give the error for one of Moodle's error codes; ``functions`` are those of the token's service where known."""
    # A weak password comes with its whole HTML message as the error code.
    code = errorcode if re.fullmatch(r"[A-Za-z0-9_/.-]{1,60}", errorcode) else ""
    kind = _kind(code, debuginfo, function, functions)
    said = _what_moodle_said(errorcode, code, message)
    advice = _access_advice(kind, function) if code in UNKNOWN_FUNCTION else _ADVICE.get(code, "")
    details = plain_text(debuginfo, 1000)
    text = f"{function}: {said}" + (f" Debug info: {details}" if details and details not in said else "")
    return kind(f"{text} {advice}".strip(), function=function, errorcode=code, debuginfo=details)


def _what_moodle_said(errorcode: str, code: str, message: str) -> str:
    words = plain_text(message or errorcode)
    # A text that Moodle has no translation for comes as 'error/<code>'.
    words = words.removeprefix("error/").lstrip() or "Moodle gave no message"
    ending = "" if words.endswith((".", "…", "!", "?")) else "."
    return f"{words}{ending}" + (f" [{code}]" if code and code != words else "")


def _kind(code: str, debuginfo: str, function: str, functions: frozenset[str] | None) -> type[MoodleError]:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code.startswith("wsaccessuser"):
        return MoodleServiceUserBlocked
    if code in UNKNOWN_FUNCTION:
        return _access_kind(code, debuginfo, function, functions)
    if code == "dmlwriteexception" and re.search(r"read.?only", debuginfo, re.IGNORECASE):
        return MoodleOverloaded
    if code in _DATABASE_TROUBLE:
        return MoodleOverloaded if is_read(function) else AnswerLost
    return MoodleRecordRefused


def _access_kind(code: str, debuginfo: str, function: str, functions: frozenset[str] | None) -> type[MoodleError]:
    """Tell apart what Moodle lumps together: only the list of the service's functions or the debug info can."""
    if functions is not None and function not in functions:
        return MoodleFunctionMissing
    if "external_functions" in debuginfo:
        return MoodleFunctionMissing
    if code != "accessexception":
        return MoodleRecordRefused
    if re.search(r"token expired|IP:", debuginfo):
        return MoodleTokenInvalid
    if functions is None and function != SITE_INFO and "Access to the function" in debuginfo:
        return MoodleFunctionMissing
    return MoodleAccessDenied


def _access_advice(kind: type[MoodleError], function: str) -> str:
    if kind is MoodleFunctionMissing:
        return f"Add {function} to the token's service (Server > Web services > External services > Functions)."
    if kind is MoodleAccessDenied:
        return (
            "Without debugging Moodle does not say which of these it is: the token has expired, it is bound to another IP "
            "address, its service is disabled, the service user is not among the service's users, or lacks the capability "
            "to use web services or the REST protocol."
        )
    if kind is MoodleTokenInvalid:
        return "Check the token's expiry date and IP restriction (Server > Web services > Manage tokens)."
    return ""
