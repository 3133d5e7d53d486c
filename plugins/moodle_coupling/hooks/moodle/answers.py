"""What a Moodle answered, as data or as the error the caller must act on.

Moodle puts nearly every error in an HTTP 200, changes the names of its exception classes between versions, and writes
its texts in the site's language; so the verdict is by ``errorcode`` (:mod:`moodle_coupling.hooks.moodle.answers`).
Seen on Moodle 4.5 and 5.1.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import unescape

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
    MoodleRequestTooLarge,
    MoodleServiceUserBlocked,
    MoodleTokenInvalid,
    NotAMoodle,
)
from moodle_coupling.words.sentence import Sentence, in_turn
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    from collections.abc import Mapping


LARGE_BODY: Final = 64 * 1024
"""Bytes from which a token that did not arrive is blamed on the size; hosts set post_max_size from 1 MB up, and a web
application firewall in front may keep only the first 64 or 128 kB."""

HEAD: Final = 4096
"""Characters of a foreign text in which a hint is looked for, and the longest warning of PHP's that is understood."""
LONGEST_WAIT: Final = 86_400.0
"""Seconds of a Retry-After that are believed: a day."""

_KIND = r"(?:Warning|Notice|Deprecated|Strict Standards|Fatal error|Recoverable fatal error|Parse error|Error)"
# Two parts, so that no part of a text is gone through again for each " in " in it.
_WARNING: Final = re.compile(rf"\s*(?:<br\s*/?>\s*)?(?:<b>)?(?:PHP )?(?P<kind>{_KIND})(?:</b>)?:\s")
_PLACE: Final = re.compile(r"\son line\s+(?:<b>)?\d{1,9}(?:</b>)?\s*(?:<br\s*/?>)?\s*")
_SECRET_KEYS: Final = ("userprivateaccesskey", "privatetoken")


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of the request an answer belongs to. ``functions`` are the service's, None when not known."""

    function: str
    body_bytes: int = 0
    functions: frozenset[str] | None = None


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    function: str,
    *,
    sent_bytes: int = 0,
    functions: frozenset[str] | None = None,
) -> Any:
    """Turn one HTTP answer into the call's data; None is success without content.

    ``sent_bytes`` is the size of the request's body, ``functions`` those of the token's service where known; both make
    the verdict sharper. Raises a MoodleError of the kind the caller should act on. What Moodle calls the user's private
    access key is thrown away.
    """
    sent = Sent(function, sent_bytes, functions)
    text = body.decode("utf-8-sig", errors="replace").strip()
    if status != 200:
        raise _by_status(status, {name.lower(): value for name, value in headers.items()}, text, sent)
    return _read_text(text, sent)


# ---- HTTP statuses that are not 200 ----------------------------------------------------------------------------------


def _by_status(status: int, headers: Mapping[str, str], text: str, sent: Sent) -> MoodleError:
    if 300 <= status < 400:
        return _redirected(status, headers.get("location", ""), sent)
    if status in (429, 503):
        return _try_later(status, headers, text, sent)
    if status == 413:
        return MoodleRequestTooLarge(
            in_call(sent.function, Sentence("moodle.body_refused", bytes=sent.body_bytes)),
            function=sent.function,
        )
    if status in (401, 403, 407):
        return _forbidden(status, text, sent)
    if status >= 500 or status in (408, 499):
        return answer_lost(sent.function, Sentence("moodle.http_no_answer", status=status, hint=_hint(text)))
    return NotAMoodle(
        in_call(sent.function, Sentence("moodle.http_no_moodle", status=status, hint=_hint(text))),
        function=sent.function,
    )


def _redirected(status: int, location: str, sent: Sent) -> MoodleError:
    # Never followed: a POST would become a GET without its body, and the token might go to another host.
    target = re.split(r"[?#]", location, maxsplit=1)[0]
    target = re.sub(r"//[^/@]*@", "//", target).removesuffix("/webservice/rest/server.php")
    https = target.startswith("https://")
    advice = Sentence("moodle.redirects_https.mend" if https else "moodle.redirects.mend")
    said = Sentence("moodle.redirects", status=status, advice=advice)
    if target:
        said = Sentence("moodle.redirects_to", status=status, target=target[:200], advice=advice)
    return NotAMoodle(in_call(sent.function, said), function=sent.function)


