"""Builds the DAGs of every mapping file; parsed often, so nothing heavy is imported here."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, get_parsing_context, task

from moodle_coupling import settings
from moodle_coupling.contract.safe_text import fenced
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.document import Problem
from moodle_coupling.mapping.file import SUFFIX, MappingFileError, Remains, load_mapping, remains
from moodle_coupling.mapping.folder import load_all
from moodle_coupling.orchestration.coupling_dags import (
    provision_dag,
    provision_params,
    reconcile_dag,
    reconcile_params,
    schedule_of,
)
from moodle_coupling.orchestration.names import environment_of, provision_id, reconcile_id
from moodle_coupling.orchestration.notices import WrongFile
from moodle_coupling.sources.kinds import checked_connections
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from moodle_coupling.mapping import Mapping

WATCH: Final = "moodle_watch"


def build_dags(folder: Path) -> dict[str, DAG]:
    """Build the DAGs of all mapping files in a folder, by DAG id, plus the one that checks connections.

    A mapping file that is wrong keeps its DAGs and their schedule: they fail with the error, and its people are told. It
    takes no other environment down with it. Of two files with one connection both get their DAGs, for only the ledger
    knows whose connection it is: the newcomer's runs are refused, and fail. In the process of a task that is
    about to run, only the DAGs of its own mapping file are built.
    """
    needed = _needed_by_a_task(folder)
    if needed:
        return needed
    mappings, errors = load_all(folder)
    dags: dict[str, DAG] = {}
    for mapping in mappings:
        dags |= _dags_of(mapping, folder / f"{mapping.environment}.yaml")
    for error in errors:
        for dag in broken_dags(error):
            dags.setdefault(dag.dag_id, dag)
    dags["moodle_check_connection"] = check_dag(mappings)
    if settings.notifiers() or any(
        who.to for who in [one.notify for one in mappings] + [_left(error).notify for error in errors]
    ):
        dags[WATCH] = watch_dag(folder)
    return dags


def _needed_by_a_task(folder: Path) -> dict[str, DAG]:
    """Give the DAGs of the task that this process is to run; {} in any other process, and where all must be looked at.

    Each task reads the DAG file anew. With a thousand mapping files it took a quarter of a minute before it began.
    """
    wanted = get_parsing_context().dag_id or ""
    environment = environment_of(wanted)
    if not environment:
        return {}
    path = folder / f"{environment}{SUFFIX}"
    try:
        mapping = load_mapping(path)
    except MappingError:
        return {}
    made = _dags_of(mapping, path)
    return made if wanted in made else {}


def _dags_of(mapping: Mapping, path: Path) -> dict[str, DAG]:
    try:
        made = [provision_dag(mapping, path), reconcile_dag(mapping, path)]
    except Exception as error:  # noqa: BLE001  # what Airflow does not take of one file must not take all others down
        said = Sentence("mapping.no_dag", error=type(error).__name__, said=str(error))
        made = broken_dags(MappingFileError(path, [Problem(1, 1, "", said)]))
    return {dag.dag_id: dag for dag in made}


def check_dag(mappings: Sequence[Mapping]) -> DAG:
    """Build ``moodle_check_connection``, for all environments."""
    known = {mapping.connection: mapping for mapping in mappings}
    named = {connection for one in mappings for connection, _, _ in checked_connections(one)}
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
            from moodle_coupling.orchestration.connection_checks import check_connection

            connection = str(get_current_context()["params"]["connection"])
            return check_connection(connection, known.get(connection))

        check()
    return dag


def watch_dag(folder: Path) -> DAG:
    """Build ``moodle_watch``, which there is where somebody is to be told of something."""
    with DAG(
        dag_id=WATCH,
        dag_display_name="Watch over the environments",
        description="Tells when no run of an environment ends well, and what could not be told before.",
        doc_md=_WATCH_DOC,
        schedule=CronTriggerTimetable("7,37 * * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["moodle"],
        default_args={"owner": "moodle-coupling", "retries": 0},
    ) as dag:

        @task(task_display_name="Watch")
        def watch() -> int:
            """Look at the ledger and the mapping files, and tell what is not told yet; nothing is asked of a Moodle."""
            from moodle_coupling.orchestration.watch import watch

            return watch(folder, dt.datetime.now(dt.UTC))

        watch()
    return dag


def broken_dags(error: MappingError) -> list[DAG]:
    """Build the DAGs that stand in for those of a mapping file that is wrong, at the times that the file still says."""
    path, left = error.path, _left(error)
    environment = _id_part(path.stem) if path else "unknown"
    tells = WrongFile(path.stem if path else environment, str(error), left.notify)
    return [
        _broken_dag(provision_id(environment), left, left.schedule.provision, provision_params(), tells),
        _broken_dag(reconcile_id(environment), left, left.schedule.reconcile, reconcile_params(), tells),
    ]


def _left(error: MappingError) -> Remains:
    return remains(error.path) if error.path else Remains()


def _id_part(stem: str) -> str:
    """Give a file's name as a part of a DAG id, which takes few characters; a changed one is told apart by a digest."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", stem)[:150]
    return plain if plain == stem else f"{plain}_{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}"


def _broken_dag(dag_id: str, left: Remains, cron: str | None, params: dict[str, Param], tells: WrongFile) -> DAG:
    with DAG(
        dag_id=dag_id,
        dag_display_name=f"{left.title[:200] or dag_id} (mapping file is wrong)",
        description="The mapping file is wrong; the DAG's documentation says where.",
        doc_md=f"# The mapping file is wrong\n\n{fenced(tells.error)}\n\n`moodle-coupling validate` checks the whole folder.\n",
        schedule=schedule_of(cron, left.schedule.timezone),
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        catchup=False,
        max_active_runs=1,
        params=params,
        tags=["moodle", "mapping error"],
        default_args={"owner": "moodle-coupling", "retries": 0},
    ) as dag:

        @task(task_display_name="Say what is wrong", on_failure_callback=tells)
        def explain() -> None:
            """Fail with the mapping file's error."""
            raise MappingError(tells.error)

        explain()
    return dag


_WATCH_DOC: Final = """\
# Watch over the environments

Twice an hour: has a run ended well lately (`notify.no_good_run_hours`), is every mapping file right, and was everybody told of plans that wait
for an approval and of quarantines? What was told once is not told again. Nothing is asked of a Moodle or a source.
"""

_CHECK_DOC: Final = """\
# Check a connection

Tells apart: not reachable, TLS, not a Moodle, web services or REST off, a wrong token, maintenance, functions missing from
the service, missing capabilities, fields this token cannot see, and the batch size that fits. Of a Coachview: a wrong client, a missing
scope, free fields that do not come, what is left of the day's requests. It writes nothing.
"""
