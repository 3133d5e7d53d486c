"""What the API refuses, what can go wrong on demand, and how it says so; the form of a real Coachview's error bodies is not known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from moodle_coupling.sandbox.faults import AnyFault
from moodle_coupling.sandbox.server import JSON, Answer

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class Refusal(Exception):
    """A request that is not answered with data: HTTP status, reason and further headers."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}

    def answer(self, form: str) -> Answer:
        """Return the answer in a form: ``problem`` (as ASP.NET Core writes it), ``text`` or ``nothing``."""
        title, detail = _TITLES[self.status], str(self)
        if form == "problem":
            content = {
                "type": "https://tools.ietf.org/html/rfc9110",
                "title": title,
                "status": self.status,
                "detail": detail,
            }
            return Answer(self.status, "application/problem+json", json.dumps(content).encode(), self.headers)
        if form == "text":
            return Answer(self.status, "text/plain; charset=utf-8", f"{title}: {detail}".encode(), self.headers)
        return Answer(self.status, "", b"", self.headers)


def bad_request(detail: str) -> Refusal:
    """Return the refusal of a request that cannot be understood."""
    return Refusal(400, detail)


def oauth_error(error: str, description: str, *, status: int = 400, headers: dict[str, str] | None = None) -> Answer:
    """Return the token endpoint's refusal (RFC 6749, section 5.2)."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    return Answer(status, JSON, body, {"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})})


class FaultKind(StrEnum):
    """What goes wrong.

    On the way: LATENCY, HOLD (no answer until the faults are cleared: the client's time-out), RESET, TRUNCATED (the
    connection ends in the middle of the body), SLOW_DRIP. Instead of the answer: 500, 502, 503, 504, HTML, BROKEN_JSON,
    TOKEN_REFUSED (401), QUOTA (429). In a page: SHORT_PAGE, WRONG_ROW_COUNT, NO_ROW_COUNT, DUPLICATE_ROW. After a page has
    been answered, so that the next one is of other data: EDIT_PERSON, INSERT_PERSON, REMOVE_PERSON.
    """

    LATENCY = "latency"
    HOLD = "hold"
    RESET = "reset"
    TRUNCATED = "truncated"
    SLOW_DRIP = "slow_drip"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_504 = "504"
    HTML = "html"
    BROKEN_JSON = "broken_json"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a fault
    QUOTA = "quota"
    SHORT_PAGE = "short_page"
    WRONG_ROW_COUNT = "wrong_row_count"
    NO_ROW_COUNT = "no_row_count"
    DUPLICATE_ROW = "duplicate_row"
    EDIT_PERSON = "edit_person"
    INSERT_PERSON = "insert_person"
    REMOVE_PERSON = "remove_person"


@dataclass(frozen=True)
class Fault(AnyFault):
    """One fault; what is not said here is as in :class:`AnyFault`.

    ``endpoint``: only requests to ``token``, ``Personen`` or another list, as docs/sandbox-coachview.md has them. ``rows``: how
    many rows a short page lacks, or by how many RowCount is wrong (below 0: too low). ``person``: the id of who is edited
    or removed; by default the first row of the page.
    """

    kind: FaultKind
    endpoint: str = ""
    rows: int = 1
    person: str = ""

    kinds: ClassVar = FaultKind
    readers: ClassVar = {"endpoint": str, "rows": int, "person": str}

    def fits(self, what: str) -> bool:
        """Return whether a request to the endpoint ``what`` counts for this fault."""
        return self.endpoint.lower() in ("", what.lower())
