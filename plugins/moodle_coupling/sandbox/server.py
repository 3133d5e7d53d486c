"""A sandbox over HTTP/1.1 with keep-alive, with the socket in hand for faults, and the answers it sends."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from email.message import Message


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


_log = logging.getLogger(__name__)
CONTROL_PATH = "/sandbox/"
_IDLE_SECONDS = 60.0
_PIECE = 1 << 20


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came; ``headers`` look their names up without letter case."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes
    address: str


class ControlRoutes(Protocol):
    """The control paths of a sandbox."""

    def answer(self, method: str, path: str, body: bytes, address: str, secret: str) -> tuple[int, Any]:
        """Return HTTP status and JSON content."""


class Front(Protocol):
    """What a server serves."""

    title: str

    @property
    def control(self) -> ControlRoutes:
        """The control paths."""

    def turned_away(self, path: str, size: int) -> Answer | None:
        """Return the answer to a request whose body of ``size`` bytes is not even read, None where it is."""

    def respond(self, request: HttpRequest) -> Sending:
        """Answer a request."""


class SandboxServer(ThreadingHTTPServer):
    """Serves one sandbox; knows its open connections, so that it can be stopped at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], front: Front) -> None:
        self.front = front
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{shown}:{self.server_address[1]}"

    def start(self, poll: float) -> None:
        """Serve in a thread of its own; ``poll``: how many seconds :meth:`stop` may take to be noticed."""
        threading.Thread(target=self.serve_forever, args=(poll,), name=self.front.title, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then serve it in a thread of its own."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close the connection."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that hang up, which is what faults are for."""

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        self.shutdown()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: SandboxServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1

    def version_string(self) -> str:
        """Return the server's name in the header: a sandbox says what it is."""
        return "moodle-coupling-sandbox"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        """Keep the terminal clean; the sandbox has its own call log."""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._respond()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._respond()

    def do_DELETE(self) -> None:
        """Answer a DELETE, known to the control paths only."""
        self._respond()

    def _respond(self) -> None:
        target = urlsplit(self.path)
        try:
            if target.path.startswith(CONTROL_PATH):
                self._send(Sending(self._control(target.path)))
            else:
                self._serve(target.path, target.query)
        except (ConnectionError, TimeoutError):
            self._tear_down()
        except Exception:  # noqa: BLE001 - the last resort of a server
            # A fault of the sandbox itself: say so, rather than look like one that was asked for.
            _log.exception("The sandbox %s failed on %s %s", self.server.front.title, self.command, target.path)
            self.close_connection = True
            self._send(Sending(web_server_page(500)))

    def _serve(self, path: str, query: str) -> None:
        front = self.server.front
        size = int(self.headers.get("Content-Length") or 0)
        refusal = front.turned_away(path, size)
        if refusal is not None:
            # A web server answers before it has read the body, and then hangs up.
            self.close_connection = True
            self._drain(size)
            self._send(Sending(refusal))
            return
        request = HttpRequest(self.command, path, query, self.headers, self._body(), self.client_address[0])
        self._send(front.respond(request))

    def _control(self, path: str) -> Answer:
        body = self._body()
        secret = self.headers.get("X-Sandbox-Secret", "")
        status, content = self.server.front.control.answer(
            self.command, path.removeprefix(CONTROL_PATH), body, self.client_address[0], secret
        )
        return Answer(status, JSON, json.dumps(content).encode(), {"Cache-Control": "no-store"})

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0].strip() or b"0", 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _drain(self, size: int) -> None:
        while size > 0:
            piece = self.rfile.read(min(size, _PIECE))
            if not piece:
                return
            size -= len(piece)

    def _send(self, sending: Sending) -> None:
        answer = sending.answer
        if answer is None:
            self._tear_down()
            return
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body
        if sending.cut is not None:
            self.close_connection = True
            body = body[: sending.cut or len(body) // 2]
        if sending.drip is None:
            self.wfile.write(body)
            self.wfile.flush()
        else:
            self._drip(body, sending.drip)

    def _drip(self, body: bytes, drip: Drip) -> None:
        self.wfile.flush()
        for start in range(0, len(body), drip.size):
            self.wfile.write(body[start : start + drip.size])
            self.wfile.flush()
            time.sleep(drip.seconds)

    def _tear_down(self) -> None:
        """Close with a reset (RST), as a crashed or cut-off server does."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            return
