"""Starting a run on behalf of the person at the page, through Airflow's own machinery, in the API server's process."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.airflow_internals import count_queued, known_dags, trigger_by_hand
from moodle_coupling.errors import SettingError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection


class CannotStart(SettingError):
    """Airflow does not have the DAG, or cannot run it; nothing was started."""


@dataclass(frozen=True, slots=True)
class DagState:
    """What Airflow knows of a DAG.

    ``is_on``: it may run; ``next_run``: when it runs next by its schedule (UTC; None: by hand only), which may be past when
    Airflow is about to begin; ``queued``: how many runs wait to begin.
    """

    dag_id: str
    is_on: bool
    next_run: dt.datetime | None
    queued: int = 0

    @property
    def is_due(self) -> bool:
        """Tell whether the next run should have begun already."""
        return self.next_run is not None and self.next_run <= dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was asked for; with ``is_on`` False it waits until somebody switches the DAG on in Airflow."""

    dag_id: str
    run_id: str
    is_on: bool


def start(dag_id: str, conf: dict[str, Any], *, by: str) -> Started:
    """Ask for a run of a DAG; ``conf`` holds its Params. Raises CannotStart."""
    from airflow.sdk.exceptions import AirflowException, ParamValidationError

    model = known_dags([dag_id]).get(dag_id)
    if model is None:
        raise CannotStart(Sentence("starting.no_dag"))
    if model.has_import_errors:
        raise CannotStart(Sentence("starting.broken_dag"))
    try:
        run = trigger_by_hand(dag_id, conf, by=by)
    except (AirflowException, ParamValidationError, ValueError) as error:
        raise CannotStart(Sentence("starting.refused")) from error
    if run is None:
        raise CannotStart(Sentence("starting.refused"))
    return Started(dag_id, str(run.run_id), not model.is_paused)


def dag_states(dag_ids: Collection[str]) -> dict[str, DagState]:
    """Give what Airflow knows of DAGs, by id; one it does not have (any more) is left out."""
    models = known_dags(dag_ids)
    queued = count_queued(models)
    return {
        dag_id: DagState(dag_id, not model.is_paused, model.next_dagrun_create_after, queued.get(dag_id, 0))
        for dag_id, model in models.items()
    }
