"""The token never shows: on every way a call can end, in no exception, log line, traceback or repr."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests
import requests_mock as mocking
import urllib3
from hooks.servers import TOKEN, hook_for

from moodle_coupling.errors import CouplingError

if TYPE_CHECKING:
    from moodle_coupling.hooks.moodle.hook import MoodleHook

URL = "https://moodle.example.org/webservice/rest/server.php"


def moodle_error(code: str) -> dict[str, str]:
    # A site that repeats the token in every text of its answer.
    texts = {"message": f"m {TOKEN}", "debuginfo": f"token => {TOKEN}"}
    return {"exception": "x", "errorcode": code, **texts}


CODES = [
    "invalidtoken",
    "accessexception",
    "nopermissions",
    "invalidparameter",
    "invalidresponse",
    "dmlwriteexception",
    "sitemaintenance",
    "dbconnectionfailed",
    "wsaccessusersuspended",
    "forcepasswordchangenotice",
    "invalidrecordunknown",
    "unheardof",
]
ANSWERS: list[Any] = [
    *[pytest.param({"text": json.dumps(moodle_error(code))}, id=code) for code in CODES],
    *[pytest.param({"status_code": status, "text": f"<title>{TOKEN}</title>"}, id=str(status)) for status in (400, 401, 403, 404, 413, 429, 500, 502, 503)],
    pytest.param({"text": json.dumps(moodle_error(TOKEN))}, id="token as code"),
    pytest.param({"status_code": 302, "headers": {"Location": f"https://x.example.org/?wstoken={TOKEN}"}}, id="redirect"),
    pytest.param({"status_code": 302, "headers": {"Location": f"https://x.example.org/{TOKEN}"}}, id="redirect path"),
    pytest.param({"text": f"<title>{TOKEN}</title>"}, id="page"),
    pytest.param({"text": f'[{{"token": "{TOKEN}"'}, id="cut"),
    pytest.param({"text": f"<?xml version='1.0'?><EXCEPTION><ERRORCODE>other</ERRORCODE><MESSAGE>{TOKEN}</MESSAGE></EXCEPTION>"}, id="xml"),
    pytest.param({"text": f"<b>Fatal error</b>:  {TOKEN} in <b>x.php</b> on line <b>3</b><br />"}, id="fatal"),
    pytest.param({"exc": requests.ConnectTimeout(f"x {TOKEN}")}, id="connect time-out"),
    pytest.param({"exc": requests.ReadTimeout(f"x {TOKEN}")}, id="read time-out"),
    pytest.param({"exc": requests.ConnectionError(f"x {TOKEN}")}, id="reset"),
    pytest.param({"exc": requests.exceptions.SSLError(f"x {TOKEN}")}, id="tls"),
    pytest.param({"exc": requests.exceptions.ProxyError(f"x {TOKEN}")}, id="proxy"),
    pytest.param({"exc": requests.exceptions.ChunkedEncodingError(f"x {TOKEN}")}, id="chunk"),
    pytest.param({"exc": requests.ConnectionError(urllib3.exceptions.ProtocolError(f"x {TOKEN}"))}, id="protocol"),
]  # fmt: skip


def every_call(hook: MoodleHook) -> list[Any]:
    return [
        hook.site_info,
        lambda: hook.call("core_user_create_users", users=[{"username": "jan"}]),
        lambda: hook.accounts_by_field("id", [1, 2]),
        lambda: hook.find_accounts("email", "%"),
        lambda: hook.delete_accounts([1]),
    ]


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_token_never_shows(answer: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    hook = hook_for("https://moodle.example.org")
    shown: list[str] = [repr(hook), repr(hook.settings), repr(vars(hook))]
    with mocking.Mocker() as site, caplog.at_level(logging.DEBUG):
        site.post(URL, **answer)
        site.post("https://moodle.example.org/lib/ajax/service-nologin.php", text=TOKEN)
        for call in every_call(hook):
            try:
                call()
            except CouplingError as error:
                shown += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
        shown += [hook.test_connection()[1]]
    # It was asked of a server that did answer with the token, and every call ended in an error.
    assert len(shown) >= 4 * 3
    assert TOKEN not in "\n".join(shown) + caplog.text
    assert all(TOKEN not in request.url for request in site.request_history)
