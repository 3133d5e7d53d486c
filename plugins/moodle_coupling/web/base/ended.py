"""Runs that the ledger takes for under way and Airflow for over: somebody marked them there, or their last task never ran.

Whoever ends a run in Airflow ends its tasks, so that none is left to tell the ledger. The pages show it as it is; the next run goes on from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.airflow_internals import states_of_runs
from moodle_coupling.ledger.words import UNDERWAY, RunState
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.ledger.runs import Run

_OVER: Final = {"failed": RunState.FAILED, "success": RunState.STOPPED}


def ended(runs: Iterable[Run]) -> dict[str, Run]:
    """Give those of ``runs`` that are over in Airflow, by id, with the state and the reason that they should have; one question for all."""
    open_ = {(run.dag_id, run.run_id): run for run in runs if run.state in UNDERWAY}
    found = states_of_runs(open_) if open_ else {}
    reason = Sentence("run.ended_in_airflow").written()
    return {
        open_[key].id: replace(open_[key], state=_OVER[state], reason=reason)
        for key, state in found.items()
        if state in _OVER
    }
