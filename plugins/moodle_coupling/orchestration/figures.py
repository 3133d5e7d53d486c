"""What a load and the end of a run tell Airflow's statistics: accounts, persons, mismatches, and how old the last good run is."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from moodle_coupling.contract.verdicts import DECIDABLE
from moodle_coupling.metrics import (
    ACCOUNTS_WRITTEN,
    LAST_GOOD_AGE,
    LAST_GOOD_TIMESTAMP,
    MISMATCHES,
    PERSONS_NOT_WRITTEN,
    RUNS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run

_DONE = "done"


def count_outcomes(environment: str, actions: Iterable[str], statuses: Iterable[str]) -> None:
    """Count outcomes that were put on record just now: of each its action and its status."""
    pairs = Counter(zip(map(str, actions), map(str, statuses), strict=True))
    for (action, status), number in pairs.items():
        if status == _DONE:
            ACCOUNTS_WRITTEN.add(number, environment=environment, action=action)
        else:
            PERSONS_NOT_WRITTEN.add(number, environment=environment, status=status)


def tell_figures(ledger: Ledger, run: Run) -> None:
    """Tell how a run ended, and how its environment is now. Raises LedgerUnavailable."""
    from moodle_coupling.ledger.mismatches import count_open
    from moodle_coupling.ledger.runs import last_good_run

    environment = run.environment
    RUNS.add(environment=environment, state=str(run.state))
    kinds = count_open(ledger).get(environment, {})
    for kind in {*map(str, DECIDABLE), *kinds}:
        MISMATCHES.set(kinds.get(kind, 0), environment=environment, kind=kind)
    good = last_good_run(ledger, environment)
    if good is not None and good.ended is not None:
        LAST_GOOD_TIMESTAMP.set(good.ended.timestamp(), environment=environment)
        LAST_GOOD_AGE.set(max(0.0, (dt.datetime.now(dt.UTC) - good.ended).total_seconds()), environment=environment)
