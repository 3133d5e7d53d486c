"""What other processes do in the tests; imports little, so that they start quickly."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from typing import TYPE_CHECKING, Any

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.errors import AlreadyDecided
from moodle_coupling.ledger.leases import Lease, acquire
from moodle_coupling.ledger.ledger import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def in_processes(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Do the work once for each set of arguments, each in a process of its own, all at once."""
    with multiprocessing.get_context("spawn").Pool(len(arguments)) as pool:
        return pool.starmap(work, arguments, chunksize=1)


def take_environments(url: str, number: int, count: int) -> list[bool]:
    """Ask for env0, env1 …; tell which were got."""
    ledger = open_ledger(url)
    got = [acquire(ledger, f"env{n}", f"process {number}", ttl=dt.timedelta(hours=1)) for n in range(count)]
    ledger.close()
    return [isinstance(answer, Lease) for answer in got]


def decide_all(url: str, analyst: str, mismatches: list[int]) -> list[str]:
    """Decide on each mismatch as it was in version 1; tell who decided it in the end."""
    ledger = open_ledger(url)
    deciders = []
    for mismatch in mismatches:
        try:
            deciders.append(decide(ledger, mismatch, 1, Choice(DecisionKind.LINK, by=analyst)).by)
        except AlreadyDecided as refused:
            deciders.append(refused.by)
    ledger.close()
    return deciders
