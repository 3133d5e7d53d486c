"""Faults on demand: what goes wrong between a client and a Moodle, for which calls and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from moodle_coupling.errors import SettingError


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    HOLD = "hold"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_504 = "504"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TRUNCATED = "truncated"
    HTML = "html"
    PHP_WARNING = "php_warning"
    SLOW_DRIP = "slow_drip"


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``seconds``: the wait of latency, or between the drops of a slow drip. A hold lasts until the faults are cleared. ``retry_after``: seconds in the header of a
    500–504. ``size``: bytes of a drop, or how many bytes of the body come before it is cut. ``after``: the error page
    comes after the work was done, so the answer is lost. ``function``: only calls of that function. ``skip``: let that
    many fitting calls pass first. ``first``: then only that many. ``every``: each so-manieth fitting call.
    """

    kind: FaultKind
    function: str = ""
    seconds: float = 1.0
    retry_after: int | None = None
    size: int = 0
    after: bool = False
    skip: int = 0
    first: int | None = None
    every: int = 1

    def strikes(self, count: int) -> bool:
        """Return whether the fault hits the ``count``-th fitting call (from 1)."""
        count -= self.skip
        if count < 1 or count % self.every:
            return False
        return self.first is None or count // self.every <= self.first


def parse_fault(spec: str) -> Fault:
    """Return the fault in a text such as ``503,first=2,retry_after=5,function=core_user_create_users``.

    A number right after ``latency=`` is its seconds. Raises :class:`SettingError` naming what is wrong.
    """
    head, *rest = spec.split(",")
    kind, _, seconds = head.partition("=")
    values: dict[str, Any] = {"kind": kind.strip()}
    if seconds:
        values["seconds"] = seconds
    for item in rest:
        name, _, value = item.partition("=")
        values[name.strip()] = value.strip()
    return fault_from(values)


def fault_from(values: dict[str, Any]) -> Fault:
    """Return the fault that JSON or text values describe. Raises :class:`SettingError` naming what is wrong."""
    kinds = ", ".join(FaultKind)
    if values.get("kind") not in tuple(FaultKind):
        raise SettingError(f"Sandbox fault {values.get('kind')!r} is unknown. Choose one of: {kinds}.")
    known = {f.name for f in fields(Fault)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingError(
            f"Sandbox fault '{values['kind']}' has no {unknown[0]!r}. It knows: {', '.join(sorted(known))}."
        )
    try:
        return Fault(**{name: _READERS[name](value) for name, value in values.items()})
    except ValueError as error:
        raise SettingError(f"Sandbox fault '{values['kind']}': {error}.") from error


def _flag(value: Any) -> bool:
    return str(value).lower() in ("1", "true", "yes", "on")


def _at_least_one(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("'every' must be 1 or more")
    return number


_READERS: dict[str, Any] = {
    "kind": FaultKind,
    "function": str,
    "seconds": float,
    "retry_after": lambda value: None if value is None else int(value),
    "size": int,
    "after": _flag,
    "skip": int,
    "first": lambda value: None if value is None else int(value),
    "every": _at_least_one,
}


class Faults:
    """The faults in force, each with the number of calls that fitted it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._entries: list[list[Any]] = []

    def add(self, fault: Fault | str) -> Fault:
        """Put a fault in force; a text is read by :func:`parse_fault`."""
        fault = parse_fault(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._entries.append([fault, 0])
        return fault

    def clear(self) -> None:
        """Take all faults out of force."""
        with self._lock:
            self._entries.clear()
            self._lock.notify_all()

    def active(self) -> list[Fault]:
        """Return the faults in force."""
        with self._lock:
            return [fault for fault, _ in self._entries]

    def hold(self, fault: Fault) -> None:
        """Wait until the fault is out of force."""
        with self._lock:
            self._lock.wait_for(lambda: all(entry[0] is not fault for entry in self._entries))

    def striking(self, function: str) -> list[Fault]:
        """Count a call and return the faults that hit it."""
        hits = []
        with self._lock:
            for entry in self._entries:
                fault: Fault = entry[0]
                if fault.function in ("", function):
                    entry[1] += 1
                    if fault.strikes(entry[1]):
                        hits.append(fault)
        return hits
