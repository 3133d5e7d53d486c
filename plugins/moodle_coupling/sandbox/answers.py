"""What a sandbox sends back: an answer, and what goes wrong with it on its way."""

from __future__ import annotations

from dataclasses import dataclass, field

JSON = "application/json"
_REASONS = {
    404: "Not Found",
    405: "Not Allowed",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, content type, body and further headers."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drip:
    """A body that comes ``size`` bytes at a time, with ``seconds`` between them."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Sending:
    """An answer on its way; none means that the connection is reset.

    ``cut`` is after how many bytes of the body the connection ends (0: after half of it).
    """

    answer: Answer | None
    cut: int | None = None
    drip: Drip | None = None


def web_server_page(status: int, *, retry_after: int | None = None) -> Answer:
    """Return the page nginx shows for an error of its own."""
    title = f"{status} {_REASONS.get(status, 'Error')}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    )
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(status, "text/html", body.encode(), headers)
