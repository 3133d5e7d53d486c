"""The control paths that only a sandbox has: faults, settings, accounts, state and the call log."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import secrets
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.moodle.faults import fault_from, parse_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.moodle.sandbox import SandboxMoodle


class Control:
    """Answers ``/sandbox/...``, from this machine only, and with ``X-Sandbox-Secret`` where one was set."""

    def __init__(self, sandbox: SandboxMoodle, secret: str = "") -> None:
        self._sandbox = sandbox
        self._secret = secret
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "faults"): lambda _body: self._faults(),
            ("POST", "faults"): self._set_faults,
            ("DELETE", "faults"): lambda _body: self._set_faults([]),
            ("GET", "settings"): lambda _body: sandbox.settings.as_json(),
            ("POST", "settings"): self._set_settings,
            ("GET", "state"): lambda _body: self._state(),
            ("GET", "calls"): lambda _body: [dataclasses.asdict(call) for call in sandbox.calls.all()],
            ("DELETE", "calls"): self._clear_calls,
            ("POST", "accounts"): self._add_accounts,
        }

    def answer(self, method: str, path: str, body: bytes, address: str, secret: str) -> tuple[int, Any]:
        """Return HTTP status and JSON content."""
        if not self._allows(address, secret):
            return 403, {"error": "The sandbox's controls are for this machine, with its X-Sandbox-Secret."}
        route = self._routes.get((method, path.strip("/")))
        if route is None:
            known = ", ".join(f"{m} /sandbox/{p}" for m, p in self._routes)
            return 404, {"error": f"No such control. There are: {known}."}
        try:
            return 200, route(json.loads(body) if body else None)
        except (SettingError, ValueError, TypeError, AttributeError) as error:
            return 400, {"error": str(error)}

    def _allows(self, address: str, secret: str) -> bool:
        from_here: bool = ipaddress.ip_address(address).is_loopback
        return from_here and secrets.compare_digest(secret.encode(), self._secret.encode())

    def _faults(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(fault) for fault in self._sandbox.faults.active()]

    def _set_faults(self, body: Any) -> list[dict[str, Any]]:
        """Replace the faults by those of a list; each a text or an object."""
        items = body if isinstance(body, list) else [body]
        faults = [parse_fault(item) if isinstance(item, str) else fault_from(item) for item in items]
        self._sandbox.faults.clear()
        for fault in faults:
            self._sandbox.faults.add(fault)
        return self._faults()

    def _set_settings(self, body: Any) -> dict[str, Any]:
        self._sandbox.settings.change(body)
        return self._sandbox.settings.as_json()

    def _state(self) -> dict[str, Any]:
        return {"accounts": self._sandbox.accounts(deleted=True), "settings": self._sandbox.settings.as_json()}

    def _clear_calls(self, _body: Any) -> list[Any]:
        self._sandbox.calls.clear()
        return []

    def _add_accounts(self, body: Any) -> dict[str, Any]:
        return {"ids": self._sandbox.add_accounts(body)}
