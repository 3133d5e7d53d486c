"""What every sandbox is controlled by on ``/sandbox/…``: its settings, its log of calls, and the paths to them."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import secrets
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from moodle_coupling.sandbox.faults import FaultsInForce


_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


@dataclass
class Settings:
    """What can be changed about a sandbox; ``choices`` are the values that some settings are limited to."""

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def change(self, changes: dict[str, Any]) -> None:
        """Set each named setting, from text or JSON values.

        Raises :class:`SettingError` naming the setting that is unknown or has a value it cannot have.
        """
        known = {f.name for f in dataclasses.fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise SettingError(
                f"The sandbox has no setting {', '.join(map(repr, unknown))}. It knows: {', '.join(sorted(known))}."
            )
        values = {name: self._checked(name, value) for name, value in changes.items()}
        for name, value in values.items():
            setattr(self, name, value)

    @contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Change settings for the length of a block."""
        before = {name: getattr(self, name, None) for name in settings}
        self.change(settings)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return all settings as JSON can hold them."""
        return dataclasses.asdict(self)

    def _checked(self, name: str, value: Any) -> Any:
        try:
            return _one_of(self.choices.get(name), self.read(name, value))
        except (TypeError, ValueError) as error:
            raise SettingError(f"Sandbox setting '{name}' cannot be {value!r}: {error}.") from error

    def read(self, name: str, value: Any) -> Any:
        """Return a value as the setting holds it: of the kind it has now. Raises ValueError or TypeError."""
        return like(getattr(self, name), value)


def _one_of(choices: tuple[str, ...] | None, value: Any) -> Any:
    if choices and value not in choices:
        raise ValueError(f"choose one of {', '.join(choices)}")
    return value


def like(current: Any, value: Any) -> Any:
    """Return a text or JSON value as the kind of thing that ``current`` is."""
    if isinstance(current, bool):
        return _boolean(value)
    if isinstance(current, int | float):
        return type(current)(value)
    if isinstance(current, tuple):
        items = [v for v in value.split(",") if v] if isinstance(value, str) else list(value)
        return tuple(int(v) for v in items) if current and isinstance(current[0], int) else tuple(map(str, items))
    return str(value)


def _boolean(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("use true or false")


_KEPT = 100_000


@dataclass(frozen=True, kw_only=True)
class AnyCall:
    """One call: its number, when it came (Unix time), how long it took (seconds), its status (0: reset), its faults."""

    number: int
    started: float
    seconds: float
    status: int
    faults: tuple[str, ...]

    def is_of(self, what: str) -> bool:
        """Return whether ``what`` was called."""
        raise NotImplementedError


C = TypeVar("C", bound=AnyCall)


class CallLog(Generic[C]):
    """The calls so far, in the order in which they ended."""

    def __init__(self, kind: type[C]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._calls: deque[C] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, *, started: float, **values: Any) -> None:
        """Append a call that ends now; ``started`` is a Unix time, the rest as the calls have it."""
        seconds = time.time() - started
        with self._lock:
            self._count += 1
            self._calls.append(self._kind(number=self._count, started=started, seconds=seconds, **values))

    def all(self, what: str = "") -> list[C]:
        """Return the calls, or those of one thing only."""
        with self._lock:
            return [call for call in self._calls if not what or call.is_of(what)]

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()


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
