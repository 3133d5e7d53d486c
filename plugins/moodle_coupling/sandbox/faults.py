"""Faults on demand: how one is written down, how often it strikes, and which are in force."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import StrEnum


@dataclass(frozen=True)
class AnyFault:
    """What all faults have in common; ``kind`` is one of the sandbox's own.

    ``seconds``: the wait of latency, or between the drops of a slow drip. ``retry_after``: seconds in the header of a
    500–504. ``size``: bytes of a drop, or how many bytes of the body come before it is cut. ``skip``: let that many
    fitting calls pass first. ``first``: then only that many. ``every``: each so-manieth fitting call.
    """

    kind: StrEnum
    seconds: float = 1.0
    retry_after: int | None = None
    size: int = 0
    skip: int = 0
    first: int | None = None
    every: int = 1

    kinds: ClassVar[type[StrEnum]]
    readers: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """How a further field is read from a text or a JSON value."""

    def fits(self, what: str) -> bool:
        """Return whether a call to ``what`` counts for this fault."""
        raise NotImplementedError

    def strikes(self, count: int) -> bool:
        """Return whether the fault hits the ``count``-th fitting call (from 1)."""
        count -= self.skip
        if count < 1 or count % self.every:
            return False
        return self.first is None or count // self.every <= self.first

    @classmethod
    def read(cls, spec: Any) -> Self:
        """Return the fault that a text or a JSON object describes. Raises :class:`SettingError` naming what is wrong.

        A text is ``kind,name=value,…``, such as ``503,first=2,retry_after=5``; a number right after ``latency=`` is its
        seconds.
        """
        return cls._from(_split(spec) if isinstance(spec, str) else spec)

    @classmethod
    def _from(cls, values: dict[str, Any]) -> Self:
        kind = values.get("kind")
        if kind not in tuple(cls.kinds):
            raise SettingError(f"Sandbox fault {kind!r} is unknown. Choose one of: {', '.join(cls.kinds)}.")
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise SettingError(f"Sandbox fault '{kind}' has no {unknown[0]!r}. It knows: {', '.join(sorted(known))}.")
        readers: dict[str, Callable[[Any], Any]] = {"kind": cls.kinds, **_READERS, **cls.readers}
        try:
            return cls(**{name: readers[name](value) for name, value in values.items()})
        except ValueError as error:
            raise SettingError(f"Sandbox fault '{kind}': {error}.") from error


def _split(spec: str) -> dict[str, Any]:
    head, *rest = spec.split(",")
    kind, _, seconds = head.partition("=")
    values: dict[str, Any] = {"kind": kind.strip()}
    if seconds:
        values["seconds"] = seconds
    for item in rest:
        name, _, value = item.partition("=")
        values[name.strip()] = value.strip()
    return values


def flag(value: Any) -> bool:
    """Read a yes or no."""
    return str(value).lower() in ("1", "true", "yes", "on")


def _at_least_one(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("'every' must be 1 or more")
    return number


def _whole_or_none(value: Any) -> int | None:
    return None if value is None else int(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "seconds": float,
    "retry_after": _whole_or_none,
    "size": int,
    "skip": int,
    "first": _whole_or_none,
    "every": _at_least_one,
}

F = TypeVar("F", bound=AnyFault)


class FaultsInForce(Generic[F]):
    """The faults in force, each with the number of calls that fitted it."""

    def __init__(self, kind: type[F]) -> None:
        self._kind = kind
        self._lock = threading.Condition()
        self._entries: list[list[Any]] = []

    def add(self, fault: F | str) -> F:
        """Put a fault in force; a text is read by :meth:`AnyFault.read`."""
        found = self._kind.read(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._entries.append([found, 0])
        return found

    def replace(self, specs: Iterable[Any]) -> None:
        """Put these in force instead; when one of them cannot be read, all stay as they are."""
        faults = [self._kind.read(spec) for spec in specs]
        self.clear()
        for fault in faults:
            self.add(fault)

    def clear(self) -> None:
        """Take all faults out of force."""
        with self._lock:
            self._entries.clear()
            self._lock.notify_all()

    def active(self) -> list[F]:
        """Return the faults in force."""
        with self._lock:
            return [fault for fault, _ in self._entries]

    def hold(self, fault: F) -> None:
        """Wait until the fault is out of force."""
        with self._lock:
            self._lock.wait_for(lambda: all(entry[0] is not fault for entry in self._entries))

    def striking(self, what: str) -> list[F]:
        """Count a call and return the faults that hit it."""
        hits = []
        with self._lock:
            for entry in self._entries:
                fault: F = entry[0]
                if fault.fits(what):
                    entry[1] += 1
                    if fault.strikes(entry[1]):
                        hits.append(fault)
        return hits
