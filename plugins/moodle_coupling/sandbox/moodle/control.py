"""The control paths of a sandbox Moodle: accounts and state, beside what every sandbox has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.controls import Controls

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.sandbox import SandboxMoodle


class Control(Controls):
    """Answers ``/sandbox/...`` of a Moodle."""

    def __init__(self, sandbox: SandboxMoodle, secret: str = "") -> None:
        self._sandbox = sandbox
        super().__init__(
            sandbox,
            secret,
            {("GET", "state"): lambda _body: self._state(), ("POST", "accounts"): self._add_accounts},
        )

    def _state(self) -> dict[str, Any]:
        return {"accounts": self._sandbox.accounts(deleted=True), "settings": self._sandbox.settings.as_json()}

    def _add_accounts(self, body: Any) -> dict[str, Any]:
        return {"ids": self._sandbox.add_accounts(body)}
