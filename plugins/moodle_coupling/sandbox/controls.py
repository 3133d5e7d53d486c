"""The control paths that only a sandbox has: what every sandbox answers on ``/sandbox/…``."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import secrets
from typing import TYPE_CHECKING, Any, Protocol

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moodle_coupling.sandbox.calls import CallLog
    from moodle_coupling.sandbox.faults import FaultsInForce
    from moodle_coupling.sandbox.settings import Settings

Route = tuple[str, str]
"""Method and path below ``/sandbox/``."""


class Controlled(Protocol):
    """A sandbox, as far as its control paths are the same as every other's."""

    @property
    def faults(self) -> FaultsInForce[Any]:
        """The faults in force."""

    @property
    def calls(self) -> CallLog[Any]:
        """The log of calls."""

    @property
    def settings(self) -> Settings:
        """The settings."""


class Controls:
    """Answers ``/sandbox/...``, from this machine only, and with ``X-Sandbox-Secret`` where one was set.

    ``routes`` are the sandbox's own, beside faults, settings and calls; each takes the request's JSON (None where there
    is none) and gives the answer's.
    """

    def __init__(self, sandbox: Controlled, secret: str, routes: Mapping[Route, Callable[[Any], Any]]) -> None:
        self._controlled = sandbox
        self._secret = secret
        self._routes: dict[Route, Callable[[Any], Any]] = {
            ("GET", "faults"): lambda _body: self._faults(),
            ("POST", "faults"): self._set_faults,
            ("DELETE", "faults"): lambda _body: self._set_faults([]),
            ("GET", "settings"): lambda _body: sandbox.settings.as_json(),
            ("POST", "settings"): self._set_settings,
            ("GET", "calls"): lambda _body: [dataclasses.asdict(call) for call in sandbox.calls.all()],
            ("DELETE", "calls"): self._clear_calls,
            **routes,
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
        except KeyError as error:
            return 400, {"error": f"{error} is missing."}
        except (SettingError, ValueError, TypeError, AttributeError) as error:
            return 400, {"error": str(error)}

    def _allows(self, address: str, secret: str) -> bool:
        from_here: bool = ipaddress.ip_address(address).is_loopback
        return from_here and secrets.compare_digest(secret.encode(), self._secret.encode())

    def _faults(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(fault) for fault in self._controlled.faults.active()]

    def _set_faults(self, body: Any) -> list[dict[str, Any]]:
        """Replace the faults by those of a list; each a text or an object."""
        self._controlled.faults.replace(body if isinstance(body, list) else [body])
        return self._faults()

    def _set_settings(self, body: Any) -> dict[str, Any]:
        self._controlled.settings.change(body)
        return self._controlled.settings.as_json()

    def _clear_calls(self, _body: Any) -> list[Any]:
        self._controlled.calls.clear()
        return []
