"""Errors as pages of our own look: what went wrong and what to do, never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from moodle_coupling.errors import CouplingError
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.templating import is_htmx, render

if TYPE_CHECKING:
    from starlette.types import ExceptionHandler

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


def add_to(app: FastAPI) -> None:
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
