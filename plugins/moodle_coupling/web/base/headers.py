"""What every answer carries, and what no log shows: the app's outer shell."""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from moodle_coupling.web.base.errorpages import broken

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_A_YEAR: Final = "public, max-age=31536000, immutable"


def add_to(app: FastAPI) -> None:
    """Put the shell around the app."""
    app.add_middleware(Shell)


class Shell:
    """Sets the headers, keeps queries out of Airflow's access log, and turns what nobody foresaw into a page.

    The log of an unforeseen error has its type and where it happened, never its text: that may quote a person.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and its answer back."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inner = dict(scope)
        keep = _may_be_kept(scope)
        scope["query_string"] = b""  # Airflow's access log reads it when the answer is out; it may name a person
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _set_headers(MutableHeaders(scope=message), keep=keep)
            await send(message)

        try:
            await self.app(inner, receive, with_headers)
        except Exception as error:
            if started:
                raise
            reference = secrets.token_hex(4)
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("Page failed, reference %s: %s\n%s", reference, type(error).__name__, frames)  # noqa: TRY400
            await broken(Request(inner, receive), reference)(inner, receive, with_headers)


def _set_headers(headers: MutableHeaders, *, keep: bool) -> None:
    headers.update(_HEADERS)
    headers["Cache-Control"] = _A_YEAR if keep and "etag" in headers else "no-store"


def _may_be_kept(scope: Scope) -> bool:
    """Tell whether the address is that of a static file and changes with the file."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return path.startswith("/static/") and b"v=" in scope["query_string"]
