"""The steps of a provision run: each reads frames from the run's folder, calls one room, and writes a frame back.

Every step gives back counts only; a frame never goes through XCom.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict

import pandas as pd

from moodle_coupling import settings
from moodle_coupling.contract.facts import (
    DONE,
    PLANNED,
    CandidateFacts,
    RunCounts,
    SnapshotFacts,
    SourceFacts,
    Stopped,
)
from moodle_coupling.contract.frames import (
    BYSTANDERS,
    CANDIDATES,
    FINGERPRINTS,
    LEFT_OUT,
    OUTCOMES,
    PERSONS,
    PLAN,
    PROFILE_TYPES,
    REASONS,
    SNAPSHOT,
    UNCHANGED,
    UNREADABLE,
)
from moodle_coupling.errors import CouplingPaused, MoodleDenied, MoodleUnavailable, RunFailed, SourceError
from moodle_coupling.hooks.moodle.check import check_site, is_fit, lines_of
from moodle_coupling.ledger.accounts import AccountKeys, links_frame
from moodle_coupling.ledger.accounts import fingerprints as known_fingerprints
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.runs import begin_run, tell_progress
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import neighbourhood, only_asked, unknown_ids
from moodle_coupling.matching.unchanged import split_unchanged, unchanged_rows, with_unchanged
from moodle_coupling.orchestration import decisions as deciding
from moodle_coupling.orchestration import extraction as extracting
from moodle_coupling.orchestration import load as loading
from moodle_coupling.orchestration import safety, staging
from moodle_coupling.orchestration.connection_checks import visibility_of, wants_of
from moodle_coupling.orchestration.environment_hold import held
from moodle_coupling.orchestration.explanation import explain_person
from moodle_coupling.people.fingerprint import fingerprints
from moodle_coupling.people.frames import empty, made
from moodle_coupling.people.transform import transform as transform_persons
from moodle_coupling.provisioning.load.outcomes import merge_outcomes
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.words.sentence import Sentence, in_lines
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.matching.remembered import Remembered
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)

MOST_CHUNKS: Final = 1000
"""Airflow maps a task at most ``max_map_length`` (1024) times."""


PASSING_TROUBLE: Final = frozenset({"maintenance", "overloaded", "unreachable", "no_answer"})
"""Findings of a check that may be gone at the next try."""


MOST_TRACES: Final = 10
"""A trace takes a second or so, and nobody reads a hundred."""


class Chunk(TypedDict):
    """A part of the plan that one mapped task loads: the rows from ``start`` up to ``stop``."""

    number: int
    start: int
    stop: int


def check(run: Run) -> dict[str, int]:
    """Refuse a site on which a run cannot be right; the log says everything that was found."""
    begin_run(run.ledger, run.mapping.environment, run.record.dag_id, run.record.run_id, mode=run.record.mode)
    safety.mind_quarantine(run)
    findings = check_site(run.hook(), wants_of(run.mapping, run.ledger))
    if not is_fit(findings):
        said = in_lines([Sentence("check.unfit.environment", environment=run.mapping.environment), *lines_of(findings)])
        passing = any(finding.code in PASSING_TROUBLE for finding in findings)
        raise (MoodleUnavailable if passing else MoodleDenied)(said)
    log.info("%s", in_lines(lines_of(findings)))
    return dict(Counter(str(finding.level) for finding in findings))


def extract(run: Run) -> dict[str, int]:
    """Read the source: ``persons`` and ``left_out``."""
    found = extracting.read_source(run, run.source_state)
    staging.write_frame(run.folder, PERSONS.name, found.persons)
    left_out = ({name: getattr(line, name) for name in LEFT_OUT.names} for line in found.left_out)
    staging.write_frame(run.folder, LEFT_OUT.name, made(LEFT_OUT, left_out))
    for line in found.left_out:
        log.warning("Line %d was left out: %s", line.line, line.code)
    return asdict(found.counts)


def transform(run: Run) -> dict[str, int]:
    """Make candidates and reasons of the persons.

    With ``person_ids`` only of those and who must be judged with them; on a changed run only of those who changed since
    they were last written, and the same: the others become rows of the plan (``unchanged``) without a look at Moodle.
    """
    result = transform_persons(staging.read_frame(run.folder, PERSONS.name), run.mapping)
    candidates = result.candidates
    prints = fingerprints(candidates, run.mapping, result.reasons)
    known = known_fingerprints(run.ledger, run.mapping.environment)
    look, skipped, bystanders = candidates, candidates.iloc[:0], candidates.iloc[:0]
    if run.partial:
        missing = unknown_ids(candidates, run.person_ids)
        if missing:
            raise SourceError(Sentence("run.no_such_person", coupling=run.mapping.environment, ids=missing))
        look = neighbourhood(candidates, run.person_ids)
        bystanders = candidates[~candidates["row"].isin(look["row"])]
    elif not run.full:
        split = split_unchanged(candidates, result.reasons, prints, known)
        look, skipped, bystanders = split.look, split.skipped, split.bystanders
    staging.write_frame(run.folder, CANDIDATES.name, look)
    staging.write_frame(run.folder, BYSTANDERS.name, bystanders)
    staging.write_frame(run.folder, UNCHANGED.name, unchanged_rows(skipped, known))
    staging.write_frame(run.folder, REASONS.name, result.reasons)
    staging.write_frame(run.folder, FINGERPRINTS.name, pd.DataFrame({"row": candidates["row"], "fingerprint": prints}))
    in_scope = int(candidates["in_scope"].sum())
    staging.write_facts(run.folder, CandidateFacts(in_scope=in_scope))
    return {
        "candidates": len(candidates),
        "in_scope": in_scope,
        "unchanged": len(skipped),
        "reasons": len(result.reasons),
    }


def snapshot(run: Run) -> dict[str, int]:
    """Read the accounts that matter from Moodle; no call at all when nobody is to be looked at.

    On a full run those of everyone, and once before the first full run: what was read before a pause or a crash is not read again. How far it is stands in
    the log and in the ledger.
    """
    candidates = staging.read_frame(run.folder, CANDIDATES.name)
    account_ids = _account_ids(run)
    staging.write_facts(run.folder, SnapshotFacts())
    if candidates.empty and not run.full and not account_ids:
        staging.write_frame(run.folder, SNAPSHOT.name, empty(SNAPSHOT))
        staging.write_frame(run.folder, PROFILE_TYPES.name, empty(PROFILE_TYPES))
        return {"accounts": 0, "unreadable": 0, "calls": 0}
    hook = run.hook()
    with held(run.ledger, run.mapping.environment, run.holder):
        service_userid = hook.site_info().userid
        read = read_accounts(
            hook,
            candidates,
            full=run.full,
            account_ids=account_ids,
            settings=run.mapping.snapshot,
            known=links_frame(run.ledger, run.mapping.environment),
            keys=AccountKeys(run.ledger, run.mapping.environment),
            shared_email=run.mapping.matching.shared_email,
            keep=staging.FolderKeeper(run.folder),
            progress=partial(tell_progress, run.ledger, run.record.id, "snapshot"),
            untyped=run.mapping.untyped,
            visibility=visibility_of(run.mapping, run.ledger, own_id=service_userid),
        )
    accounts = read.accounts.assign(is_service_user=read.accounts["id"] == service_userid)
    staging.write_frame(run.folder, SNAPSHOT.name, accounts)
    staging.write_facts(run.folder, SnapshotFacts(unseen=tuple(read.unseen)))
    shown = made(PROFILE_TYPES, ({"shortname": name, "type": type_} for name, type_ in read.profile_types.items()))
    staging.write_frame(run.folder, PROFILE_TYPES.name, shown)
    staging.write_frame(
        run.folder,
        UNREADABLE.name,
        made(UNREADABLE, ({"field": field, "value": value} for field, value in read.unreadable_keys)),
    )
    if read.unreadable:
        log.warning("%d values could not be looked up: one odd account spoils Moodle's answer", len(read.unreadable))
    return {"accounts": len(accounts), "unreadable": len(read.unreadable), "calls": read.calls}


def plan(run: Run) -> dict[str, int]:
    """Match the candidates with the accounts, plan what to do, and weigh the plan; nothing is written to Moodle.

    What is found without anyone's decision goes into the ledger first; decisions on exactly that are then obeyed.
    """
    seen = staging.read_frame(run.folder, SNAPSHOT.name)
    accounts = seen.drop(columns="is_service_user")
    frame = deciding.planned(
        _planner(run, seen, accounts),
        deciding.remembered(run.ledger, run.mapping.environment, as_written=_as_written(run)),
        accounts,
        run.ledger,
        run.mapping.environment,
        note=None if run.dry_run else partial(deciding.record, run),
    )
    frame = with_unchanged(frame, staging.read_frame(run.folder, UNCHANGED.name))
    staging.write_frame(run.folder, PLAN.name, frame)
    tripped = safety.weigh(run, frame, _in_scope(run))
    counts = {action.value: int((frame["action"] == action).sum()) for action in Action}
    return counts | {"decided": int(frame["decision"].notna().sum()), "safeguards": len(tripped)}


def _planner(run: Run, seen: pd.DataFrame, accounts: pd.DataFrame) -> Callable[[Remembered], pd.DataFrame]:
    """Give what makes the plan from what is remembered; everything else is read once."""
    service = seen.loc[seen["is_service_user"], "id"]
    make = partial(
        make_plan,
        staging.read_frame(run.folder, CANDIDATES.name),
        staging.read_frame(run.folder, REASONS.name),
        accounts,
        run.mapping,
        service_userid=int(service.iloc[0]) if len(service) else None,
        full=run.full,
        bystanders=staging.read_frame(run.folder, BYSTANDERS.name),
        account_ids=_account_ids(run),
        profile_types=dict(
            staging.read_frame(run.folder, PROFILE_TYPES.name)[["shortname", "type"]].itertuples(index=False)
        ),
        unreadable=_unreadable(run),
        everyone_known=staging.read_facts(run.folder, SourceFacts).everyone,
    )

    def plan_with(known: Remembered) -> pd.DataFrame:
        frame = make(remembered=known)
        return only_asked(frame, run.person_ids, run.account_ids) if run.partial else frame

    return plan_with


def _unreadable(run: Run) -> list[tuple[str, str]]:
    """Give the keys (field, value) of accounts that Moodle cannot show; none where no account was read."""
    if not staging.has_frame(run.folder, UNREADABLE.name):
        return []
    frame = staging.read_frame(run.folder, UNREADABLE.name)
    return list(zip(frame["field"], frame["value"], strict=True))


def _account_ids(run: Run) -> Sequence[int]:
    """Give the accounts of nobody that are looked at: those asked for, or those on which something was decided."""
    if run.partial or run.full:
        return run.account_ids
    return deciding.decided_orphans(run.ledger, run.mapping.environment)


def _as_written(run: Run) -> list[int]:
    """Give the rows of whom the source says what was last written; what differs in Moodle was changed there."""
    candidates = staging.read_frame(run.folder, CANDIDATES.name)
    prints = staging.read_frame(run.folder, FINGERPRINTS.name).set_index("row")["fingerprint"]
    before = known_fingerprints(run.ledger, run.mapping.environment).set_index("idnumber")["fingerprint"]
    written = candidates["idnumber"].map(before[before != ""])
    return [int(row) for row in candidates.loc[written == candidates["row"].map(prints), "row"]]


def _in_scope(run: Run) -> int:
    return staging.read_facts(run.folder, CandidateFacts).in_scope


def chunks(run: Run) -> list[Chunk]:
    """Cut the plan into the parts that mapped tasks load; none on a dry run."""
    if run.dry_run:
        return []
    rows = len(staging.read_frame(run.folder, PLAN.name))
    size = max(run.mapping.limits.chunk_size, math.ceil(rows / MOST_CHUNKS))
    return [
        Chunk(number=number, start=start, stop=min(start + size, rows))
        for number, start in enumerate(range(0, rows, size))
    ]


def load_chunk(run: Run, chunk: Chunk) -> dict[str, int]:
    """Load one part of the plan; what an earlier try settled is on record in the ledger and not sent again.

    Raises what stopped the load (a pause, a Moodle that went away), after its outcomes so far are written down.
    """
    frame = staging.read_frame(run.folder, PLAN.name)
    part = frame.iloc[chunk["start"] : chunk["stop"]].reset_index(drop=True)
    digest = plan_digest(frame)
    safety.refuse_unapproved(run, digest)
    staging.drop_facts(run.folder, Stopped)
    with held(run.ledger, run.mapping.environment, run.holder) as lease:
        result = loading.load_part(run, part, digest, lease)
    staging.write_frame(run.folder, f"outcomes-{chunk['number']:04d}", result.outcomes)
    if result.stopped is not None:
        safety.mind_failures(run, result.stopped)
        raise result.stopped
    return {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}


def report(run: Run, parts: list[Chunk]) -> tuple[str, dict[str, int]]:
    """Merge the outcomes, say what happened, and fail when more went wrong than the mapping tolerates.

    The summary with names goes to the run's folder, which is swept; the one without to the log and to XCom, which are not.
    Returns the latter, in Markdown, and the counts.
    """
    frame = staging.read_frame(run.folder, PLAN.name)
    names = [f"outcomes-{chunk['number']:04d}" for chunk in parts]
    present = [staging.read_frame(run.folder, name) for name in names if staging.has_frame(run.folder, name)]
    outcomes = merge_outcomes(present) if present else None
    if outcomes is not None:
        staging.write_frame(run.folder, OUTCOMES.name, outcomes)
    left_out, title = staging.read_frame(run.folder, LEFT_OUT.name), run.mapping.title or run.mapping.environment
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
        texts=settings.texts(),
    )
    staging.write_text(run.folder, "summary.md", told())
    text = told(named=False)
    log.info("%s\nWith names and every reason: %s", text, run.folder / "summary.md")
    if run.person_ids:
        _trace(run)
    _judge(run, frame, outcomes, missing=len(names) - len(present), text=text)
    return text, _counts(frame, outcomes) | RunCounts.of_the_whole(_in_scope(run), unseen)


def _trace(run: Run) -> None:
    """Say of each person, step by step, how it stands now; by ids only in the log, with names in the run's folder."""
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
