"""Some parts of a work at a time, with results in order; what was done before a failure is not lost."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Part = TypeVar("Part")
Result = TypeVar("Result")

_AHEAD: Final = 2
"""Parts begun per place: one at work, and one that is ready when it ends."""
_TICK: Final = 1.0


def in_turn(
    work: Callable[[Part], Result],
    take: Callable[[], Part | None],
    at_once: int,
    *,
    tick: Callable[[], None],
) -> Iterator[tuple[Part, Result]]:
    """Do the work on each part that ``take`` gives, ``at_once`` at a time; give parts and results in order.

    ``take`` gives None when there is nothing more for now, and is asked again after each result. ``tick`` is called
    about once a second, and after each part, in the caller's thread. When a part fails, those under way are waited for,
    what went well is given, and then the first error is raised.
    """
    begun: deque[tuple[Part, Future[Result]]] = deque()
    failed: BaseException | None = None
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="moodle")
    try:
        while True:
            while failed is None and len(begun) < at_once * _AHEAD and (part := take()) is not None:
                begun.append((part, pool.submit(work, part)))
            if not begun:
                break
            part, future = begun.popleft()
            if failed is not None and future.cancel():
                continue
            while not wait({future}, timeout=_TICK).done:
                tick()
            error = future.exception()
            if error is not None:
                failed = failed or error
                continue
            yield part, future.result()
            tick()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failed is not None:
        raise failed
