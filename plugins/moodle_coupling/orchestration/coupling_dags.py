"""The two DAGs of one coupling: what changed (provision) and everything (reconcile); parsed often, so nothing heavy here."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import (
    DAG,
    CronTriggerTimetable,
    Param,
    TriggerRule,
    get_current_context,
    task,
)

from moodle_coupling import settings
from moodle_coupling.airflow_internals import skip_tasks
from moodle_coupling.contract.safe_text import code, plain
from moodle_coupling.errors import CouplingError, CouplingPaused, EnvironmentBusy, MoodleUnavailable, Quarantined
from moodle_coupling.orchestration.approval import APPROVE, approval_task
from moodle_coupling.orchestration.names import persons_asset, pool_name, provision_id, reconcile_id, users_asset
from moodle_coupling.orchestration.notices import Failed, Waits
from moodle_coupling.orchestration.retries import RETRIES, is_back, look_again

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.parts import Chunk
    from moodle_coupling.orchestration.planning import Planned
    from moodle_coupling.orchestration.run import Run


log = logging.getLogger(__name__)

ACCESS: Final = "access"
"""The id of the task that loads access."""
_DRY_RUN: Final = "Plan and report only; nothing is written to Moodle."


def provision_params() -> dict[str, Param]:
    """Give the form of a run, anew for each DAG: Airflow writes a run's values into these very objects."""
    return {
        "dry_run": Param(default=False, type="boolean", title="Dry run", description=_DRY_RUN),
        "person_ids": Param(
            default=[],
            type=["array", "null"],
            items={"type": "string"},
            title="Only these persons",
            description="Person ids, extern ids or ID numbers, one a line; empty for everyone.",
        ),
        "account_ids": Param(
            default=[],
            type=["array", "null"],
            items={"type": ["string", "integer"]},
            title="Only these accounts",
            description="Ids of accounts in Moodle whose person is not in the source: what was decided on them is carried "
            "out. With or without persons above; empty for everyone.",
        ),
        "mode": Param(
            default="changed",
            type="string",
            enum=["changed", "full"],
            title="How much is compared",
            description="changed: the persons of the source. full: every account of the Moodle too, so that orphans show.",
        ),
    }


def reconcile_params() -> dict[str, Param]:
    """Give the form of a run that compares everything, anew for each DAG."""
    return {
        "dry_run": Param(default=False, type="boolean", title="Dry run", description=_DRY_RUN),
        "mode": Param(
            default="full",
            type="string",
            enum=["full"],
            title="How much is compared",
            description="Every person of the source with every account of the Moodle.",
        ),
    }


def provision_dag(mapping: Mapping, path: Path) -> DAG:
    """Build ``moodle_provision__<environment>``."""
    return _dag(
        mapping,
        path,
        dag_id=provision_id(mapping.environment),
        dag_display_name=f"Provision {mapping.title or mapping.environment}",
        description=f"Brings persons into the Moodle '{mapping.environment}'.",
        doc_md=provision_doc(mapping, path),
        schedule=schedule_of(mapping.schedule.provision, mapping.schedule.timezone),
        params=provision_params(),
    )


def reconcile_dag(mapping: Mapping, path: Path) -> DAG:
    """Build ``moodle_reconcile__<environment>``."""
    return _dag(
        mapping,
        path,
        dag_id=reconcile_id(mapping.environment),
        dag_display_name=f"Reconcile {mapping.title or mapping.environment}",
        description=f"Compares every person with every account of the Moodle '{mapping.environment}'.",
        doc_md=reconcile_doc(mapping, path),
        schedule=schedule_of(mapping.schedule.reconcile, mapping.schedule.timezone),
        params=reconcile_params(),
    )


def _dag(mapping: Mapping, path: Path, **its_own: Any) -> DAG:
    with DAG(
        **its_own,
        tags=["moodle", mapping.environment],
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        catchup=False,
        max_active_runs=1,
        default_args={
            "owner": "moodle-coupling",
            "retries": 3,
            "retry_delay": dt.timedelta(minutes=1),
            "retry_policy": RETRIES,
        },
    ) as dag:
        _tasks(str(path), mapping)
    return dag


