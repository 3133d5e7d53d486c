"""A mail server for tests: takes mail over real SMTP on 127.0.0.1 and keeps it; can refuse everyone."""

from __future__ import annotations

import contextlib
import email
import email.policy
import socketserver
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


@dataclass
class Mails:
    """What came in. ``lines`` is everything the client said; ``refuse`` answers every recipient with 550."""

    port: int = 0
    refuse: bool = False
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The bodies of all mails."""
        bodies = [message.get_body(("html", "plain")) for message in self.messages]
        return "\n".join(body.get_content() for body in bodies if body is not None)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 mail.example.org")
        while line := self.rfile.readline():
            text = line.decode().strip()
            self.server.mails.lines.append(text)
            command = text.upper()
            if command.startswith("QUIT"):
                self._say("221 bye")
                return
            if command.startswith("DATA"):
                self._say("354 go on")
                self._take()
            elif command.startswith("RCPT"):
                self._recipient(text)
            else:
                self._say("250 ok")

    def _recipient(self, text: str) -> None:
        if self.server.mails.refuse:
            self._say("550 no such user s3cret")
            return
        self.server.mails.recipients.append(text.partition("<")[2].partition(">")[0])
        self._say("250 ok")

    def _take(self) -> None:
        data = b""
        while (line := self.rfile.readline()) != b".\r\n":
            data += line
        message: Any = email.message_from_bytes(data, policy=email.policy.default)
        self.server.mails.messages.append(message)
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    mails: Mails


@contextlib.contextmanager
def running_smtp() -> Iterator[Mails]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.mails = Mails(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.mails
        finally:
            server.shutdown()
            thread.join()
