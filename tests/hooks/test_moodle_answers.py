"""Every recorded answer of a real Moodle, and some that no Moodle gives on demand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from moodle_coupling import errors
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
from moodle_coupling.hooks.moodle.answers import read_answer

RECORDINGS = Path(__file__).parent.parent / "contract" / "recordings"
CREATE, UPDATE, READ = "core_user_create_users", "core_user_update_users", "core_user_get_users_by_field"
JSON = {"Content-Type": "application/json"}

# What each recording must become, by its number; every other one is data, or what its error code says below.
BY_NUMBER: dict[int, type[MoodleError]] = {
    2: AnswerLost,
    3: AnswerLost,
    18: MoodleTokenInvalid,
    27: MoodleAccessDenied,
    28: MoodleAccessDenied,
    89: MoodleRecordRefused,
    91: MoodleRecordRefused,
    211: MoodleRequestTooLarge,
    260: MoodleRequestTooLarge,
    262: MoodleRequestTooLarge,
    266: MoodleMaintenance,
    267: MoodleMaintenance,
    268: MoodleMaintenance,
    290: MoodleRequestTooLarge,
    291: MoodleRequestTooLarge,
    293: AnswerLost,
}
BY_CODE: dict[str, type[MoodleError]] = {
    "invalidtoken": MoodleTokenInvalid,
    "accessexception": MoodleAccessDenied,
    "nopermissions": MoodleAccessDenied,
    "errorreportview": MoodleAccessDenied,
    "requireloginerror": MoodleAccessDenied,
    "wsaccessusersuspended": MoodleServiceUserBlocked,
    "wsaccessuserunconfirmed": MoodleServiceUserBlocked,
    "forcepasswordchangenotice": MoodleServiceUserBlocked,
    "sitepolicynotagreed": MoodleServiceUserBlocked,
    "usernotfullysetup": MoodleServiceUserBlocked,
    "invalidparameter": MoodleParameterRefused,
    "invalidresponse": MoodleAnswerUnreadable,
    "dmlwriteexception": MoodleRecordRefused,
    "invalidrecordunknown": MoodleRecordRefused,
    "invalidrecord": MoodleRecordRefused,
    "invaliduser": MoodleRecordRefused,
    "keyalreadyset": MoodleRecordRefused,
    "codingerror": MoodleRecordRefused,
    "useradminodelete": MoodleRecordRefused,
    "usernotdeletederror": MoodleRecordRefused,
    "wsusercannotassign": MoodleRecordRefused,
    "nocriteriaset": MoodleRecordRefused,
    "wsnoinstance": MoodleRecordRefused,
    "errorcoursecontextnotvalid": MoodleAccessDenied,
    "idnumbertaken": MoodleRecordRefused,
    "guestsarenotallowed": MoodleRecordRefused,
    "userdeleted": MoodleRecordRefused,
    "sitemaintenance": MoodleMaintenance,
    "upgraderunning": MoodleMaintenance,
    "dbconnectionfailed": MoodleOverloaded,
}


def recordings() -> list[Any]:
    paths = sorted(RECORDINGS.glob("*/*.json"))
    loaded = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return [pytest.param(data, id=f"{path.parent.name}-{path.stem}") for path, data in loaded if data["status"]]


def answer_of(data: dict[str, Any]) -> Any:
    raw = data["body_raw"] if "body" not in data else json.dumps(data["body"])
    sent = re.match(r"raw body, (\d+) bytes", data.get("raw_request_note", ""))
    return read_answer(
        data["status"], data["headers"], raw.encode(), data["function"] or "", sent_bytes=int(sent[1]) if sent else 0
    )


def expected(data: dict[str, Any]) -> type[MoodleError] | None:
    body = data.get("body")
    if data["order"] in BY_NUMBER:
        return BY_NUMBER[data["order"]]
    if isinstance(body, dict) and "errorcode" in body:
        return BY_CODE[body["errorcode"]]
    # A long answer was cut when it was recorded: just what a connection that breaks does.
    return AnswerLost if "…(cut" in data.get("body_raw", "") else None


def test_the_recordings_are_there() -> None:
    assert len(recordings()) > 500


@pytest.mark.parametrize("data", recordings())
def test_a_recorded_answer_becomes_data_or_the_right_error(data: dict[str, Any]) -> None:
    kind = expected(data)
    if kind is None:
        raw = data.get("body", data.get("body_raw"))
        wanted = raw if "body" in data else json.loads(raw)
        got = answer_of(data)
        assert got == (
            {k: v for k, v in wanted.items() if k != "userprivateaccesskey"} if isinstance(wanted, dict) else wanted
        )
        return
    with pytest.raises(MoodleError) as caught:
        answer_of(data)
    assert type(caught.value) is kind
    assert caught.value.function == (data["function"] or "")
    assert not re.search(r"<\w", str(caught.value))


def test_the_private_access_key_is_thrown_away() -> None:
    body = {"sitename": "x", "userprivateaccesskey": "geheim", "functions": []}
    assert read_answer(200, JSON, json.dumps(body).encode(), READ) == {"sitename": "x", "functions": []}


WARNING = "<br />\n<b>Warning</b>:  Undefined array key &quot;x&quot; in <b>/var/www/html/lib/moodlelib.php</b> on line <b>12</b><br />\n"
PLAIN = "\nDeprecated: Creation of dynamic property in /var/www/html/lib/x.php on line 34\n"
CUT = "<br />\n<b>Warning</b>:  PHP Request Startup: Input variables exceeded 1000. To increase the limit change max_input_vars in php.ini. in <b>Unknown</b> on line <b>0</b><br />\n"


@pytest.mark.parametrize(
    "body",
    [
        WARNING + '[{"id": 5}]',
        WARNING * 3 + '[{"id": 5}]',
        PLAIN + '[{"id": 5}]',
        '[{"id": 5}]' + WARNING,
        '\ufeff [{"id": 5}]\n',
        'debug output of a plug-in\n[{"id": 5}]',
        "<table class='xdebug-error'><tr><td>{main}( )</td></tr></table>\n[{\"id\": 5}]",
    ],
)
def test_noise_around_the_answer_is_read_past(body: str) -> None:
    assert read_answer(200, JSON, body.encode(), READ) == [{"id": 5}]


@pytest.mark.parametrize("body", ["[]", "null", '""', "0", "true"])
def test_small_answers_are_answers(body: str) -> None:
    assert read_answer(200, JSON, body.encode(), CREATE) == json.loads(body)
    assert read_answer(200, JSON, (WARNING + body).encode(), CREATE) == json.loads(body)


WHOLE = json.dumps([{"id": 5, "customfields": [{"shortname": "a", "value": "b"}]}, {"id": 6, "customfields": []}])


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
@pytest.mark.parametrize("before", ["", WARNING, "noise "])
def test_an_answer_that_breaks_off_is_lost_wherever_it_does(before: str, length: int) -> None:
    with pytest.raises((AnswerLost, NotAMoodle)) as caught:
        read_answer(200, JSON, (before + WHOLE[:length]).encode(), CREATE)
    # "noise [" may be anybody's text; but data it must never be.
    assert type(caught.value) is AnswerLost or (before == "noise " and length == 1)


def test_a_form_that_php_cut_is_too_large_for_a_read_and_lost_for_a_write() -> None:
    with pytest.raises(MoodleRequestTooLarge, match="max_input_vars"):
        read_answer(200, JSON, (CUT + "[]").encode(), READ)
    with pytest.raises(AnswerLost, match="read back"):
        read_answer(200, JSON, (CUT + '[{"id": 5}]').encode(), CREATE)
    refused = CUT + '{"exception": "x", "errorcode": "invalidparameter", "message": "m"}'
    with pytest.raises(MoodleRequestTooLarge, match="max_input_vars"):
        read_answer(200, JSON, refused.encode(), CREATE)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "word"),
    [
        (200, {}, "", AnswerLost, "empty"),
        (200, {}, "<!DOCTYPE html><html><title>Login &amp; go</title></html>", NotAMoodle, "Login & go"),
        (200, {}, '<html><script>var x = {"a": [1]};</script></html>', NotAMoodle, "HTML page"),
        (200, {}, "It works!", NotAMoodle, "Moodle URL"),
        (200, {}, "<?xml version='1.0'?><rss></rss>", NotAMoodle, "XML"),
        (200, {}, "<br />\n<b>Fatal error</b>:  Allowed memory size exhausted in <b>x.php</b> on line <b>3</b><br />", AnswerLost, "memory"),
        (301, {"Location": "https://moodle.example.org/webservice/rest/server.php"}, "", NotAMoodle, "https://moodle.example.org"),
        (302, {"location": "/login/index.php?a=b"}, "", NotAMoodle, "redirects"),
        (400, {}, "<title>Bad</title>", NotAMoodle, "HTTP 400"),
        (401, {}, "", NotAMoodle, "password"),
        (403, {}, "", MoodleAccessDenied, "REST"),
        (403, {}, "<html><title>Blocked</title></html>", MoodleAccessDenied, "firewall"),
        (404, {}, "<html></html>", NotAMoodle, "sub-folder"),
        (413, {}, "", MoodleRequestTooLarge, "Send less"),
        (429, {}, "", MoodleOverloaded, "busy"),
        (500, {}, "", AnswerLost, "may have been carried out"),
        (502, {}, "", AnswerLost, "may have been carried out"),
        (503, {}, "<html>busy</html>", MoodleOverloaded, "busy"),
        (503, {}, "<html>Under maintenance</html>", MoodleMaintenance, "maintenance"),
        (504, {}, "", AnswerLost, "may have been carried out"),
        (524, {}, "", AnswerLost, "may have been carried out"),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_moodles(
    status: int, headers: dict[str, str], body: str, kind: type[MoodleError], word: str
) -> None:
    with pytest.raises(MoodleError, match=re.escape(word)) as caught:
        read_answer(status, headers, body.encode(), CREATE)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("300", 300.0), ("0", 0.0), ("", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    with pytest.raises(errors.MoodleUnavailable) as caught:
        read_answer(503, {"Retry-After": header}, b"", READ)
    assert caught.value.retry_after == seconds


def error(code: str, debuginfo: str = "", message: str = "m") -> bytes:
    return json.dumps({"exception": "x", "errorcode": code, "message": message, "debuginfo": debuginfo}).encode()


@pytest.mark.parametrize(
    ("body", "function", "functions", "kind"),
    [
        (error("accessexception"), CREATE, frozenset({READ}), MoodleFunctionMissing),
        (error("accessexception"), CREATE, frozenset({CREATE}), MoodleAccessDenied),
        (error("accessexception"), CREATE, None, MoodleAccessDenied),
        (error("accessexception", "Access to the function x() is not allowed."), CREATE, None, MoodleFunctionMissing),
        (
            error("accessexception", "Invalid token - token expired - check validuntil time"),
            CREATE,
            None,
            MoodleTokenInvalid,
        ),
        (error("accessexception", "Invalid service - IP:10.0.0.1 is not supported"), CREATE, None, MoodleTokenInvalid),
        (error("invalidrecordunknown"), CREATE, frozenset({READ}), MoodleFunctionMissing),
        (error("invalidrecord", "SELECT * FROM {external_functions}"), CREATE, None, MoodleFunctionMissing),
        (error("dmlwriteexception", "running with the --read-only option"), CREATE, None, MoodleOverloaded),
        (error("dmlreadexception"), READ, None, MoodleOverloaded),
        (error("dmlreadexception"), UPDATE, None, AnswerLost),
        (error("wsaccessuserexpired"), READ, None, MoodleServiceUserBlocked),
        (b'{"exception": "TypeError", "message": "boom"}', CREATE, None, MoodleRecordRefused),
        (b'{"error": "weg", "errorcode": "sitemaintenance"}', READ, None, MoodleMaintenance),
    ],
)
def test_an_error_code_is_sharpened_by_what_else_is_known(
    body: bytes, function: str, functions: frozenset[str] | None, kind: type[MoodleError]
) -> None:
    with pytest.raises(MoodleError) as caught:
        read_answer(200, JSON, body, function, functions=functions)
    assert type(caught.value) is kind


def test_debuginfo_is_kept_and_shown() -> None:
    with pytest.raises(MoodleParameterRefused, match="Username already exists: jan") as caught:
        read_answer(200, JSON, error("invalidparameter", "Username already exists: jan"), CREATE)
    assert caught.value.debuginfo == "Username already exists: jan"


def test_an_error_code_that_is_a_whole_page_is_not_passed_on_as_code() -> None:
    with pytest.raises(MoodleRecordRefused, match="at least 8 characters") as caught:
        read_answer(
            200,
            JSON,
            error(
                "<div>Passwords must be at least 8 characters long.</div>",
                message="error/<div>Passwords must be at least 8 characters long.</div>",
            ),
            CREATE,
        )
    assert caught.value.errorcode == ""
