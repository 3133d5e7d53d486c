"""Starting a run on behalf of the person at the page, through Airflow's own machinery, in the API server's process."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.airflow_internals import dag_model, dag_run_model, session, trigger_by_hand
from moodle_coupling.errors import SettingError
from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    from collections.abc import Collection


class CannotStart(SettingError):
    """Airflow does not have the DAG, or cannot run it; nothing was started. The text is one of UNKNOWN, BROKEN, REFUSED."""


UNKNOWN: Final = say(
    "Airflow does not have the Dag yet. It reads new mapping files within some minutes; look under Dags for import errors."
)
BROKEN: Final = say("Airflow cannot read the file of the Dag. Look under Dags for its import error.")
REFUSED: Final = say(
    "Airflow refuses to start the Dag by hand. Look at its settings, and at the log of the API server."
)


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

    model = _models([dag_id]).get(dag_id)
    if model is None:
        raise CannotStart(UNKNOWN)
    if model.has_import_errors:
        raise CannotStart(BROKEN)
    try:
        run = trigger_by_hand(dag_id, conf, by=by)
    except (AirflowException, ParamValidationError, ValueError) as error:
        raise CannotStart(REFUSED) from error
    if run is None:
        raise CannotStart(REFUSED)
    return Started(dag_id, str(run.run_id), not model.is_paused)


def dag_states(dag_ids: Collection[str]) -> dict[str, DagState]:
    """Give what Airflow knows of DAGs, by id; one it does not have (any more) is left out."""
    from sqlalchemy import func, select

    runs = dag_run_model()
    models = _models(dag_ids)
    waits = select(runs.dag_id, func.count()).where(runs.dag_id.in_(list(models)), runs.state == "queued")
    with session() as open_:
        queued = {str(dag_id): int(number) for dag_id, number in open_.execute(waits.group_by(runs.dag_id))}
    return {
        dag_id: DagState(dag_id, not model.is_paused, model.next_dagrun_create_after, queued.get(dag_id, 0))
        for dag_id, model in models.items()
    }


def _models(dag_ids: Collection[str]) -> dict[str, Any]:
    from sqlalchemy import select

    known = dag_model()
    with session() as open_:
        query = select(known).where(known.dag_id.in_(list(dag_ids)), ~known.is_stale)
        found = {model.dag_id: model for model in open_.scalars(query)}
        open_.expunge_all()
    return found