def _tasks(mapping_path: str, mapping: Mapping) -> None:
    environment = mapping.environment
    pool = pool_name(environment)

    @task(task_display_name="Extract and transform persons", inlets=[persons_asset(environment)])
    def prepare() -> Any:
        """Refuse a paused environment, read the source, clean names, make usernames, apply the rules."""
        from moodle_coupling.orchestration.preparation import prepare

        return _step(prepare, mapping_path, paused="skip")

    @task(task_display_name="Check the site, match and plan", pool=pool)
    def plan() -> Any:
        """Check the site, read the accounts that matter, match them with the candidates, and plan what to do."""
        from moodle_coupling.orchestration.planning import plan

        return _planned(_step(plan, mapping_path, paused="wait"), gives_access=mapping.access is not None)

    @task(
        task_display_name="Load in batches",
        pool=pool,
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        map_index_template="{{ task.op_kwargs['chunk']['start'] + 1 }}-{{ task.op_kwargs['chunk']['stop'] }}",
        # One part at a time, whatever the workers and the pool's slots: each has as many requests in flight as the connection
        # allows, and that bound is the environment's.
        max_active_tis_per_dagrun=1,
    )
    def load(chunk: dict[str, int]) -> Any:
        """Write one part of the plan into Moodle."""
        from moodle_coupling.orchestration.parts import Chunk, load_chunk

        part = Chunk(number=chunk["number"], start=chunk["start"], stop=chunk["stop"])
        return _step(lambda run: load_chunk(run, part), mapping_path, paused="wait")

    @task(
        task_display_name="Report",
        trigger_rule=TriggerRule.ALL_DONE,
        inlets=[persons_asset(environment)],
        outlets=[users_asset(environment)],
        on_failure_callback=Failed(environment, mapping.notify),
    )
    def report() -> Any:
        """Merge outcomes and say what happened, also when the load did not finish; announce what was loaded."""
        return _report(mapping_path)

    @task(
        task_id=ACCESS,
        task_display_name="Give and take back access",
        pool=pool,
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    def access() -> Any:
        """Write the plan of cohorts and courses into Moodle, once the accounts are in; skipped where nobody approved it."""
        from moodle_coupling.orchestration.parts import load_access

        return _step(load_access, mapping_path, paused="wait")

    planned = plan()
    approved = approval_task(mapping_path, mapping.safeguards.approval_hours, [Waits(environment, mapping.notify)])
    loaded = load.expand(chunk=planned)
    reported = report()
    prepare() >> planned >> approved >> loaded >> reported
    if mapping.access is not None:
        loaded >> access() >> reported


def _planned(found: Planned, *, gives_access: bool) -> list[Chunk]:
    """Give the parts to load, tell the counts, and have skipped what is not needed: the approval, the loading of access."""
    for step, counts in found.counts.items():
        get_current_context()["ti"].xcom_push(key=step, value=counts)
    skipped = [APPROVE] if not found.asks else []
    if gives_access and not found.access:
        skipped.append(ACCESS)
    if skipped:
        skip_tasks(skipped)
    return found.chunks


def _step(step: Callable[[Run], Any], mapping_path: str, *, paused: str = "") -> Any:
    """Run one step.

    A pause skips the task or makes it wait (``paused``), an environment that another run holds makes it wait, quarantine
    skips it. It waits too where a source says until when (Coachview's requests of the day are spent), and for a Moodle that
    is away longer than a call outlasts.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from moodle_coupling.orchestration import outages
    from moodle_coupling.orchestration.run import open_run
    from moodle_coupling.sources.kinds import waits_until

    context = get_current_context()
    run = open_run(mapping_path, context)
    try:
        given = step(run)
    except (CouplingPaused, EnvironmentBusy, Quarantined) as stop:
        if paused == "wait" and not isinstance(stop, Quarantined):
            seconds = settings.pause_look_seconds()
            _wait(stop, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds))
        log.warning("%s", stop)
        raise AirflowSkipException(str(stop)) from stop
    except CouplingError as error:
        now = dt.datetime.now(dt.UTC)
        if isinstance(error, MoodleUnavailable):
            until = look_again(run.folder, error, now)
        else:
            until = waits_until(run.mapping, error, now)
        outages.wait(run, error, until, context["ti"], now)
        if until is None:
            raise
        _wait(error, until)
    is_back(run.folder)
    outages.over(run)
    return given


def _wait(stop: Exception, until: dt.datetime) -> NoReturn:
    """End this try and have the task begin again at ``until``: no slot is taken meanwhile, and no try used up."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    log.warning("%s This task looks again at %s UTC.", stop, f"{until:%Y-%m-%d %H:%M:%S}")
    raise AirflowRescheduleException(until) from stop  # type: ignore[no-untyped-call]


def _report(mapping_path: str) -> Any:
    from moodle_coupling.orchestration.run import open_run
    from moodle_coupling.orchestration.run_end import report_and_end

    context = get_current_context()
    ti = context["ti"]
    found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id) or {}
    states = {str(name): str(state) for name, state in found.items()}
    return report_and_end(open_run(mapping_path, context), states, context)


