"""Whether work grows with the size of a text or with its square: told by growth, never by seconds, since machines differ."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import CouplingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def grows_faster(reader: Callable[[str], Any], units: Iterable[str], before: str = "") -> list[str]:
    """Give the units of which eight times as many take far more than eight times as long; what is quadratic takes 64 times.

    An error of ours is as good as an answer.
    """
    found = []
    for unit in units:
        small, large = (before + unit * (size // len(unit)) for size in (2_000, 16_000))
        # Below a millisecond a machine's noise is larger than the work.
        if _seconds(reader, large) >= 24 * max(_seconds(reader, small), 0.001):
            found.append(unit)
    return found


def _seconds(reader: Callable[[str], Any], text: str) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        with contextlib.suppress(CouplingError):
            reader(text)
        best = min(best, time.process_time() - began)
    return best
