"""A sandbox's settings: a dataclass whose fields are changed by name, from text or JSON values."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
