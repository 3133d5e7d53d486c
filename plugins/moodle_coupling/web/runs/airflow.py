"""What Airflow knows of a run: how and by whom it was started, and how it stands."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.ledger.runs import Run


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """A run of a DAG. ``kind`` is manual, scheduled, backfill or asset_triggered; ``by`` who started it, '' if nobody did."""

    state: str
    kind: str
    by: str
    run_after: dt.datetime

    @property
    def is_over(self) -> bool:
        """Tell whether Airflow is done with it."""
        return self.state in {"success", "failed"}


def airflow_run(dag_id: str, run_id: str) -> AirflowRun | None:
    """Give a run as Airflow has it; None when it does not have it (any more)."""
    from moodle_coupling.airflow_internals import facts_of_run

    found = facts_of_run(dag_id, run_id)
    return None if found is None else AirflowRun(*found)


def folder_of(run: Run, known: AirflowRun | None) -> ObjectStoragePath | None:
    """Give the run's folder in the staging area; None when Airflow does not know any more when the run was."""
    from moodle_coupling.orchestration import staging

    return None if known is None else staging.folder_of(run.environment, known.run_after, run.dag_id, run.run_id)
