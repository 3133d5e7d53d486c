"""Everything of Airflow that is not its public interface, in one place: seen on 3.3, each with why and what comes after it.

Public are ``airflow.sdk`` (with ``.exceptions`` and ``.log``), the providers, and ``airflow.plugins_manager``; whatever else the
project takes from Airflow is taken here, which tests/test_airflow_internals.py holds it to. Each is imported when it is used:
this module is loaded with DAG files. An Airflow that moves one of these breaks one function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
    from airflow.cli.cli_config import ActionCommand
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.variable import Variable
    from airflow.sdk.definitions.param import Param, ParamsDict
    from sqlalchemy.orm import Session


class Fernet(Protocol):
    """What seals with Airflow's key; ``is_encrypted`` is False where there is no key."""

    is_encrypted: bool

    def encrypt(self, msg: bytes) -> bytes:
        """Seal."""

    def decrypt(self, msg: bytes) -> bytes:
        """Open."""


# ---- in every process ----


def airflow_home() -> str:
    """Give AIRFLOW_HOME, with Airflow's own default.

    Why: the default places of the ledger and the staging area. After it: the environment variable, else ~/airflow.
    """
    from airflow.configuration import AIRFLOW_HOME

    return str(AIRFLOW_HOME)


def multi_team() -> bool:
    """Tell whether Airflow's DAGs belong to teams.

    Why: ``conf`` of airflow.sdk has no ``core`` of the API server. After it: ``airflow.sdk.conf``, when the server reads it too.
    """
    from airflow.configuration import conf

    return bool(conf.getboolean("core", "multi_team", fallback=False))


def in_task() -> bool:
    """Tell whether this process runs a task, which reaches Airflow's database only through its supervisor.

    Why: a variable is read in another way there. After it: whatever the SDK offers to ask this.
    """
    from airflow.sdk.execution_time import task_runner

    return getattr(task_runner, "SUPERVISOR_COMMS", None) is not None


def skip_tasks(task_ids: Sequence[str]) -> None:
    """Have tasks of this run skipped that come after the one that runs now; only in a task.

    Why: what a task raises to skip others (``DownstreamTasksSkipped``) gives back nothing that a mapped task can be mapped over.
    After it: that exception, when its task may return a value too; or a task that passes at once, and takes a second.
    """
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SkipDownstreamTasks

    task_runner.SUPERVISOR_COMMS.send(SkipDownstreamTasks(tasks=list(task_ids)))


def withdraw_outlets(context: Any) -> None:
    """Have the task that runs now announce none of its assets when it ends well.

    Why: a task that succeeds is an event of all its outlets, and a dry run loads nothing. After it: an ``AssetAlias``, which hides
    from Airflow's graph which DAG the asset comes from; or a task of its own that announces.
    """
    context["task"].outlets = []


def statistics() -> Any:
    """Give Airflow's own statistics, which send to StatsD or OpenTelemetry as ``[metrics]`` says, and nothing outside of a task.

    Why: ``airflow.sdk`` does not name the module, though the notice of ``airflow.stats``, which was public, sends providers to it.
    After it: ``airflow.sdk``, when it names it.
    """
    from airflow.sdk.observability import stats

    return stats


def fernet() -> Fernet:
    """Give what seals with Airflow's Fernet key; raises what Airflow raises where the key is none.

    Why: Coachview's token is shared between workers and must not be readable. After it: a key of our own in a connection.
    """
    from airflow.sdk.crypto import get_fernet

    found: Fernet = get_fernet()
    return found


def has_filesystem(scheme: str) -> bool:
    """Tell whether some provider reads addresses of this scheme ('s3', 'gs' …).

    Why: fsspec would quietly read others with the machine's own credentials. After it: trying, and reading the error.
    """
    from airflow.sdk.io import has_fs

    return bool(has_fs(scheme))


def params_dict(params: dict[str, Param]) -> ParamsDict:
    """Give the form of a task that is waiting for an answer.

    Why: ApprovalOperator takes its form in the constructor, and ours holds the plan's digest, known when it runs. After it: an
    operator that makes its own form.
    """
    from airflow.sdk.definitions.param import ParamsDict as Form

    return Form(params)