def schedule_of(cron: str | None, timezone: str) -> CronTriggerTimetable | None:
    """Give when a DAG runs by five cron fields or a preset; None for by hand only."""
    return CronTriggerTimetable(cron, timezone=timezone) if cron else None


def provision_doc(mapping: Mapping, path: Path) -> str:
    """Say what the provision DAG does, as Markdown."""
    return f"""\
# Provision {plain(mapping.title or mapping.environment)}

Brings the persons of the source into the Moodle environment **{mapping.environment}**
(Airflow connection {code(mapping.connection)}), as {code(path.name)} says.

```
prepare ─▶ plan ─▶ approve ─▶ load ─▶ report
```

| task | what it does |
|---|---|
| **prepare** | reads the source (extract) and makes candidates (transform) |
| **plan** | checks the site, reads the accounts that matter (snapshot), matches, plans, weighs the plan |
| **approve** | waits for a person where a safeguard has tripped; skipped where none has |
| **load** | writes the plan, one task for each part of it; skipped where there is nothing to write |
| **report** | says what happened, however the run ended, and announces what was loaded |

* Nothing is written before **load**. Trigger with *Dry run* to see the plan only.
* A plan that looks like a mistake (an empty source, many suspensions, the first load ever …) waits for approval at
  **approve**; approve or reject it there, or under Browse → Required Actions.
* To pause: set the variable {code(f"moodle_coupling_paused__{mapping.connection}")} to `true`. A load that is under way stops
  within one batch, and goes on by itself when the variable is set to `false` or removed.
* Re-running a finished run changes nothing: what Moodle already holds is not written again.
* A person who is rejected is named in the report with the reason and how to mend it; everyone else goes in.
"""


def reconcile_doc(mapping: Mapping, path: Path) -> str:
    """Say what the reconcile DAG does, as Markdown."""
    leavers = mapping.leavers
    what = f"suspended after {leavers.grace_days} days" if leavers.policy == "suspend" else f"{leavers.policy}ed"
    return f"""\
# Reconcile {plain(mapping.title or mapping.environment)}

Compares every person of the source with every account of the Moodle environment **{mapping.environment}**
(Airflow connection {code(mapping.connection)}), as {code(path.name)} says, and puts right what differs.

* What was changed by hand in Moodle is found: repaired where the mapping writes the field always, reported elsewhere.
* Accounts whose person has left are **{what}** (`leavers` in the mapping file): only accounts that this coupling made or
  linked, never protected ones. Who returns is reactivated.
* What a human must judge waits under **Moodle → Mismatches**; decisions taken there are carried out by the next run, of this
  DAG or of `{provision_id(mapping.environment)}`.
* It has the same safeguards, the same pause and the same pool as `{provision_id(mapping.environment)}`, and waits for it.
"""
