"""The control paths of a sandbox Coachview: people, limit, tokens and time, beside what every sandbox has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.coachview.sandbox import SandboxCoachview


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
            "tokens": len(sandbox.tokens),
            "budget": {"limit": sandbox.settings.rate_limit, "used": standing.used, "reset": standing.reset},
            "time": sandbox.clock.stamp(sandbox.settings.timezone),
            "settings": sandbox.settings.as_json(),
        }
