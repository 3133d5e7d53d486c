"""What the API refuses, and how it says so; the form of a real Coachview's error bodies is not known."""

from __future__ import annotations

import json

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
