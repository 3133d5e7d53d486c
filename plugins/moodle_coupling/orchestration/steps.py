"""The steps of a provision run: each reads frames from the run's folder, calls one room, and writes a frame back.

Every step gives back counts only; a frame never goes through XCom.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, TypedDict

import pandas as pd

from moodle_coupling.errors import MoodleDenied, MoodleUnavailable, RunFailed, SourceError
from moodle_coupling.hooks.moodle_check import check_site, explain, is_fit
from moodle_coupling.mapping_file import source_base
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import chosen, neighbourhood, unknown_ids
from moodle_coupling.orchestration import staging
from moodle_coupling.people.transform import transform as transform_persons
from moodle_coupling.provisioning.loader import load
from moodle_coupling.provisioning.report import exceeds_tolerance, summary
from moodle_coupling.provisioning.snapshot import read_accounts
from moodle_coupling.sources.file import read_persons

if TYPE_CHECKING:
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)

MOST_CHUNKS: Final = 1000
"""Airflow maps a task at most ``max_map_length`` (1024) times."""


PASSING_TROUBLE: Final = frozenset({"maintenance", "overloaded", "unreachable", "no_answer"})
"""Findings of a check that may be gone at the next try."""


class Chunk(TypedDict):
    """A part of the plan that one mapped task loads: the rows from ``start`` up to ``stop``."""

    number: int
    start: int
    stop: int


def check(run: Run) -> dict[str, int]:
    """Refuse a site on which a run cannot be right; the log says everything that was found."""
    findings = check_site(run.hook(), profile_fields=tuple(run.mapping.profile_fields))
    if not is_fit(findings):
        msg = f"Environment '{run.mapping.environment}' is not fit for a run:\n{explain(findings)}"
        passing = any(finding.code in PASSING_TROUBLE for finding in findings)
        raise (MoodleUnavailable if passing else MoodleDenied)(msg)
    log.info("%s", explain(findings))
    return dict(Counter(str(finding.level) for finding in findings))


def extract(run: Run) -> dict[str, int]:
    """Read the source as a whole: ``persons`` and ``left_out``."""
    found = read_persons(run.mapping.source, source_base(run.mapping_path))
    staging.write_frame(run.folder, "persons", found.persons)
    left_out = pd.DataFrame(
        [asdict(line) for line in found.left_out], columns=["line", "code", "message", "message_nl"]
    )
    staging.write_frame(run.folder, "left_out", left_out)
    for line in found.left_out:
        log.warning("Line %d was left out: %s", line.line, line.code)
    return asdict(found.counts)


def transform(run: Run) -> dict[str, int]:
    """Make candidates and reasons of the persons; with ``person_ids``, only of those and who must be judged with them."""
    result = transform_persons(staging.read_frame(run.folder, "persons"), run.mapping)
    candidates = result.candidates
    if run.person_ids:
        missing = unknown_ids(candidates, run.person_ids)
        if missing:
            msg = (
                f"Coupling '{run.mapping.environment}': the source has no person with id {', '.join(missing)}. "
                "Give a person id, extern id or idnumber as it stands in the source."
            )
            raise SourceError(msg)
        candidates = neighbourhood(candidates, run.person_ids)
    staging.write_frame(run.folder, "candidates", candidates)
    staging.write_frame(run.folder, "reasons", result.reasons)
    return {
        "candidates": len(candidates),
        "in_scope": int(candidates["in_scope"].sum()),
        "reasons": len(result.reasons),
    }


def snapshot(run: Run) -> dict[str, int]:
    """Read the accounts that matter from Moodle."""
    hook = run.hook()
    service_userid = hook.site_info().userid
    read = read_accounts(hook, staging.read_frame(run.folder, "candidates"), full=run.full)
    accounts = read.accounts.assign(is_service_user=read.accounts["id"] == service_userid)
    staging.write_frame(run.folder, "accounts", accounts)
    if read.unreadable:
        log.warning("%d values could not be looked up: one odd account spoils Moodle's answer", len(read.unreadable))
    return {"accounts": len(accounts), "unreadable": len(read.unreadable), "calls": read.calls}


def plan(run: Run) -> dict[str, int]:
    """Match the candidates with the accounts and plan what to do; nothing is written to Moodle."""
    accounts = staging.read_frame(run.folder, "accounts")
    service = accounts.loc[accounts["is_service_user"], "id"]
    frame = make_plan(
        staging.read_frame(run.folder, "candidates"),
        staging.read_frame(run.folder, "reasons"),
        accounts.drop(columns="is_service_user"),
        run.mapping,
        service_userid=int(service.iloc[0]) if len(service) else None,
        full=run.full,
    )
    if run.person_ids:
        frame = frame[chosen(frame, run.person_ids)].reset_index(drop=True)
    staging.write_frame(run.folder, "plan", frame)
    return {action.value: int((frame["action"] == action).sum()) for action in Action}


def chunks(run: Run) -> list[Chunk]:
    """Cut the plan into the parts that mapped tasks load; none on a dry run."""
    if run.dry_run:
        return []
    rows = len(staging.read_frame(run.folder, "plan"))
    size = max(run.mapping.limits.chunk_size, math.ceil(rows / MOST_CHUNKS))
    return [
        Chunk(number=number, start=start, stop=min(start + size, rows))
        for number, start in enumerate(range(0, rows, size))
    ]


def load_chunk(run: Run, chunk: Chunk) -> dict[str, int]:
    """Load one part of the plan; what an earlier try settled is kept and not sent again.

    Raises what stopped the load (a pause, a Moodle that went away), after its outcomes so far are written down.
    """
    part = staging.read_frame(run.folder, "plan").iloc[chunk["start"] : chunk["stop"]].reset_index(drop=True)
    name = f"outcomes-{chunk['number']:04d}"
    settled = _settled(run, name)
    open_rows = part if settled is None else part[~_key(part).isin(set(_key(settled)))].reset_index(drop=True)
    result = load(open_rows, run.hook())
    outcomes = result.outcomes if settled is None else pd.concat([settled, result.outcomes], ignore_index=True)
    staging.write_frame(run.folder, name, outcomes)
    if result.stopped is not None:
        raise result.stopped
    return {str(status): int(count) for status, count in outcomes["status"].value_counts().items()}


def report(run: Run, parts: list[Chunk]) -> tuple[str, dict[str, int]]:
    """Merge the outcomes, say what happened, and fail when more went wrong than the mapping tolerates.

    The summary with names goes to the run's folder, which is swept; the one without to the log and to XCom, which are not.
    Returns the latter, in Markdown, and the counts.
    """
    frame = staging.read_frame(run.folder, "plan")
    names = [f"outcomes-{chunk['number']:04d}" for chunk in parts]
    present = [staging.read_frame(run.folder, name) for name in names if staging.has_frame(run.folder, name)]
    outcomes = pd.concat(present, ignore_index=True) if present else None
    if outcomes is not None:
        staging.write_frame(run.folder, "outcomes", outcomes)
    left_out, title = staging.read_frame(run.folder, "left_out"), run.mapping.title or run.mapping.environment
    staging.write_text(run.folder, "summary.md", summary(frame, outcomes, left_out, title=title))
    text = summary(frame, outcomes, left_out, title=title, named=False)
    log.info("%s\nWith names and every reason: %s", text, run.folder / "summary.md")
    if len(present) < len(names) or (outcomes is not None and len(outcomes) != len(frame)):
        msg = f"The load is not finished: {len(names) - len(present)} of {len(names)} parts have no outcomes. See the task 'load'."
        raise RunFailed(msg)
    if outcomes is not None and exceeds_tolerance(outcomes, run.mapping.limits.tolerated_failures):
        msg = (
            f"More persons failed than limits.tolerated_failures "
            f"({run.mapping.limits.tolerated_failures:.0%}) of {run.mapping_path.name} allows:\n{text}"
        )
        raise RunFailed(msg)
    return text, _counts(frame, outcomes)


def _counts(frame: pd.DataFrame, outcomes: pd.DataFrame | None) -> dict[str, int]:
    counts = {f"planned_{action.value}": int((frame["action"] == action).sum()) for action in Action}
    if outcomes is not None:
        done = outcomes[outcomes["status"] == "done"]
        counts |= {f"done_{action.value}": int((done["action"] == action).sum()) for action in WRITING_ACTIONS}
        counts |= {str(status): int(count) for status, count in outcomes["status"].value_counts().items()}
    return counts


def _settled(run: Run, name: str) -> pd.DataFrame | None:
    """Give the outcomes of an earlier try that need no further try."""
    if not staging.has_frame(run.folder, name):
        return None
    before = staging.read_frame(run.folder, name)
    return before[before["status"].isin(["done", "rejected", "skipped"])].reset_index(drop=True)


def _key(frame: pd.DataFrame) -> pd.Series:
    """Identify a row of the plan: a person by its row in the source, an orphan by its account."""
    return frame["row"].astype("string").fillna("account " + frame["account_id"].astype("string"))
