"""A mail server for tests: takes mail over real SMTP on 127.0.0.1 and keeps it; can refuse everyone."""

from __future__ import annotations

import contextlib
import email
import email.policy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


@dataclass
class Mails:
    """What came in. ``greetings`` has one name for each client; ``refuse`` answers every recipient with 550."""

    port: int = 0
    refuse: bool = False
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    greetings: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The bodies of all mails."""
        bodies = [message.get_body(("html", "plain")) for message in self.messages]
        return "\n".join(body.get_content() for body in bodies if body is not None)

    # aiosmtpd calls these.
    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greetings.append(hostname)
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.refuse:
            return "550 no such user s3cret"
        envelope.rcpt_tos.append(address)
        self.recipients.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(message)
        return "250 taken"


class _OnAFreePort(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextlib.contextmanager
def running_smtp() -> Iterator[Mails]:
    mails = Mails()
    server = _OnAFreePort(mails, hostname="127.0.0.1", port=0, ready_timeout=30.0)
    server.start()
    mails.port = server.port
    try:
        yield mails
    finally:
        server.stop()
