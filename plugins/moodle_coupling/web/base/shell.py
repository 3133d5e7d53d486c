"""The app's outer shell: what every answer carries, what no log shows, and errors as pages of our own look."""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException

from moodle_coupling.errors import CouplingError
from moodle_coupling.web.base.templating import is_htmx, render
from moodle_coupling.web.base.words import say, texts_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

TITLES: Final = {
    400: say("The request is not complete"),
    401: say("You are not logged in"),
    403: say("You may not do this"),
    404: say("There is nothing here"),
    405: say("There is nothing here"),
    409: say("Not done: something changed meanwhile"),
    422: say("The request is not complete"),
    500: say("Something went wrong here"),
    503: say("The ledger cannot be asked now"),
}
ADVICE: Final = {
    400: say("Go back, fill in what is missing and try again."),
    401: say("Log in to Airflow and open this page again."),
    403: say("Ask your administrator; docs/web.md tells which right in Airflow is needed."),
    404: say("The page, the run, the person or the environment does not exist, or you may not see it."),
    405: say("The page, the run, the person or the environment does not exist, or you may not see it."),
    409: say("Reload the page and look again before you decide."),
    422: say("Go back, fill in what is missing and try again."),
    500: say(
        "Nothing more was done. The log of Airflow's API server tells more; look for reference {reference} there."
    ),
    503: say("Look at [moodle_coupling] ledger_url and at the database it names."),
}
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


def add_pages(app: FastAPI) -> None:
    """Let the app answer errors with our pages."""
    handlers: dict[type[Exception], ExceptionHandler] = {
        StarletteHTTPException: _http,
        RequestValidationError: _incomplete,
        CouplingError: _coupling,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def broken(request: Request, reference: str) -> Response:
    """Give the page for what nobody foresaw; ``reference`` stands in the log too."""
    return _page(request, 500, "", reference=reference)


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise error
    status = 401 if _token_is_bad(error) else error.status_code
    said = "" if status in {401, 404, 405} else str(error.detail)
    return _page(request, status, "" if said in _PHRASES else texts_for(request)(said))


def _token_is_bad(error: StarletteHTTPException) -> bool:
    return error.status_code == 403 and error.detail == "Invalid JWT token"  # Airflow's words; nobody is logged in


def _incomplete(request: Request, _error: Exception) -> Response:
    return _page(request, 422, "")


def _coupling(request: Request, error: Exception) -> Response:
    said = texts_for(request).say(error.said) if isinstance(error, CouplingError) else ""
    return _page(request, _status(error), said)


def _status(error: Exception) -> int:
    from moodle_coupling.ledger.errors import (
        LedgerConflict,
        LedgerSchemaError,
        LedgerUnavailable,
        LedgerUrlError,
        NotInLedger,
    )

    kinds: list[tuple[tuple[type[Exception], ...], int]] = [
        ((NotInLedger,), 404),
        ((LedgerConflict,), 409),
        ((LedgerUnavailable, LedgerSchemaError, LedgerUrlError), 503),
    ]
    return next((status for classes, status in kinds if isinstance(error, classes)), 409)


_PHRASES: Final = frozenset({"Forbidden", "Bad Request", "Unprocessable Entity", "Unprocessable Content"})


def _page(request: Request, status: int, said: str, **values: Any) -> Response:
    _ = texts_for(request)
    title = TITLES.get(status, TITLES[500])
    advice = _(ADVICE[status], **values) if status in ADVICE else ""
    template = "_error.html" if is_htmx(request) else "error.html"
    return render(request, template, status=status, code=status, title=_(title), said=said, advice=advice)


def add_shell(app: FastAPI) -> None:
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
