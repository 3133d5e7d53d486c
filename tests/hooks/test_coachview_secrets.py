"""Token and secret never show: on every way a request can end, in no exception, log line, traceback, repr or address."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any
from urllib.parse import quote

import pytest
import requests
import requests_mock as mocking
import urllib3
from hooks.coachview_small import SECRET, URL, Clock, Together, settings_for

from moodle_coupling.errors import CouplingError
from moodle_coupling.hooks.coachview.hook import CoachviewHook

TOKEN = "eyJhbGciOiJSUzI1NiIsInR5cCI6.t0ken-t0ken.abc_-123"
BOTH = f"{TOKEN} {SECRET} {quote(SECRET, safe='')}"

ANSWERS: list[Any] = [
    *[pytest.param({"status_code": status, "text": json.dumps({"message": BOTH})}, id=str(status)) for status in (400, 401, 403, 404, 429, 500, 502, 503)],
    *[pytest.param({"status_code": 400, "text": json.dumps({key: BOTH})}, id=key) for key in ("error", "error_description", "detail", "title")],
    pytest.param({"status_code": 400, "text": f"<title>{BOTH}</title>"}, id="page with 400"),
    pytest.param({"status_code": 400, "text": json.dumps({"message": "x" * 140 + SECRET})}, id="cut in the secret"),
    pytest.param({"status_code": 302, "headers": {"Location": f"https://x.example.org/?t={TOKEN}"}}, id="redirect"),
    pytest.param({"text": f"<title>{BOTH}</title>"}, id="page"),
    pytest.param({"text": f'[{{"token": "{BOTH}"'}, id="cut"),
    pytest.param({"text": json.dumps({TOKEN[:38]: 1, "message": BOTH})}, id="object"),
    pytest.param({"text": json.dumps([{"id": "a", "token": BOTH}])}, id="odd row"),
    pytest.param({"text": "[]", "headers": {"RowCount": TOKEN}}, id="row count"),
    pytest.param({"text": "[]", "headers": {"X-Rate-Limit-Reset": TOKEN}}, id="reset"),
    pytest.param({"exc": requests.ConnectTimeout(f"x {BOTH}")}, id="connect time-out"),
    pytest.param({"exc": requests.ReadTimeout(f"x {BOTH}")}, id="read time-out"),
    pytest.param({"exc": requests.ConnectionError(f"x {BOTH}")}, id="reset connection"),
    pytest.param({"exc": requests.ConnectionError(OSError(5, f"x {BOTH}"))}, id="os error"),
    pytest.param({"exc": requests.exceptions.SSLError(f"x {BOTH}")}, id="tls"),
    pytest.param({"exc": requests.exceptions.ProxyError(f"x {BOTH}")}, id="proxy"),
    pytest.param({"exc": requests.exceptions.ChunkedEncodingError(f"x {BOTH}")}, id="chunk"),
    pytest.param({"exc": requests.ConnectionError(urllib3.exceptions.ProtocolError(f"x {BOTH}"))}, id="protocol"),
]  # fmt: skip


def every_call(hook: CoachviewHook) -> list[Any]:
    return [
        lambda: list(hook.persons()),
        lambda: list(hook.persons(ids=["a", "b"])),
        hook.count_persons,
        lambda: hook.categories_of("a"),
        lambda: hook.confidential_fields("a"),
        hook.token_lifetime,
    ]


@pytest.mark.parametrize("at_the_token", [True, False])
@pytest.mark.parametrize("answer", ANSWERS)
def test_neither_shows(answer: dict[str, Any], caplog: pytest.LogCaptureFixture, *, at_the_token: bool) -> None:
    clock, together = Clock(), Together()
    hook = CoachviewHook.from_settings(settings_for(), sharing=together, sleep=clock.sleep, now=clock)
    shown: list[str] = [repr(hook), repr(hook.settings)]
    ended = 0
    with mocking.Mocker() as site, caplog.at_level(logging.DEBUG):
        if at_the_token:
            site.post(f"{URL}/auth/connect/token", **answer)
        else:
            site.post(f"{URL}/auth/connect/token", json={"access_token": TOKEN, "expires_in": 3600})
            site.get(mocking.ANY, **answer)
        for call in every_call(hook):
            try:
                call()
            except CouplingError as error:
                ended += 1
                shown += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
        shown += [hook.test_connection()[1]]
        shown += [request.url for request in site.request_history]
    shown += [json.dumps(together.written())]
    assert ended
    everything = "\n".join(shown) + caplog.text
    # Before a token was given nobody can know what it looks like.
    assert at_the_token or TOKEN not in everything
    assert SECRET not in everything
    assert SECRET[:8] not in everything
    assert quote(SECRET, safe="") not in everything
