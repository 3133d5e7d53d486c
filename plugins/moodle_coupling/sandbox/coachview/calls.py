"""The log of requests to a sandbox Coachview, never with the client's secret or a token."""

from __future__ import annotations

from dataclasses import dataclass

from moodle_coupling.sandbox.calls import AnyCall


@dataclass(frozen=True, kw_only=True)
class LoggedCall(AnyCall):
    """One request: its method, endpoint (``token`` for one) and query, and how many rows were answered."""

    method: str
    endpoint: str
    params: dict[str, str]
    rows: int

    def is_of(self, what: str) -> bool:
        """Return whether it was to the endpoint ``what``."""
        return self.endpoint == what
