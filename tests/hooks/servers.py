"""Servers that do to a connection what no well-behaved Moodle does."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "5ec2e75ec2e75ec2e75ec2e75ec2e700"


def hook_for(url: str, token: str = TOKEN, **settings: object) -> MoodleHook:
    """Give a hook that does not really wait between attempts; the waits are in ``hook.waits``."""
    waits: list[float] = []
    hook = MoodleHook.from_settings(MoodleSettings("demo", url, token, **settings), sleep=waits.append)  # type: ignore[arg-type]
    hook.waits = waits  # type: ignore[attr-defined]
    return hook


def read_request(conn: socket.socket) -> bytes:
    """Read one whole request; b'' when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"null", status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Listener:
    """A raw socket server; ``requests`` are the requests that arrived whole."""

    def __init__(self, serve: Callable[[socket.socket, Listener], None]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._serve = serve
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._server.accept()
            except OSError:
                return
            if self._stopped:
                conn.close()
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn: socket.socket) -> None:
        try:
            with conn:
                self._serve(conn, self)
        except OSError:
            pass

    def stop(self) -> None:
        self._stopped = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._server.close()


@contextmanager
def listening(serve: Callable[[socket.socket, Listener], None]) -> Iterator[Listener]:
    listener = Listener(serve)
    try:
        yield listener
    finally:
        listener.stop()
