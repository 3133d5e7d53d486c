"""Python's collector of unreachable objects, at rest while a step makes millions that all stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let Python not look for circles of unreachable objects meanwhile; what nothing refers to is freed all the same.

    Each look passes every object there is, a worker's own included, and finds nothing in a step that makes columns.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
