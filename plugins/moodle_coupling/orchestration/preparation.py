"""The first task of a run: may it begin, who is in the source, and who of them would be what in Moodle. Asks Moodle nothing."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.contract.facts import CandidateFacts
from moodle_coupling.contract.frames import BYSTANDERS, CANDIDATES, FINGERPRINTS, LEFT_OUT, PERSONS, REASONS, UNCHANGED
from moodle_coupling.errors import SourceError
from moodle_coupling.hooks.pause import guard
from moodle_coupling.ledger.accounts import fingerprints as known_fingerprints
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.matching.selection import neighbourhood, split_unchanged, unchanged_rows, unknown_ids
from moodle_coupling.orchestration import access, safety, staging
from moodle_coupling.orchestration.extraction import read_source
from moodle_coupling.orchestration.once import once
from moodle_coupling.orchestration.shared_staging import leave_mark
from moodle_coupling.people.arrow import compact_memory
from moodle_coupling.people.table import fingerprints, made
from moodle_coupling.people.transform import transform as transform_persons
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)


def prepare(run: Run) -> dict[str, dict[str, int]]:
    """Begin the run, read the source and make candidates; gives the counts of each step.

    A source that was read is not read again by a later try: it may cost the requests of a day.
    """
    compact_memory()
    begin(run)
    return {"extract": once(run, extract), "transform": transform(run)}


def begin(run: Run) -> None:
    """Note that the run begins, and mark its folder; raises CouplingPaused and Quarantined where it may not."""
    begin_run(run.ledger, run.mapping.environment, run.record.dag_id, run.record.run_id, mode=run.record.mode)
    safety.mind_quarantine(run)
    guard(run.mapping.connection)()
    leave_mark(run)


def extract(run: Run) -> dict[str, int]:
    """Read the source: ``persons`` and ``left_out``."""
    found = read_source(run, run.source_state)
    staging.write_frame(run.folder, PERSONS.name, found.persons)
    left_out = ({name: getattr(line, name) for name in LEFT_OUT.names} for line in found.left_out)
    staging.write_frame(run.folder, LEFT_OUT.name, made(LEFT_OUT, left_out))
    for line in found.left_out:
        log.warning("Line %d was left out: %s", line.line, line.code)
    access.extract(run)
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
