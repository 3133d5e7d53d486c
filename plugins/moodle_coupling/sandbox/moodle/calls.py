"""The log of calls: what was asked and how it ended, never with the token or a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moodle_coupling.sandbox.calls import AnyCall

_SECRET_KEYS = ("wstoken", "password", "wspassword")


@dataclass(frozen=True, kw_only=True)
class LoggedCall(AnyCall):
    """One call: which function, its parameters, how many form fields and accounts, and the error code of its answer."""

    function: str
    parameters: Any
    errorcode: str
    fields: int
    accounts: int

    def is_of(self, what: str) -> bool:
        """Return whether the function ``what`` was called."""
        return self.function == what


def without_secrets(value: Any) -> Any:
    """Return nested parameters with every token and password masked."""
    if isinstance(value, dict):
        return {key: "***" if key in _SECRET_KEYS else without_secrets(item) for key, item in value.items()}
    return value


def count_fields(value: Any) -> int:
    """Return how many form fields a nested parameter took."""
    return sum(count_fields(item) for item in value.values()) if isinstance(value, dict) else 1
