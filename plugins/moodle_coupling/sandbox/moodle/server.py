"""The sandbox over HTTP/1.1 with keep-alive, and with the socket in hand for faults."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moodle_coupling.sandbox.moodle.answers import JSON, Answer
from moodle_coupling.sandbox.moodle.app import Request
from moodle_coupling.sandbox.moodle.faults import Fault, FaultKind
from moodle_coupling.sandbox.moodle.pages import login_page, web_server_page

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.sandbox import SandboxMoodle

_log = logging.getLogger(__name__)
REST_PATH = "/webservice/rest/server.php"
CONTROL_PATH = "/sandbox/"
_IDLE_SECONDS = 60.0
_PIECE = 1 << 20


class _Reset(Exception):
    """The connection is to be torn down without an answer."""


class SandboxServer(ThreadingHTTPServer):
    """Serves one sandbox; knows its open connections, so that it can be stopped at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: SandboxMoodle) -> None:
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

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
        """Answer a GET, which Moodle's web service takes as well as a POST."""
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
                self._send(self._control(target.path))
            elif target.path.endswith(REST_PATH) and self.command != "DELETE":
                self._moodle(target.query)
            else:
                self._body()
                at_home = target.path in ("/", "/login/index.php")
                self._send(login_page(self.server.sandbox.settings.sitename) if at_home else web_server_page(404))
        except (_Reset, ConnectionError, TimeoutError):
            self._tear_down()
        except Exception:  # noqa: BLE001 - the last resort of a server
            # A fault of the sandbox itself: say so, rather than look like one that was asked for.
            _log.exception("The sandbox Moodle failed on %s %s", self.command, target.path)
            self.close_connection = True
            self._send(web_server_page(500))

    def _moodle(self, query: str) -> None:
        sandbox = self.server.sandbox
        size = int(self.headers.get("Content-Length") or 0)
        if size > sandbox.settings.client_max_body_size:
            # nginx answers before it has read the body, and then hangs up.
            self.close_connection = True
            self._drain(size)
            self._send(web_server_page(413))
            return
        request = Request(query, self.headers.get("Content-Type", ""), self._body(), self.client_address[0])
        answer, faults = sandbox.serve(request)
        if answer is None:
            raise _Reset
        self._send(answer, _of_kind(faults, FaultKind.TRUNCATED), _of_kind(faults, FaultKind.SLOW_DRIP))

    def _control(self, path: str) -> Answer:
        body = self._body()
        secret = self.headers.get("X-Sandbox-Secret", "")
        status, content = self.server.sandbox.control.answer(
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

    def _send(self, answer: Answer, cut: Fault | None = None, drip: Fault | None = None) -> None:
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body
        if cut is not None:
            self.close_connection = True
            body = body[: cut.size or len(body) // 2]
        if drip is None:
            self.wfile.write(body)
            self.wfile.flush()
        else:
            self._drip(body, drip)

    def _drip(self, body: bytes, fault: Fault) -> None:
        size = max(1, fault.size)
        self.wfile.flush()
        for start in range(0, len(body), size):
            self.wfile.write(body[start : start + size])
            self.wfile.flush()
            time.sleep(fault.seconds)

    def _tear_down(self) -> None:
        """Close with a reset (RST), as a crashed or cut-off server does."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            return


def _of_kind(faults: list[Fault], kind: FaultKind) -> Fault | None:
    return next((fault for fault in faults if fault.kind is kind), None)
