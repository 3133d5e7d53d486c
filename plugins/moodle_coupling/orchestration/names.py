"""How the DAGs, the pool and the assets of an environment are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from moodle_coupling import settings

if TYPE_CHECKING:
    from airflow.sdk import Asset

_PROVISION: Final = "moodle_provision__"
_RECONCILE: Final = "moodle_reconcile__"


def pool_name(environment: str) -> str:
    """Give the pool that limits how many tasks talk to one Moodle at a time."""
    return f"moodle__{environment}"


def provision_id(environment: str) -> str:
    """Give the id of the DAG that sends what changed."""
    return f"{_PROVISION}{environment}"


def reconcile_id(environment: str) -> str:
    """Give the id of the DAG that compares everything."""
    return f"{_RECONCILE}{environment}"


def environment_of(dag_id: str) -> str:
    """Give the environment a DAG belongs to; '' for a DAG that is not one of ours."""
    for prefix in (_PROVISION, _RECONCILE):
        if dag_id.startswith(prefix):
            return dag_id.removeprefix(prefix)
    return ""


def persons_asset(environment: str) -> Asset:
    """Give the asset that stands for the persons of the source; its state store has the watermark."""
    from airflow.sdk import Asset

    return Asset(name=f"moodle_persons__{environment}", uri=f"moodle://{environment}/persons")


def users_asset(environment: str) -> Asset:
    """Give the asset that stands for the accounts; each load is an event of it, with the counts."""
    from airflow.sdk import Asset

    return Asset(name=f"moodle_users__{environment}", uri=f"moodle://{environment}/users")


def run(dag_id: str, run_id: str) -> str:
    """Give the page of a run's report."""
    return f"{settings.airflow_url()}/dags/{quote(dag_id)}/runs/{quote(run_id)}/plugin/moodle-run-report"


def plan(dag_id: str, run_id: str) -> str:
    """Give the page of a run's plan, row by row."""
    return f"{settings.airflow_url()}/moodle/runs/of?{urlencode({'dag_id': dag_id, 'run_id': run_id})}"


def environment(name: str) -> str:
    """Give the page of an environment."""
    return f"{settings.airflow_url()}/moodle/environments/{quote(name)}"


def mismatches(environment: str) -> str:
    """Give the list of an environment's mismatches."""
    return f"{settings.airflow_url()}/moodle/mismatches?{urlencode({'environment': environment})}"
