"""A run's report: the outcomes of all parts put together, what happened in words, and whether that is a failure."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from moodle_coupling import settings
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
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.orchestration import access, safety, staging
from moodle_coupling.orchestration.parts import outcomes_name
from moodle_coupling.provisioning.load.outcomes import merge_outcomes
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.words.sentence import Sentence, in_lines
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.orchestration.run import Run

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
