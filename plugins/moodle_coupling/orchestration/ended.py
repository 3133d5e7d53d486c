"""Runs that the ledger takes for under way and Airflow does not: somebody marked or deleted them there, or their last task never ran.

Whoever ends a run in Airflow ends its tasks, so that none is left to tell the ledger. Pages and commands show it as it is; the next run goes on from there.
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

_GONE: Final = "gone"
_OVER: Final = {
    "failed": (RunState.FAILED, "run.ended_in_airflow"),
    "success": (RunState.STOPPED, "run.ended_in_airflow"),
    _GONE: (RunState.STOPPED, "run.not_in_airflow"),
}


def ended(runs: Iterable[Run]) -> dict[str, Run]:
    """Give those of ``runs`` that are over in Airflow or no longer there, by id, with the state and the reason that they should have; one question for all.

    A run is recorded by one of its own tasks, so Airflow has had it: one that it does not have was deleted.
    """
    open_ = {(run.dag_id, run.run_id): run for run in runs if run.state in UNDERWAY}
    found = states_of_runs(open_) if open_ else {}
    over: dict[str, Run] = {}
    for key, run in open_.items():
        if (state := found.get(key, _GONE)) in _OVER:
            new, reason = _OVER[state]
            over[run.id] = replace(run, state=new, reason=Sentence(reason).written())
    return over
