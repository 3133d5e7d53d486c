"""The ledger as orchestration uses it: where it is, and one run's hold on its environment."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from typing import TYPE_CHECKING, Final

from moodle_coupling import settings
from moodle_coupling.errors import EnvironmentBusy
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.ledger.ledger import Ledger

LEASE: Final = dt.timedelta(minutes=10)
"""How long an environment stays taken after the run that holds it was last heard of."""


def the_ledger() -> Ledger:
    """Open the configured ledger; raises LedgerSchemaError when ``moodle-coupling db upgrade`` must be run first."""
    from moodle_coupling.ledger.ledger import open_ledger

    return open_ledger(settings.ledger_url())


@contextlib.contextmanager
def held(ledger: Ledger, environment: str, holder: str) -> Iterator[Lease]:
    """Hold an environment for one run, and go on saying so while the block runs.

    ``holder`` names the run: its tasks share the lease, and it stays theirs after the block, until :func:`let_go` or
    until it runs out. Raises EnvironmentBusy when another run has it.
    """
    from moodle_coupling.ledger.errors import LedgerConflict, LedgerUnavailable
    from moodle_coupling.ledger.leases import Busy, acquire, heartbeat

    lease = acquire(ledger, environment, holder, ttl=LEASE)
    if isinstance(lease, Busy):
        since = f"{lease.since:%Y-%m-%d %H:%M}"
        raise EnvironmentBusy(Sentence("run.busy", environment=environment, run=lease.holder, since=since))
    done = threading.Event()

    def beat() -> None:
        while not done.wait(LEASE.total_seconds() / 4):
            # A lost lease is noticed where it matters: by the journal, before the next batch is sent.
            with contextlib.suppress(LedgerConflict, LedgerUnavailable):
                heartbeat(ledger, lease, ttl=LEASE)

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join()


def let_go(ledger: Ledger, environment: str, holder: str) -> None:
    """Let the next run have the environment, if this run holds it."""
    from moodle_coupling.ledger.leases import Busy, acquire, release

    found = acquire(ledger, environment, holder, ttl=LEASE)
    if not isinstance(found, Busy):
        release(ledger, found)
