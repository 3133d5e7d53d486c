"""A plan cut into parts: each is loaded by a task of its own, which reads no more than that part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypedDict

import pandas as pd

from moodle_coupling.contract.facts import LoadFacts, PlanPart, PlanParts, Stopped
from moodle_coupling.contract.frames import FINGERPRINTS, OUTCOMES, PART
from moodle_coupling.errors import NotApproved, SettingError, TooManyFailures
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.matching.frames import WRITING_ACTIONS
from moodle_coupling.orchestration import access, safety, staging
from moodle_coupling.orchestration.lineage import tell_written
from moodle_coupling.orchestration.load import load_part
from moodle_coupling.orchestration.run import held
from moodle_coupling.orchestration.shared_staging import check_mark
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.provisioning.load.loader import LoadResult

MOST_PARTS: Final = 1000
"""Airflow maps a task at most ``max_map_length`` (1024) times."""


class Chunk(TypedDict):
    """A part of the plan that one mapped task loads, as Airflow hands it on: the rows from ``start`` up to ``stop`` as cut."""

    number: int
    start: int
    stop: int


def cut(run: Run, plan: pd.DataFrame, *, all_load: bool) -> list[Chunk]:
    """Cut the plan into parts and give those that tasks of their own load; the others are settled here and now.

    What is written goes first, so that few parts write; ``all_load`` leaves the others to tasks as well, because somebody
    must approve the plan before. A task finds its part by :func:`load_chunk` and the digests that are told here.
    """
    _forget_parts(run)
    digest, size = plan_digest(plan), max(run.mapping.limits.chunk_size, math.ceil(len(plan) / MOST_PARTS))
    prints = staging.read_frame(run.folder, FINGERPRINTS.name).set_index("row")["fingerprint"]
    writes = plan["action"].isin([action.value for action in WRITING_ACTIONS])
    order = _order(plan["decision"], writes)
    told: list[PlanPart] = []
    for number, (start, stop) in enumerate(_bounds(plan["decision"].iloc[order].tolist(), size)):
        rows = order[start:stop]
        loads = all_load or bool(writes.iloc[rows].any())
        file = staging.write_frame(run.folder, _name(number), _part(plan, rows, prints)) if loads else ""
        told.append(PlanPart(number=number, start=start, stop=stop, digest=file, loads=loads))
    staging.write_facts(run.folder, PlanParts(plan=digest, parts=tuple(told)))
    here = [one for one in told if not one.loads]
    if here:
        safety.refuse_unapproved(run, digest)
        with held(run.ledger, run.mapping.environment, run.holder) as lease:
            for one in here:  # no call is made for them
                _load(run, one.number, _part(plan, order[one.start : one.stop], prints), digest, lease)
    return [Chunk(number=one.number, start=one.start, stop=one.stop) for one in told if one.loads]


def _part(plan: pd.DataFrame, rows: list[int], prints: pd.Series[str]) -> pd.DataFrame:
    part = plan.iloc[rows].reset_index(drop=True)
    return part.assign(fingerprint=part["row"].map(prints).astype("string").fillna("").astype("str"))


def _forget_parts(run: Run) -> None:
    """Take away the parts of a plan before this one."""
    staging.drop_facts(run.folder, PlanParts)
    for name in (PART.name, OUTCOMES.name):
        staging.drop_frames(run.folder, f"{name}-")


def _order(decisions: pd.Series[int], writes: pd.Series[bool]) -> list[int]:
    """Give the positions of rows in the order in which they are cut: what one decision is about stays together."""
    busy = writes | decisions.isin(decisions[writes].dropna())
    keys = pd.DataFrame({"quiet": ~busy, "free": decisions.isna(), "decision": decisions.fillna(0)})
    keys = keys.reset_index(drop=True).sort_values(["quiet", "free", "decision"], kind="stable")
    return keys.index.tolist()


def _bounds(decisions: list[int], size: int) -> Iterator[tuple[int, int]]:
    """Give where each part begins and ends: a decision is carried out in one part, or it would count as carried out too early."""
    start = 0
    while start < len(decisions):
        stop = min(start + size, len(decisions))
        while stop < len(decisions) and not pd.isna(decisions[stop]) and decisions[stop] == decisions[stop - 1]:
            stop += 1
        yield start, stop
        start = stop


def load_chunk(run: Run, chunk: Chunk) -> dict[str, int]:
    """Load one part of the plan; what an earlier try settled is on record in the ledger and not sent again.

    Raises SettingError when the part's file is not the one that was cut from the plan, NotApproved when somebody must
    approve that plan first, and what stopped the load (a pause, a Moodle that went away), after its outcomes so far are
    written down.
    """
    check_mark(run)
    told = staging.read_facts(run.folder, PlanParts)
    number = chunk["number"]
    known = next((one for one in told.parts if (one.number, one.start, one.stop) == tuple(chunk.values())), None)
    if known is None or not known.loads:
        raise SettingError(Sentence("staging.altered", file=str(run.folder / PlanParts.FILE)))
    part = staging.read_frame(run.folder, _name(number), digest=known.digest)
    safety.refuse_unapproved(run, told.plan)
    staging.drop_facts(run.folder, Stopped)
    tell_written(run)
    with held(run.ledger, run.mapping.environment, run.holder) as lease:
        return _load(run, number, part, told.plan, lease)


def load_access(run: Run) -> dict[str, int]:
    """Load the plan of access in a task of its own, once every part is in; skipped where somebody rejected the plan."""
    from airflow.sdk.exceptions import AirflowSkipException

    check_mark(run)
    told = staging.read_facts(run.folder, PlanParts)
    try:
        safety.refuse_unapproved(run, told.plan)
    except NotApproved as refusal:
        raise AirflowSkipException(str(refusal)) from refusal
    staging.drop_facts(run.folder, Stopped)
    try:
        return access.load(run, told.plan)
    except TooManyFailures as stopped:
        safety.mind_failures(run, stopped)
        raise


def _load(run: Run, number: int, part: pd.DataFrame, digest: str, lease: Lease) -> dict[str, int]:
    result = load_part(run, part, digest, lease)
    staging.write_frame(run.folder, outcomes_name(number), result.outcomes)
    if result.created.accounts:
        _add_cost(run, result)
    if result.stopped is not None:
        safety.mind_failures(run, result.stopped)
        raise result.stopped
    return {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}


def _add_cost(run: Run, result: LoadResult) -> None:
    """Add what the calls cost to what those of other parts did; parts are loaded one at a time."""
    told = staging.find_facts(run.folder, LoadFacts) or LoadFacts()
    added = LoadFacts(
        created=told.created + result.created.accounts,
        seconds=told.seconds + result.created.seconds,
        in_flight=max(told.in_flight, result.in_flight.most),
    )
    staging.write_facts(run.folder, added)


def outcomes_name(number: int) -> str:
    """Give the name of the frame with a part's outcomes."""
    return f"{OUTCOMES.name}-{number:04d}"


def _name(number: int) -> str:
    return f"{PART.name}-{number:04d}"
