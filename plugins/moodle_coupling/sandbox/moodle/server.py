"""Which paths of a Moodle the sandbox has, and what each answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.sandbox.answers import Answer, Drip, Sending, web_server_page
from moodle_coupling.sandbox.moodle.app import Request
from moodle_coupling.sandbox.moodle.faults import Fault, FaultKind
from moodle_coupling.sandbox.moodle.pages import login_page

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.control import Control
    from moodle_coupling.sandbox.moodle.sandbox import SandboxMoodle
    from moodle_coupling.sandbox.server import HttpRequest

REST_PATH = "/webservice/rest/server.php"


class MoodleFront:
    """A Moodle's web server."""

    title = "Moodle"

    def __init__(self, sandbox: SandboxMoodle) -> None:
        self._sandbox = sandbox

    @property
    def control(self) -> Control:
        """The control paths."""
        return self._sandbox.control

    def turned_away(self, path: str, size: int) -> Answer | None:
        """Return nginx's answer to a body that is too large, None to one that is not."""
        too_large = path.endswith(REST_PATH) and size > self._sandbox.settings.client_max_body_size
        return web_server_page(413) if too_large else None

    def respond(self, request: HttpRequest) -> Sending:
        """Answer a request; GET is as good as POST to Moodle's web service."""
        if not request.path.endswith(REST_PATH) or request.method == "DELETE":
            at_home = request.path in ("/", "/login/index.php")
            return Sending(login_page(self._sandbox.settings.sitename) if at_home else web_server_page(404))
        content_type = request.headers.get("Content-Type") or ""
        answer, faults = self._sandbox.serve(Request(request.query, content_type, request.body, request.address))
        cut, drip = _of_kind(faults, FaultKind.TRUNCATED), _of_kind(faults, FaultKind.SLOW_DRIP)
        return Sending(answer, cut.size if cut else None, Drip(max(1, drip.size), drip.seconds) if drip else None)


def _of_kind(faults: list[Fault], kind: FaultKind) -> Fault | None:
    return next((fault for fault in faults if fault.kind is kind), None)