def _try_later(status: int, headers: Mapping[str, str], text: str, sent: Sent) -> MoodleError:
    wait = _retry_after(headers.get("retry-after", ""))
    # Moodle's CLI maintenance page is a 503 with Retry-After: 300 (seen on 4.5 and 5.1); its title is translated, so
    # the words only help where the header was lost on the way.
    moodle_page = status == 503 and ("html" in text[:200].lower() and wait is not None)
    if moodle_page or (status == 503 and re.search(r"maintenance|onderhoud|wartung", text[:HEAD], re.IGNORECASE)):
        return MoodleMaintenance(
            in_call(sent.function, Sentence("moodle.maintenance")),
            function=sent.function,
            retry_after=wait,
        )
    return MoodleOverloaded(
        in_call(sent.function, Sentence("moodle.overloaded", status=status, hint=_hint(text))),
        function=sent.function,
        retry_after=wait,
    )


def _retry_after(value: str) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; at most a day."""
    if re.fullmatch(r"\s*[0-9]{1,20}(\.[0-9]{1,20})?\s*", value):
        return min(LONGEST_WAIT, float(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(tz=UTC)).total_seconds()
    return min(LONGEST_WAIT, max(0.0, seconds))


def _forbidden(status: int, text: str, sent: Sent) -> MoodleError:
    if status != 403:
        return NotAMoodle(
            in_call(sent.function, Sentence("moodle.password_asked", status=status)),
            function=sent.function,
        )
    # An empty 403 is what Moodle gives, alike for web services off and REST off (recordings 027 and 028).
    mend = Sentence("moodle.services_off.mend")
    said = Sentence("moodle.services_off", mend=mend)
    if text:
        said = Sentence("moodle.services_off_or_firewall", hint=_hint(text), mend=mend)
    return MoodleAccessDenied(in_call(sent.function, said), function=sent.function)


def title_of(text: str) -> str:
    """Give the title of a page; looked for in its first characters only, '' where there is none."""
    head = text[:HEAD]
    start = re.search(r"<title>", head, re.IGNORECASE)
    end = re.search(r"</title>", head[start.end() :], re.IGNORECASE) if start else None
    return head[start.end() : start.end() + end.start()] if start and end else ""


def _hint(text: str) -> str:
    words = plain_text(title_of(text), 80)
    return f" ('{words}')" if words else ""


# ---- HTTP 200 --------------------------------------------------------------------------------------------------------


def _read_text(text: str, sent: Sent) -> Any:
    warnings, rest = _without_noise(text)
    if any("error" in warning.lower().split(":")[0] for warning in warnings):
        raise answer_lost(sent.function, Sentence("moodle.php_stopped", warning=warnings[0].rstrip(".")))
    if rest.startswith("<?xml"):
        raise _from_xml(rest, warnings, sent)
    data = _parse(rest, text, sent)
    if isinstance(data, dict) and _is_error(data):
        if _was_cut(warnings):
            raise _too_many_variables(sent, carried_out=False)
        raise error_for(
            str(data.get("errorcode") or ""),
            str(data.get("message") or data.get("error") or ""),
            str(data.get("debuginfo") or ""),
            function=sent.function,
            functions=sent.functions,
        )
    if _was_cut(warnings):
        raise _too_many_variables(sent, carried_out=True)
    return _without_secrets(data)


def _is_error(data: Mapping[str, Any]) -> bool:
    return "exception" in data or ("errorcode" in data and ("message" in data or "error" in data))


def _without_secrets(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: value for key, value in data.items() if key not in _SECRET_KEYS}
    return data


def _without_noise(text: str) -> tuple[list[str], str]:
    """Take off the PHP warnings that a site with display_errors prints before (or after) its answer."""
    warnings: list[str] = []
    at = 0
    while (begun := _WARNING.match(text, at)) and (place := _PLACE.search(text, begun.end(), begun.end() + HEAD)):
        said = text[begun.end() : place.start()].rpartition(" in ")[0]
        if not said:
            break
        warnings.append(f"{begun['kind']}: {plain_text(said, 200)}")
        at = place.end()
    return warnings, text[at:]


def _was_cut(warnings: list[str]) -> bool:
    return any("Input variables exceeded" in warning for warning in warnings)


def _too_many_variables(sent: Sent, *, carried_out: bool) -> MoodleError:
    cut = Sentence("moodle.form_cut")
    if carried_out and not is_read(sent.function):
        return answer_lost(sent.function, cut, Sentence("moodle.rest_done"))
    said = in_call(sent.function, Sentence("moodle.form_cut_refused", cut=cut))
    return MoodleRequestTooLarge(said, function=sent.function)


def _parse(rest: str, text: str, sent: Sent) -> Any:
    start = _start_of_json(rest)
    if start is not None:
        data, end = _decoded(rest, start, sent)
        if end and not _without_noise(rest[end:])[1].strip():
            return data
    if not rest:
        raise answer_lost(sent.function, Sentence("moodle.empty"))
    if start is not None and not _is_page(rest):
        raise answer_lost(sent.function, Sentence("moodle.breaks_off", n=len(rest)))
    said = Sentence("moodle.html_page" if "<" in text[:500] else "moodle.something_else", hint=_hint(text))
    raise NotAMoodle(in_call(sent.function, said), function=sent.function)


def _decoded(text: str, start: int, sent: Sent) -> tuple[Any, int]:
    """Give the data that begins at ``start`` and where it ends; 0 where it is no whole JSON."""
    try:
        return json.JSONDecoder(parse_constant=no_number).raw_decode(text, start)
    except ValueError:
        return None, 0
    except RecursionError:
        raise answer_lost(sent.function, Sentence("moodle.too_deep")) from None


def no_number(word: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(word)


def _start_of_json(text: str) -> int | None:
    """Find where the answer begins; a plug-in's debug output may stand before it.

    Only the first place counts: in an answer that breaks off, a later one would pass a part of it off as the whole.
    """
    if re.match(r'[\[{"]|(null|true|false)\b|-?\d+(\.\d+)?$', text):
        return 0
    match = re.search(r'\[\s*[\]{]|\{\s*"|\bnull\s*$', text)
    return match.start() if match else None


def _is_page(text: str) -> bool:
    return bool(re.match(r"<!doctype|<html", text, re.IGNORECASE))


def _from_xml(text: str, warnings: list[str], sent: Sent) -> MoodleError:
    """XML means that ``moodlewsrestformat=json`` did not arrive, though it is always sent."""
    code = _xml_value(text, "ERRORCODE")
    if code == "invalidtoken":
        return _token_did_not_arrive(warnings, sent)
    if code or "<EXCEPTION" in text:
        message, debuginfo = _xml_value(text, "MESSAGE"), _xml_value(text, "DEBUGINFO")
        return error_for(code, message, debuginfo, function=sent.function, functions=sent.functions)
    if "<RESPONSE" not in text:
        return NotAMoodle(in_call(sent.function, Sentence("moodle.other_xml")), function=sent.function)
    return answer_lost(sent.function, Sentence("moodle.in_xml"), Sentence("moodle.in_xml.mend"))


def _token_did_not_arrive(warnings: list[str], sent: Sent) -> MoodleError:
    """PHP throws away a whole body over post_max_size, token included; Moodle then says 'Invalid token', in XML."""
    if sent.body_bytes >= LARGE_BODY or any("POST Content-Length" in warning for warning in warnings):
        return MoodleRequestTooLarge(
            in_call(sent.function, Sentence("moodle.body_dropped", bytes=sent.body_bytes)),
            function=sent.function,
            errorcode="invalidtoken",
        )
    return MoodleTokenInvalid(
        in_call(sent.function, Sentence("moodle.token_dropped")),
        function=sent.function,
        errorcode="invalidtoken",
    )


def _xml_value(text: str, tag: str) -> str:
    inside, _, after = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")
    return unescape(inside).strip() if after else ""


SITE_INFO: Final = "core_webservice_get_site_info"

_READ: Final = re.compile(r"_(get|search|retrieve|list|count)_")

_DENIED: Final[dict[str, type[MoodleError]]] = {
    "invalidtoken": MoodleTokenInvalid,
    "invalidtimedtoken": MoodleTokenInvalid,
    "wrongusernamepassword": MoodleTokenInvalid,
    "nopermissions": MoodleAccessDenied,
    "nopermission": MoodleAccessDenied,
    "requireloginerror": MoodleAccessDenied,
    "errorcoursecontextnotvalid": MoodleAccessDenied,
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

_ADVISED: Final = frozenset(
    {
        "invalidtoken", "errorreportview", "nopermissions", "forcepasswordchangenotice", "sitepolicynotagreed",
        "usernotfullysetup", "invalidparameter", "invalidresponse", "sitemaintenance", "upgraderunning",
        "dbconnectionfailed", "requireloginerror", "errorcoursecontextnotvalid", "wsnoinstance", "wsusercannotassign",
    }
)  # fmt: skip
"""Codes about which the catalogues give advice, as ``moodle.<code>.mend``."""

IN_CALL: Final = "moodle.in_call"


def is_read(function: str) -> bool:
    """Whether a web service function only reads, so that asking twice does no harm."""
    return bool(_READ.search(function))


def in_call(function: str, said: Sentence) -> Sentence:
    """Give what is the matter in a call of this function."""
    return Sentence(IN_CALL, call=function, said=said)


def without_function(error: MoodleError) -> Sentence | str:
    """Give what an error says after the name of the function."""
    said = error.said.parameters.get("said") if error.said.code == IN_CALL else None
    return said if isinstance(said, Sentence) else str(error).split(": ", 1)[-1]


def answer_lost(function: str, what: Sentence, advice: Sentence | None = None) -> AnswerLost:
    """Give the error for a call without a whole answer; ``what`` happened, as a clause, and what can be done about it.

    A read is never said to have been carried out: it changes nothing.
    """
    lost = Sentence("moodle.lost_read" if is_read(function) else "moodle.lost_write", what=what)
    return AnswerLost(in_call(function, in_turn([lost, advice] if advice else [lost])), function=function)


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
    details = plain_text(debuginfo, 1000)
    parts = [said]
    if details and details not in str(said):
        parts.append(Sentence("moodle.debug_info", details=details))
    if code in UNKNOWN_FUNCTION:
        parts += _access_advice(kind, function)
    elif code in _ADVISED:
        parts.append(Sentence(f"moodle.{code}.mend"))
    return kind(in_call(function, in_turn(parts)), function=function, errorcode=code, debuginfo=details)


def _what_moodle_said(errorcode: str, code: str, message: str) -> Sentence:
    # A text that Moodle has no translation for comes as 'error/<code>'.
    words = plain_text(message or errorcode).removeprefix("error/").lstrip()
    if not words:
        return Sentence("moodle.no_message_code", code=code) if code else Sentence("moodle.no_message")
    ending = "" if words.endswith((".", "…", "!", "?")) else "."
    return as_text(f"{words}{ending}" + (f" [{code}]" if code and code != words else ""))


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


def _access_advice(kind: type[MoodleError], function: str) -> list[Sentence]:
    if kind is MoodleFunctionMissing:
        return [Sentence("moodle.function_missing.mend", call=function)]
    if kind is MoodleAccessDenied:
        return [Sentence("moodle.access_denied.mend")]
    if kind is MoodleTokenInvalid:
        return [Sentence("moodle.token_bound.mend")]
    return []