def command(name: str, help_: str, run: Callable[[Any], None], rest: str) -> ActionCommand:
    """Give a command of ``airflow …`` that hands all its arguments to ``run``, as ``rest``, which says what they are.

    Why: it is how a provider adds to Airflow's command line. After it: ``moodle-coupling``, which is the same.
    """
    import argparse

    from airflow.cli.cli_config import ActionCommand as Command
    from airflow.cli.cli_config import Arg

    arguments = Arg(("rest",), nargs=argparse.REMAINDER, help=rest)  # type: ignore[no-untyped-call]
    return Command(name=name, help=help_, func=run, args=(arguments,))


def lineage_collector() -> Any:
    """Give what hook lineage is told to; it does nothing where no plugin listens.

    Why: ``airflow.sdk`` names no lineage. After it: the provider package that the documentation imports it from (common.compat).
    """
    from airflow.sdk.lineage import get_hook_lineage_collector

    return get_hook_lineage_collector()


# ---- where Airflow's database is: the API server, the scheduler, and commands there ----


def session() -> AbstractContextManager[Session]:
    """Give a session of Airflow's database.

    Why: the pages show DAGs and runs, and start them, in the API server's own process. After it: Airflow's REST API, as the user.
    """
    from airflow.utils.session import create_session

    return create_session()


def dag_model() -> type[DagModel]:
    """Give the table of DAGs. Why and after it: as ``session``."""
    from airflow.models.dag import DagModel as Model

    return Model


def dag_run_model() -> type[DagRun]:
    """Give the table of runs. Why and after it: as ``session``."""
    from airflow.models.dagrun import DagRun as Model

    return Model


def known_dags(dag_ids: Collection[str]) -> dict[str, DagModel]:
    """Give the DAGs that Airflow has, by id; one that it does not have (any more) is left out. Why and after it: as ``session``."""
    from sqlalchemy import select

    known = dag_model()
    with session() as open_:
        query = select(known).where(known.dag_id.in_(list(dag_ids)), ~known.is_stale)
        found = {model.dag_id: model for model in open_.scalars(query)}
        open_.expunge_all()
    return found


def count_queued(dag_ids: Collection[str]) -> dict[str, int]:
    """Count the runs that wait to begin, by DAG. Why and after it: as ``session``."""
    from sqlalchemy import func, select

    runs = dag_run_model()
    waits = select(runs.dag_id, func.count()).where(runs.dag_id.in_(list(dag_ids)), runs.state == "queued")
    with session() as open_:
        return {str(dag_id): int(number) for dag_id, number in open_.execute(waits.group_by(runs.dag_id))}


def facts_of_run(dag_id: str, run_id: str) -> tuple[str, str, str, dt.datetime] | None:
    """Give a run's state, kind, who started it ('' for nobody) and when it is for; None when Airflow does not have it.

    Why and after it: as ``session``.
    """
    from sqlalchemy import select

    runs = dag_run_model()
    columns = (runs.state, runs.run_type, runs.triggering_user_name, runs.run_after)
    with session() as open_:
        row = open_.execute(select(*columns).where(runs.dag_id == dag_id, runs.run_id == run_id)).one_or_none()
    if row is None:
        return None
    state, kind, by, after = row
    return str(getattr(state, "value", state)), str(getattr(kind, "value", kind)), str(by or ""), after


