"""The ledger as the journal of a load: every intention before it is sent, every outcome after, and what a retry must do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.intentions import mark_sent, plan_intentions, unsettled
from moodle_coupling.ledger.outcomes import run_outcomes, settle
from moodle_coupling.ledger.words import FINAL, IntentionState
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.provisioning.load.loader import LoadResult, load
from moodle_coupling.provisioning.load.outcomes import NOTHING_TO_DO, OUTCOME_COLUMNS, OutcomeStatus, outcomes_frame
from moodle_coupling.provisioning.load.rows import sort_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.provisioning.load.job import Pace
    from moodle_coupling.provisioning.load.outcomes import Outcome
    from moodle_coupling.provisioning.wire import Moodle

_PERSON: Final = ("firstname", "lastname", "email")
"""Of the plan, beside OUTCOME_COLUMNS: people are found by them in the ledger."""
_STOP_RULE: Final = StopRule()


class LedgerJournal:
    """The journal of a load of ``plan`` (PLAN_COLUMNS, or some of its rows) within a run of the ledger.

    With ``lease`` nothing is sent once another run has taken the environment over.
    """

    def __init__(self, ledger: Ledger, run: str, plan: pd.DataFrame, lease: Lease | None = None) -> None:
        self._ledger = ledger
        self._run = run
        self._plan = plan.reset_index(drop=True)
        self._lease = lease
        self._keys = cells.row_keys(plan)

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        """Record that these rows go out now; raises LedgerUnavailable, LeaseLost, NotPlanned."""
        mark_sent(self._ledger, self._run, [self._keys[index] for index in indexes], batch, lease=self._lease)

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes; raises LedgerUnavailable.

        Of whom there was nothing to do nothing is recorded: a school would fill the ledger with them every half hour.
        """
        outcomes = [outcome for outcome in outcomes if outcome.code != NOTHING_TO_DO]
        if not outcomes:
            return
        rows = self._plan.iloc[[outcome.index for outcome in outcomes]].reset_index(drop=True)
        numbered = [replace(outcome, index=position) for position, outcome in enumerate(outcomes)]
        frame = outcomes_frame(rows, numbered)
        settle(self._ledger, self._run, frame.assign(**{name: rows[name] for name in _PERSON}))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is with some rows of its plan.

    ``settled``: final outcomes (OUTCOME_COLUMNS) of earlier tries. ``waiting``: the rows of the plan that have none, in
    order. ``in_doubt``: positions in ``waiting`` of rows that were sent and of which nobody knows what became.
    """

    settled: pd.DataFrame
    waiting: pd.DataFrame
    in_doubt: frozenset[int]


def progress(ledger: Ledger, run: str, plan: pd.DataFrame) -> Progress:
    """Ask the ledger how far a run is with these rows; ask after ``plan_intentions``, which says which plan it is."""
    keys = cells.row_keys(plan)
    outcomes = run_outcomes(ledger, run, keys=keys)
    final = outcomes["status"].isin(FINAL)
    done = set(outcomes.loc[final, "key"])
    states = unsettled(ledger, run, keys=keys)
    doubtful = set(states.loc[states["state"] == IntentionState.SENT, "key"])
    doubtful |= set(outcomes.loc[outcomes["status"] == OutcomeStatus.UNKNOWN, "key"])
    waiting = [key for key in keys if key not in done]
    return Progress(
        settled=outcomes.loc[final, list(OUTCOME_COLUMNS)].reset_index(drop=True),
        waiting=plan[[key not in done for key in keys]].reset_index(drop=True),
        in_doubt=frozenset(position for position, key in enumerate(waiting) if key in doubtful),
    )


def open_rows(ledger: Ledger, run: str, plan: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the plan that have no final outcome in this run yet: what a retry must load."""
    return progress(ledger, run, plan).waiting


def load_with_ledger(  # noqa: PLR0913 - each is the run's own, and given by name
    part: pd.DataFrame,
    hook: Moodle,
    ledger: Ledger,
    run: str,
    *,
    digest: str,
    lease: Lease | None = None,
    stop: StopRule | None = _STOP_RULE,
    pace: Pace | None = None,
) -> LoadResult:
    """Load a part of a run's plan, or what earlier tries left of it; gives one outcome for every row of ``part``.

    ``digest`` names the whole plan (digests.plan_digest). Rows with a final outcome are not sent again; rows that were
    sent and not settled are looked up in Moodle first. Loaded to its end once, loading it again sends nothing.

    Raises LedgerUnavailable, NotInLedger and PlanInFlight when the ledger cannot be asked at the start; nothing was sent
    then. Whatever comes later, the ledger's failures included, is the result's ``stopped``.
    """
    work = sort_rows(part)
    keys = cells.row_keys(part)
    to_write = [item.index for item in work.changes] + [item.index for item in work.creates]
    plan_intentions(ledger, run, [keys[index] for index in to_write], digest=digest)
    found = progress(ledger, run, part)
    journal = LedgerJournal(ledger, run, found.waiting, lease)
    result = load(found.waiting, hook, journal=journal, stop=stop, in_doubt=found.in_doubt, pace=pace)
    return replace(result, outcomes=_in_order(keys, [found.settled, result.outcomes]))


def _in_order(keys: list[str], frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Put outcomes together in the order of the plan's keys."""
    together = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    by_key = {key: position for position, key in enumerate(cells.row_keys(together))}
    return together.iloc[[by_key[key] for key in keys]].reset_index(drop=True)
