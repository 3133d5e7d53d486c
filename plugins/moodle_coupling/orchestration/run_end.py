"""How a run ends: written down in the ledger, the environment let go, old files swept."""

from __future__ import annotations

import datetime as dt
import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from moodle_coupling import settings
from moodle_coupling.airflow_internals import withdraw_outlets
from moodle_coupling.contract.facts import RunCounts
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.ledger import leases
from moodle_coupling.ledger.removal import purge
from moodle_coupling.ledger.runs import end_run, get_run
from moodle_coupling.ledger.shared_documents import end_outage
from moodle_coupling.ledger.words import RunState
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.figures import tell_figures
from moodle_coupling.orchestration.names import users_asset
from moodle_coupling.orchestration.notices import tell_digest
from moodle_coupling.orchestration.reporting import report
from moodle_coupling.orchestration.run import let_go
from moodle_coupling.orchestration.safety import why_stopped
from moodle_coupling.orchestration.shared_staging import check_mark
from moodle_coupling.words.sentence import LINES, Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)


def report_and_end(run: Run, states: Mapping[str, str], context: Any) -> dict[str, int]:
    """Say what happened and write down how the run ended, however it ended; raises what makes the run a failure.

    After a load the next run begins where this one ended, and the asset of the accounts has an event with the counts; a run that
    loaded nothing (a dry run, a rejected plan) announces nothing. ``states`` are those of the run's tasks so far, by task id (of
    a mapped task with its index). Gives the counts.
    """
    try:
        text, counts = _report(run, states)
        _announce(run, counts, context)
    except AirflowSkipException as skip:
        end_run(run.ledger, run.record.id, RunState.STOPPED, reason=_reason(skip))
        raise
    except Exception as error:
        reason = why_stopped(run) or _reason(error)
        end_run(run.ledger, run.record.id, RunState.FAILED, reason=reason)
        raise
    else:
        context["ti"].xcom_push(key="summary", value=text)
        _done(run, counts)
        return counts
    finally:
        _tidy(run)


def _report(run: Run, states: Mapping[str, str]) -> tuple[str, dict[str, int]]:
    broken = sorted(name for name, state in states.items() if state in {"failed", "upstream_failed"})
    check_mark(run)
    if not staging.has_frame(run.folder, PLAN.name):
        if broken:
            raise AirflowFailException(Sentence("run.no_plan", task=broken[0]))
        raise AirflowSkipException(Sentence("run.skipped"))
    loads = [state for name, state in states.items() if re.fullmatch(r"load(_\d+)?", name)]
    text, counts = report(run, loaded=any(state not in {"skipped", "upstream_failed"} for state in loads))
    if broken:
        raise AirflowFailException(Sentence("run.tasks_failed", tasks=", ".join(broken)))
    return text, counts


def _announce(run: Run, counts: dict[str, int], context: Any) -> None:
    if not RunCounts(counts).loaded:
        withdraw_outlets(context)
        return
    if not run.partial:
        from moodle_coupling.orchestration.extraction import move_watermark

        move_watermark(run, run.source_state)
    context["outlet_events"][users_asset(run.mapping.environment)].extra = dict(counts)


def _done(run: Run, counts: Mapping[str, int]) -> None:
    """End a run that did what it could: a rejected plan stays 'rejected', a dry run is no load."""
    record = get_run(run.ledger, run.record.id)
    # Only a run for everyone is 'done': it is the first load, and says how large the source is.
    state, reason = RunState.DONE, ""
    if record.state == RunState.REJECTED:
        state, reason = RunState.REJECTED, record.reason
    elif run.dry_run:
        state, reason = RunState.STOPPED, Sentence("run.dry").written()
    elif run.partial:
        state, reason = RunState.STOPPED, Sentence("run.partial").written()
    end_run(run.ledger, record.id, state, counts=counts, reason=reason)
    if state == RunState.DONE:
        leases.lift(run.ledger, run.mapping.environment, by=f"the good end of {run.holder}")
    tell_digest(run.ledger, run.mapping.environment, run.mapping.notify, dt.datetime.now(dt.UTC))


def _reason(error: Exception) -> str:
    """Give what the ledger keeps of an error: what it says, or of several lines the first, as names may follow."""
    said = error.args[0] if error.args else ""
    if isinstance(said, Sentence) and said.code == LINES:
        said = said.parameters["parts"][0]
    lines = str(said).splitlines() or [""]
    return said.written() if isinstance(said, Sentence) and len(lines) == 1 else lines[0]


def _tidy(run: Run) -> None:
    let_go(run.ledger, run.mapping.environment, run.holder)
    end_outage(run.ledger, run.mapping.environment, run.record.id)
    tell_figures(run.ledger, get_run(run.ledger, run.record.id))
    now = dt.datetime.now(dt.UTC)
    removed = staging.sweep(run.mapping.environment, now=now)
    if removed:
        log.info("Removed %d old runs from the staging area", removed)
    purge(run.ledger, now - dt.timedelta(days=settings.ledger_days()))
