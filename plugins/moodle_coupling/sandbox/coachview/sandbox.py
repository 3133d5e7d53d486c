"""The sandbox Coachview as one object: start it, ask its address and client, change its people, break it; its log and control paths."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.coachview.api import Api, Call, endpoint_of, read_call
from moodle_coupling.sandbox.coachview.fields import DEFAULT_FREE_FIELDS, FreeField
from moodle_coupling.sandbox.coachview.oauth import TokenServer
from moodle_coupling.sandbox.coachview.people import ENROLMENTS, PARTS, People, Records
from moodle_coupling.sandbox.coachview.refusals import Fault, FaultKind
from moodle_coupling.sandbox.coachview.settings import Budget, Clock, ServerSettings
from moodle_coupling.sandbox.controls import AnyCall, CallLog, Controls
from moodle_coupling.sandbox.faults import FaultsInForce
from moodle_coupling.sandbox.server import Answer, Drip, HttpRequest, SandboxServer, Sending, web_server_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from moodle_coupling.sandbox.coachview.fields import Person
    from moodle_coupling.sandbox.coachview.people import Record


@dataclass(frozen=True, kw_only=True)
class LoggedCall(AnyCall):
    """One request: its method, endpoint (``token`` for one) and query, and how many rows were answered."""

    method: str
    endpoint: str
    params: dict[str, str]
    rows: int

    def is_of(self, what: str) -> bool:
        """Return whether it was to the endpoint ``what``."""
        return self.endpoint == what


class Control(Controls):
    """Answers ``/sandbox/...`` of a Coachview."""

    def __init__(self, sandbox: SandboxCoachview, secret: str = "") -> None:
        self._sandbox = sandbox
        people = sandbox.people
        super().__init__(
            sandbox,
            secret,
            {
                ("GET", "state"): lambda _body: self._state(),
                ("GET", "people"): lambda _body: people.all(),
                ("POST", "people"): lambda body: {"ids": people.add(body)},
                ("POST", "people/remove"): self._then(people.remove),
                ("POST", "people/change"): lambda body: people.change(body["id"], body["changes"]),
                ("POST", "people/inactive"): self._then(people.deactivate),
                ("GET", "parts"): lambda _body: sandbox.parts.all(),
                ("POST", "parts"): lambda body: {"ids": sandbox.parts.add(body)},
                ("GET", "enrolments"): lambda _body: sandbox.enrolments.all(),
                ("POST", "enrolments"): lambda body: {"ids": sandbox.enrolments.add(body)},
                ("POST", "enrolments/change"): lambda body: sandbox.enrolments.change(body["id"], body["changes"]),
                ("POST", "budget"): self._then(lambda body: sandbox.budget.use(int(body["used"]))),
                ("DELETE", "budget"): self._then(lambda _body: sandbox.budget.renew()),
                ("DELETE", "tokens"): self._then(lambda _body: sandbox.tokens.revoke()),
                ("POST", "clock"): self._then(lambda body: sandbox.clock.advance(float(body["advance"]))),
            },
        )

    def _then(self, act: Callable[[Any], None]) -> Callable[[Any], dict[str, Any]]:
        """Return a route that does something and answers with the state after it."""

        def route(body: Any) -> dict[str, Any]:
            act(body)
            return self._state()

        return route

    def _state(self) -> dict[str, Any]:
        sandbox = self._sandbox
        standing = sandbox.budget.look()
        return {
            "people": len(sandbox.people),
            "inactive": sum(person["inactief"] for person in sandbox.people.all()),
            "parts": len(sandbox.parts),
            "enrolments": len(sandbox.enrolments),
            "tokens": len(sandbox.tokens),
            "budget": {"limit": sandbox.settings.rate_limit, "used": standing.used, "reset": standing.reset},
            "time": sandbox.clock.stamp(sandbox.settings.timezone),
            "settings": sandbox.settings.as_json(),
        }


CLIENT_ID = "sandbox-client"
_PAGES = {FaultKind.ERROR_502: 502, FaultKind.ERROR_503: 503, FaultKind.ERROR_504: 504}
_LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Inloggen</title></head><body></body></html>\n"
_BODY_SIZE = 1 << 20


class SandboxCoachview:
    """A Coachview that is not one.

    ``url`` is its root without a trailing slash; ``client_id`` and ``client_secret`` are its one API client's. ``settings`` may
    be changed at any moment, ``clock`` set forward; ``people``, ``parts`` (of trainings), ``enrolments``, ``tokens``, ``budget``,
    ``faults`` and ``calls`` are what they say.
    """

    title = "Coachview"

    def __init__(
        self,
        *,
        people: Iterable[Person] = (),
        free_fields: Iterable[FreeField] = DEFAULT_FREE_FIELDS,
        settings: ServerSettings | dict[str, Any] | None = None,
        client_id: str = CLIENT_ID,
        client_secret: str = "",
        control_secret: str = "",
    ) -> None:
        self.settings = settings if isinstance(settings, ServerSettings) else ServerSettings()
        if isinstance(settings, dict):
            self.settings.change(settings)
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(24)
        self.clock = Clock()
        self.people = People(lambda: self.clock.stamp(self.settings.timezone), free_fields)
        self.people.add(people)
        self.parts = Records(self.people.stamp, self.people.free_fields)
        self.enrolments = Records(self.people.stamp, self.people.free_fields)
        self.tokens = TokenServer((self.client_id, self.client_secret), self.settings, self.clock)
        self.budget = Budget(self.settings, self.clock)
        self.faults = FaultsInForce(Fault)
        self.calls = CallLog(LoggedCall)
        self.control = Control(self, control_secret)
        self.url = ""
        records = {PARTS: self.parts, ENROLMENTS: self.enrolments}
        self._api = Api(self.settings, self.people, records, self.tokens, self.budget)
        self._server: SandboxServer | None = None

    def start(self, host: str = "127.0.0.1", port: int = 0, *, poll: float = 0.5) -> None:
        """Start answering in a thread; port 0 takes a free one. Raises :class:`OSError` where the port is taken.

        ``poll``: how many seconds :meth:`stop` may take to be noticed.
        """
        self._server = SandboxServer((host, port), self)
        self.url = self._server.url
        self._server.start(poll)

    def stop(self) -> None:
        """Stop answering."""
        self.faults.clear()  # lets go what is held
        if self._server is not None:
            self._server.stop()
            self._server = None

    def turned_away(self, path: str, size: int) -> Answer | None:  # noqa: ARG002 - as every front has it
        """Return the web server's answer to a body that is too large."""
        return web_server_page(413) if size > _BODY_SIZE else None

    def respond(self, request: HttpRequest) -> Sending:
        """Answer one request, with the faults that strike it."""
        started = time.time()
        endpoint = endpoint_of(request.path)
        faults = self.faults.striking(endpoint)
        call = read_call(request, faults)
        answer = self._faulty(call, request)
        self.calls.add(
            started=started,
            method=request.method,
            endpoint=endpoint,
            params=call.asked.params,
            rows=call.rows,
            status=answer.status if answer else 0,
            faults=tuple(fault.kind.value for fault in faults),
        )
        return _sending(answer, faults)

    def _faulty(self, call: Call, request: HttpRequest) -> Answer | None:
        for fault in call.faults:
            if fault.kind is FaultKind.LATENCY:
                time.sleep(fault.seconds)
            elif fault.kind is FaultKind.HOLD:
                self.faults.hold(fault)
        if call.struck_by(FaultKind.RESET):
            return None
        early = next((fault for fault in call.faults if fault.kind in _PAGES), None)
        if early is not None:
            return web_server_page(_PAGES[early.kind], retry_after=early.retry_after)
        if call.struck_by(FaultKind.HTML):
            return Answer(200, "text/html; charset=utf-8", _LOGIN_PAGE)
        return self._timed(call, request)

    def _timed(self, call: Call, request: HttpRequest) -> Answer:
        started = time.monotonic()
        answer = self._api.answer(call, request)
        left = self.settings.seconds(call.rows, call.skipped) - (time.monotonic() - started)
        if left > 0:
            time.sleep(left)
        if call.struck_by(FaultKind.BROKEN_JSON):
            return Answer(answer.status, answer.content_type, answer.body[: len(answer.body) // 2], answer.headers)
        return answer


def _sending(answer: Answer | None, faults: list[Fault]) -> Sending:
    by_kind = {fault.kind: fault for fault in faults}
    cut, drip = by_kind.get(FaultKind.TRUNCATED), by_kind.get(FaultKind.SLOW_DRIP)
    return Sending(answer, cut.size if cut else None, Drip(max(1, drip.size), drip.seconds) if drip else None)


@contextmanager
def running_coachview(
    *,
    people: Iterable[Person] = (),
    parts: Iterable[Record] = (),
    enrolments: Iterable[Record] = (),
    free_fields: Iterable[FreeField] = DEFAULT_FREE_FIELDS,
    settings: ServerSettings | dict[str, Any] | None = None,
    port: int = 0,
) -> Iterator[SandboxCoachview]:
    """Run a sandbox Coachview on 127.0.0.1 for the length of a block; port 0 takes a free one."""
    sandbox = SandboxCoachview(people=people, free_fields=free_fields, settings=settings)
    sandbox.parts.add(parts)
    sandbox.enrolments.add(enrolments)
    sandbox.start(port=port, poll=0.01)
    try:
        yield sandbox
    finally:
        sandbox.stop()
