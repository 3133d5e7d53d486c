"""How a run ends: written down in the ledger, the environment let go, old files swept."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from moodle_coupling import settings
from moodle_coupling.airflow_internals import withdraw_outlets
from moodle_coupling.contract.facts import (
    DONE,
    PLANNED,
    CandidateFacts,
    LoadFacts,
    PlanParts,
    RunCounts,
    SnapshotFacts,
    SourceFacts,
)
from moodle_coupling.contract.frames import LEFT_OUT, OUTCOMES, PLAN
from moodle_coupling.errors import CouplingPaused, RunFailed
from moodle_coupling.ledger import leases
from moodle_coupling.ledger.removal import purge
from moodle_coupling.ledger.runs import end_run, get_run
from moodle_coupling.ledger.shared_documents import end_outage
from moodle_coupling.ledger.words import RunState
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.orchestration import access, safety, staging
from moodle_coupling.orchestration.figures import tell_figures
from moodle_coupling.orchestration.names import users_asset
from moodle_coupling.orchestration.notices import tell_digest
from moodle_coupling.orchestration.parts import outcomes_name
from moodle_coupling.orchestration.run import let_go
from moodle_coupling.orchestration.safety import why_stopped
from moodle_coupling.orchestration.shared_staging import check_mark
from moodle_coupling.provisioning.load.rows import merge_outcomes
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.words.sentence import LINES, Sentence, in_lines
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from moodle_coupling.orchestration.run import Run


# ---- A run's report: the outcomes of all parts put together, what happened in words, and whether that is a failure.

# ---- How a run ends ----

log = logging.getLogger(__name__)

MOST_TRACES: Final = 10
"""A trace takes a second or so, and nobody reads a hundred."""


def report(run: Run, *, loaded: bool) -> tuple[str, dict[str, int]]:
    """Merge the outcomes, say what happened, and fail when more went wrong than the mapping tolerates.

    ``loaded``: the load began; else (a rejected plan, nothing to write) there are outcomes only of what was settled without it.

    The summary with names goes to the run's folder, which is swept; the one without to the log and to XCom, which are not.
    Returns the latter, in Markdown, and the counts.
    """
    frame = staging.read_frame(run.folder, PLAN.name)
    cut = staging.find_facts(run.folder, PlanParts)
    names = [outcomes_name(part.number) for part in (cut.parts if cut else ()) if loaded or not part.loads]
    present = [staging.read_frame(run.folder, name) for name in names if staging.has_frame(run.folder, name)]
    outcomes = None
    if present:
        outcomes = merge_outcomes(present).sort_values(["row", "account_id"], ignore_index=True)
        staging.write_frame(run.folder, OUTCOMES.name, outcomes)
    left_out, title = staging.read_frame(run.folder, LEFT_OUT.name), run.mapping.title or run.mapping.environment
    cost = staging.find_facts(run.folder, LoadFacts) or LoadFacts()
    unseen, stopped = staging.read_facts(run.folder, SnapshotFacts).unseen, safety.why_stopped(run)
    told = partial(
        summary,
        frame,
        outcomes,
        left_out,
        title=title,
        unseen=unseen,
        stopped=stopped,
        warnings=staging.read_facts(run.folder, SourceFacts).warnings,
        cost=cost,
        texts=settings.texts(),
    )
    of_access, access_counts = access.report(run)
    staging.write_text(run.folder, "summary.md", told() + of_access)
    text = told(named=False) + of_access
    log.info("%s\nWith names and every reason: %s", text, run.folder / "summary.md")
    if run.person_ids:
        _trace(run)
    _judge(run, frame, outcomes, missing=len(names) - len(present), text=text)
    return text, _counts(frame, outcomes) | access_counts | RunCounts.of_the_whole(_in_scope(run), unseen, cost)


def _trace(run: Run) -> None:
    """Say of each person, step by step, how it stands now; by ids only in the log, with names in the run's folder."""
    from moodle_coupling.orchestration.explanation import explain_person

    texts = []
    for person in run.person_ids[:MOST_TRACES]:
        try:
            trace = explain_person(run.mapping, run.mapping_path, person, run.hook(), ledger=run.ledger)
        except CouplingPaused as pause:
            log.warning("No trace of %s: %s", person, pause)
            continue
        log.info("%s", trace.text(named=False))
        texts.append(trace.text(settings.texts()))
    staging.write_text(run.folder, staging.TRACES, "\n\n".join(texts))


def _judge(run: Run, frame: pd.DataFrame, outcomes: pd.DataFrame | None, *, missing: int, text: str) -> None:
    if missing or (outcomes is not None and len(outcomes) != len(frame)):
        raise RunFailed(Sentence("run.unfinished", n=missing))
    in_scope = 0 if run.partial else _in_scope(run)
    if outcomes is not None and exceeds_tolerance(outcomes, run.mapping.limits.tolerated_failures, in_scope):
        limit, file = run.mapping.limits.tolerated_failures, run.mapping_path.name
        raise RunFailed(in_lines([Sentence("run.too_many_failed", limit=limit, file=file), as_text(text)]))


def _counts(frame: pd.DataFrame, outcomes: pd.DataFrame | None) -> dict[str, int]:
    counts = {PLANNED + action.value: int((frame["action"] == action).sum()) for action in Action}
    if outcomes is not None:
        done = outcomes[outcomes["status"] == "done"]
        # Of whom there was nothing to do the ledger keeps no row; the head table of the run's page has them from here.
        pairs = Counter(zip(outcomes["verdict"], outcomes["status"], strict=True))
        counts |= {RunCounts.key_of(verdict, status): number for (verdict, status), number in sorted(pairs.items())}
        counts |= {DONE + action.value: int((done["action"] == action).sum()) for action in WRITING_ACTIONS}
        counts |= {str(status): int(count) for status, count in outcomes["status"].value_counts().items()}
    return counts


def _in_scope(run: Run) -> int:
    return staging.read_facts(run.folder, CandidateFacts).in_scope


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
