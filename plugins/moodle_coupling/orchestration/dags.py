"""Builds the DAGs of every mapping file; parsed often, so nothing heavy is imported here."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.sdk import DAG, Param, get_current_context, task

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import CoachviewSource
from moodle_coupling.mapping.file import load_all
from moodle_coupling.orchestration.coupling_dags import provision_dag, reconcile_dag
from moodle_coupling.orchestration.names import provision_id, reconcile_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.mapping import Mapping


def build_dags(folder: Path) -> dict[str, DAG]:
    """Build the DAGs of all mapping files in a folder, by DAG id, plus the one that checks connections.

    A mapping file that is wrong becomes a DAG of the same name that fails with the error: it does not vanish from the
    list, and it takes no other environment down with it.
    """
    mappings, errors = load_all(folder)
    dags = [
        build(mapping, folder / f"{mapping.environment}.yaml")
        for mapping in mappings
        for build in (provision_dag, reconcile_dag)
    ]
    dags += [broken_dag(dag_id, error) for error in errors for dag_id in _ids_of(error)]
    dags.append(check_dag(mappings))
    return {dag.dag_id: dag for dag in dags}


def check_dag(mappings: Sequence[Mapping]) -> DAG:
    """Build ``moodle_check_connection``, for all environments."""
    known = {mapping.connection: mapping for mapping in mappings}
    named = {source.connection for one in mappings for source in one.sources if isinstance(source, CoachviewSource)}
    connections = [*sorted(known), *sorted(named)]
    with DAG(
        dag_id="moodle_check_connection",
        dag_display_name="Check a connection",
        description="Tells what is wrong with a connection to Moodle or Coachview, and what to do about it.",
        doc_md=_CHECK_DOC,
        schedule=None,
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        catchup=False,
        params={
            "connection": Param(
                default=connections[0] if connections else "moodle_default",
                type="string",
                examples=connections,
                title="Connection",
                description="Id of an Airflow connection of type 'moodle' or 'coachview'. With an environment's Moodle the "
                "Coachview its persons come from is checked too.",
            )
        },
        tags=["moodle"],
        default_args={"owner": "moodle-coupling", "retries": 0},
    ) as dag:

        @task(task_display_name="Check")
        def check() -> dict[str, int]:
            """Ask the site about itself, and try every right that a run needs without writing anything."""
            from moodle_coupling.orchestration.checking import check_connection

            connection = str(get_current_context()["params"]["connection"])
            return check_connection(connection, known.get(connection))

        check()
    return dag


def _ids_of(error: MappingError) -> tuple[str, str]:
    environment = Path(getattr(error, "path", "") or "unknown").stem
    return provision_id(environment), reconcile_id(environment)


def broken_dag(dag_id: str, error: MappingError) -> DAG:
    """Build a DAG that stands in for one of a mapping file that is wrong, and says what is wrong with it."""
    message = str(error)
    with DAG(
        dag_id=dag_id,
        dag_display_name=f"{dag_id} (mapping file is wrong)",
        description="The mapping file is wrong; the DAG's documentation says where.",
        doc_md=f"# The mapping file is wrong\n\n```\n{message}\n```\n",
        schedule=None,
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        tags=["moodle", "mapping error"],
        default_args={"owner": "moodle-coupling", "retries": 0},
    ) as dag:

        @task(task_display_name="Say what is wrong")
        def explain() -> None:
            """Fail with the mapping file's error."""
            raise MappingError(message)

        explain()
    return dag


_CHECK_DOC: Final = """\
# Check a connection

Tells apart: not reachable, TLS, not a Moodle, web services or REST off, a wrong token, maintenance, functions missing from
the service, missing capabilities, fields this token cannot see, and the batch size that fits. Of a Coachview: a wrong client, a missing
scope, free fields that do not come, what is left of the day's requests. It writes nothing.
"""
