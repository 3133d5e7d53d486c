"""Several calls at a time; what stops one of them stops all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import CouplingError
from moodle_coupling.provisioning.wire import Stopped, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def in_parallel(wire: Wire, send: Callable[[Any], None], parts: Iterable[Any]) -> None:
    """Send the parts, some at a time; what the site, the journal or the pause says to one of them stops all."""

    def run(part: Any) -> None:
        try:
            send(part)
        except Stopped:
            pass
        except CouplingError as error:
            wire.stop(error)

    pool = ThreadPoolExecutor(max_workers=wire.hook.settings.parallel_requests, thread_name_prefix="moodle")
    try:
        for future in [pool.submit(run, part) for part in parts]:
            future.result()
    except BaseException:
        wire.stop(CouplingError("The load was interrupted."))
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
