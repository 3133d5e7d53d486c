"""Writing one person to Moodle from the command line, with everything in the ledger that a run leaves there."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.ledger.accounts import record_links
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.orchestration.environment_hold import held, let_go
from moodle_coupling.orchestration.journal import load_with_ledger
from moodle_coupling.orchestration.load import new_links
from moodle_coupling.orchestration.pause import who
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping

COMMAND: Final = "moodle-coupling explain"
"""Stands for the DAG in the ledger's runs."""
_GOOD: Final = (OutcomeStatus.DONE, OutcomeStatus.SKIPPED)


def writer(ledger: Ledger, mapping: Mapping) -> Callable[[pd.DataFrame, MoodleHook], pd.DataFrame]:
    """Give the function that loads one person's plan and gives its outcomes (OUTCOME_COLUMNS).

    It raises EnvironmentBusy while a run writes to the environment, and LedgerUnavailable; then nothing was sent.
    """
    environment = mapping.environment

    def write(plan: pd.DataFrame, hook: MoodleHook) -> pd.DataFrame:
        run_id = f"{who()} {uuid.uuid4()}"
        holder = f"{COMMAND} {run_id}"
        with held(ledger, environment, holder) as lease:
            run = begin_run(ledger, environment, COMMAND, run_id, mode="one person")
            try:
                result = load_with_ledger(plan, hook, ledger, run.id, digest=plan_digest(plan), lease=lease)
                _remember_links(ledger, environment, plan, result.outcomes)
            except BaseException as error:
                end_run(ledger, run.id, RunState.FAILED, reason=type(error).__name__)
                raise
            finally:
                let_go(ledger, environment, holder)
        good = result.outcomes["status"].isin(_GOOD).all()
        counts = {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}
        # Not 'done': one person is no load, and the first load of an environment still waits for its approval.
        end_run(ledger, run.id, RunState.STOPPED if good else RunState.FAILED, counts=counts, reason="one person only")
        return result.outcomes

    return write


def _remember_links(ledger: Ledger, environment: str, plan: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    # The fingerprint is not known here, so the next run looks at this person itself.
    no_fingerprints = pd.Series("", index=plan["row"], dtype="str")
    for links in new_links(plan, outcomes, no_fingerprints):
        if len(links):
            record_links(ledger, environment, links)
