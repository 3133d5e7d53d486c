"""Puts the DAGs of a folder of mapping files into Airflow's database, as its DAG processor does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.orchestration.dags import build_dags

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = "dags-folder"


def put(folder: Path, *, on: bool = True) -> list[str]:
    """Give the ids of the DAGs; ``on`` switches them on."""
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    from airflow.utils.session import create_session
    from sqlalchemy import update

    dags = build_dags(folder)
    file = folder.parent / "dags.py"
    file.write_text("# Airflow keeps a copy of this file\n")
    for dag in dags.values():
        dag.fileloc, dag.relative_fileloc = str(file), file.name
    lazy = [LazyDeserializedDAG(data=DagSerialization.to_dict(dag)) for dag in dags.values()]
    with create_session() as session:
        session.merge(DagBundleModel(name=BUNDLE))
        session.flush()
        update_dag_parsing_results_in_db(BUNDLE, None, lazy, {}, None, set(), session)
        session.execute(update(DagModel).where(DagModel.dag_id.in_(list(dags))).values(is_paused=not on))
    return list(dags)


def clear() -> None:
    """Take every DAG and every variable out of Airflow's database again."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        for table in (DagRun, DagModel, Variable):
            session.execute(delete(table))