def states_of_runs(runs: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Give the state of each of these runs (DAG id, run id) that Airflow has. Why and after it: as ``session``."""
    from sqlalchemy import select

    table = dag_run_model()
    dags, ids = ({one[place] for one in runs} for place in (0, 1))
    query = select(table.dag_id, table.run_id, table.state).where(table.dag_id.in_(dags), table.run_id.in_(ids))
    with session() as open_:
        found = {(str(dag), str(run)): str(getattr(state, "value", state)) for dag, run, state in open_.execute(query)}
    return {key: state for key, state in found.items() if key in runs}


def variable_model() -> type[Variable]:
    """Give the table of variables.

    Why: pausing sets one on behalf of a person, outside of any task, where the SDK's Variable does not write. After it: the REST API.
    """
    from airflow.models.variable import Variable as Model

    return Model


def variable_exists(key: str) -> bool:
    """Tell whether a variable of that key stands in the database. Why and after it: as ``variable_model``."""
    from sqlalchemy import select

    table = variable_model()
    with session() as open_:
        return open_.scalar(select(table.key).where(table.key == key)) is not None


def database_error() -> type[Exception]:
    """Give what is raised when Airflow's database does not answer.

    Why: commands read and set variables in it. After it: the errors of the REST API's client.
    """
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError


def make_pool(name: str, slots: int, description: str) -> None:
    """Make a pool, or give it this number of slots.

    Why: ``moodle-coupling setup`` makes what an environment needs. After it: ``airflow pools set``.
    """
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(name, slots, description, include_deferred=False)


def pools() -> dict[str, int]:
    """Give the slots of each pool, by its name; -1 is as many as there are tasks.

    Why: ``moodle-coupling doctor`` tells which pool is missing, or closed. After it: the REST API, as the user.
    """
    from airflow.models.pool import Pool

    return {str(pool.pool): int(pool.slots) for pool in Pool.get_pools()}


def health() -> dict[str, str]:
    """Give 'healthy' or something else for the scheduler, the dag_processor and the triggerer.

    Why: ``moodle-coupling doctor`` tells which of them is not alive. After it: the API server's ``/api/v2/monitor/health``.
    """
    from airflow.api.common.airflow_health import get_airflow_health

    return {part: str(facts["status"]) for part, facts in get_airflow_health().items()}


def database_now() -> dt.datetime | None:
    """Give the time by the clock of Airflow's database; None where that is this machine's (SQLite).

    Why: ``moodle-coupling doctor`` compares it with this machine's. After it: the date in an answer of the REST API.
    """
    import datetime as dt

    from sqlalchemy import DateTime, cast, func, select

    with session() as open_:
        if open_.get_bind().dialect.name == "sqlite":
            return None
        # MySQL gives what its session's zone shows, which Airflow sets to UTC, and without saying so.
        found = open_.execute(select(cast(func.now(), DateTime(timezone=True)))).scalar_one()
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


def require_connection(conn_id: str) -> None:
    """Raise AirflowNotFoundException where there is no such connection.

    Why: ``moodle-coupling setup`` says so. After it: ``BaseHook.get_connection``.
    """
    from airflow.models.connection import Connection

    Connection.get_connection_from_secrets(conn_id)


def trigger_by_hand(dag_id: str, conf: dict[str, Any], *, by: str) -> DagRun | None:
    """Start a run of a DAG as Airflow's own button does.

    Why: the pages' buttons start runs as the person there. After it: the REST API, as the user.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    return trigger_dag(dag_id, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=by, conf=conf)


# ---- in the API server ----


def auth_manager() -> BaseAuthManager[Any]:
    """Give who decides what a user may do.

    Why: a plugin's pages have no rights of their own. After it: whatever Airflow gives plugins to ask with.
    """
    from airflow.api_fastapi.app import get_auth_manager

    return get_auth_manager()


def resource_details() -> Any:
    """Give the module of what an auth manager is asked about: AccessView, DagAccessEntity, DagDetails, VariableDetails.

    Why and after it: as ``auth_manager``.
    """
    from airflow.api_fastapi.auth.managers.models import resource_details as found

    return found


def logged_in_user() -> Callable[..., Any]:
    """Give the dependency (FastAPI) that finds the user who is logged in, or answers 401.

    Why and after it: as ``auth_manager``.
    """
    from airflow.api_fastapi.core_api.security import get_user

    return get_user


def signing_key() -> str:
    """Give the API server's secret, the same on all of them.

    Why: forms and notices are signed. After it: a secret of our own in ``[moodle_coupling]``.
    """
    from airflow.api_fastapi.auth.tokens import get_signing_key

    return str(get_signing_key("api", "secret_key"))
