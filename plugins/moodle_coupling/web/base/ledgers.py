"""The ledger as the pages use it: opened once in a process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.words.sentence import Sentence

_lock = threading.Lock()
_open: dict[str, Ledger] = {}


def the_ledger() -> Ledger:
    """Give the configured ledger.

    Raises LedgerUrlError, LedgerSchemaError (names the command that mends it) and LedgerUnavailable; each has a page of
    its own, so callers need not catch them.
    """
    from moodle_coupling.ledger.ledger import open_ledger
    from moodle_coupling.settings import ledger_url

    url = ledger_url()
    found = _open.get(url)
    if found is None:
        found = open_ledger(url)  # not while the lock is held: a database that does not answer takes its time
        with _lock:
            found = _open.setdefault(url, found)
    return found


def ledger_if_any() -> tuple[Ledger | None, Sentence | None]:
    """Give the ledger, or None and why there is none: for pages that are of use without it."""
    from moodle_coupling.errors import CouplingError

    try:
        return the_ledger(), None
    except CouplingError as error:
        return None, error.said
