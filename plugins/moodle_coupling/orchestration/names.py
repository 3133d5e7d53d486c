"""How the DAGs and the pool of an environment are called."""

from __future__ import annotations

from typing import Final

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
