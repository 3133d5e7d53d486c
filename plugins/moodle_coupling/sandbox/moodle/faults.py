"""What can go wrong between a client and a Moodle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from moodle_coupling.sandbox.faults import AnyFault, flag


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
class Fault(AnyFault):
    """One fault; what is not said here is as in :class:`AnyFault`.

    A hold lasts until the faults are cleared. ``after``: the error page comes after the work was done, so the answer is
    lost. ``function``: only calls of that function.
    """

    kind: FaultKind
    after: bool = False
    function: str = ""

    kinds: ClassVar = FaultKind
    readers: ClassVar = {"after": flag, "function": str}

    def fits(self, what: str) -> bool:
        """Return whether a call of the function ``what`` counts for this fault."""
        return self.function in ("", what)
