"""Reading the source of a run: everyone, or what changed since the last good run put into what that run knew.

What a run for what changed needs is kept beside the run folders, in ``known__<…>``: the persons as the last good run had
them. Which of those folders holds, and the watermark that goes with it, stand in the asset state store of the source's
asset; both move together, and only when a run ended well.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import SourceFacts, SourceState
from moodle_coupling.contract.frames import PERSONS
from moodle_coupling.errors import SettingError
from moodle_coupling.mapping.file import load_mapping, source_base
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.coachview_sharing import through_the_ledger
from moodle_coupling.orchestration.lineage import tell_read
from moodle_coupling.orchestration.run import left_alone
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.kinds import open_source
from moodle_coupling.sources.needs import brought_columns, lost_columns
from moodle_coupling.sources.persons import completed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.run import Run, State
    from moodle_coupling.sources.contract import Extract

log = logging.getLogger(__name__)

STATE: Final = "source"
"""Key in the asset state store: a SourceState."""
_PREFIX: Final = "known__"
_PERSONS: Final = PERSONS.name
_NEXT: Final = "next"


@dataclass(frozen=True)
class _Known:
    """What the last good run left: its watermark, its persons, what the source asked to keep, the columns of each source."""

    watermark: str = ""
    persons: pd.DataFrame | None = None
    kept: dict[str, pd.DataFrame] | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)


def read_source(run: Run, state: State | None) -> Extract:
    """Read everyone; on a run that is not full, where the source can tell, only what changed, put into who was known.

    What :func:`move_watermark` needs is written into the run's folder. Raises what the source raises.
    """
    # Read once more, a run looks again for what it left alone the first time.
    mapping = load_mapping(run.mapping_path) if left_alone(run.folder) else run.mapping
    source = open_source(mapping, source_base(run.mapping_path))
    known = _known(run, state, with_persons=source.incremental and not run.full)
    wanted = Wanted(since=known.watermark, keep=staging.FolderKeeper(run.folder), sharing=through_the_ledger())
    if known.watermark and known.persons is not None:
        found = source.extract(replace(wanted, mode=Mode.CHANGED, known=known.kept or {}))
        log.info("Read what changed in %s: %d persons", source.where, found.counts.persons)
        if not found.complete:
            found = completed(known.persons, found)
    else:
        found = source.extract(replace(wanted, ids=run.person_ids))
        log.info("Read everyone in %s: %d persons", source.where, found.counts.persons)
    for warning in found.warnings:
        log.warning("%s", warning)
    lost_columns(mapping, found, known.columns)
    if source.incremental:
        _write_kept(run.folder / _NEXT, {_PERSONS: found.persons, **found.kept})
    facts = SourceFacts(
        everyone=found.complete and not found.left_out,
        watermark=found.watermark,
        warnings=tuple(one.written() for one in found.warnings),
        left_alone=found.left_alone,
        columns=brought_columns(mapping, found, known.columns),
    )
    staging.write_facts(run.folder, facts)
    tell_read(run)
    return found


def read_around(mapping: Mapping, base: Path, person: str) -> Extract:
    """Read one person, by person id or extern id, among everyone.

    From a source that can tell what changed only this person is asked for, and everyone else is as the last good run had
    them: everyone may take many requests. Raises what the source raises.
    """
    source = open_source(mapping, base)
    sharing = through_the_ledger()
    known = _as_known(mapping.environment) if source.incremental else None
    if known is None:
        return source.extract(Wanted(sharing=sharing))
    found = source.extract(Wanted(Mode.IDS, ids=(person,), sharing=sharing))
    here = (known["person_id"] == person) | (known["extern_id"] == person)
    return completed(known[~here | known["person_id"].isin(found.persons["person_id"])], found)


def move_watermark(run: Run, state: State | None) -> None:
    """Let the next run begin where this one ended; called when a run for everyone ended well."""
    facts = staging.find_facts(run.folder, SourceFacts)
    if state is None or facts is None:
        return
    fresh = run.folder / _NEXT
    name = ""
    root = staging.staging_root() / run.mapping.environment
    if fresh.exists():
        name = _PREFIX + hashlib.sha256(f"{run.record.id} {facts.watermark}".encode()).hexdigest()[:16]
        target = staging.made(root / name)
        for file in fresh.iterdir():
            staging.copy(file, target)
    state.set(STATE, SourceState(watermark=facts.watermark, known=name, columns=facts.columns).model_dump())
    for folder in root.iterdir():
        if folder.name.startswith(_PREFIX) and folder.name != name:
            folder.rmdir(recursive=True)


def _kept_folders(environment: str) -> list[ObjectStoragePath]:
    root = staging.staging_root() / environment
    return [folder for folder in root.iterdir() if folder.name.startswith(_PREFIX)] if root.exists() else []


def _known(run: Run, state: State | None, *, with_persons: bool) -> _Known:
    told = SourceState.read(state.get(STATE) if state is not None else None)
    watermark, name, columns = told.watermark, told.known, told.columns
    folder = staging.staging_root() / run.mapping.environment / name
    if not with_persons or not name or not staging.has_frame(folder, _PERSONS):
        return _Known(watermark, columns=columns)
    names = [file.name.removesuffix(".parquet") for file in folder.iterdir()]
    try:
        persons = staging.read_frame(folder, _PERSONS)
    except SettingError as error:  # kept by another version of this program: everyone is read anew
        log.warning("%s Everyone is read.", error)
        return _Known(columns=columns)
    kept = {name: staging.read_frame(folder, name) for name in names if name != _PERSONS}
    return _Known(watermark, persons, kept, columns)


def _write_kept(folder: ObjectStoragePath, frames: dict[str, pd.DataFrame]) -> None:
    for name, frame in frames.items():
        staging.write_frame(staging.made(folder), name, frame)


def _as_known(environment: str) -> pd.DataFrame | None:
    """Give everyone as the last good run had them; None where it kept nobody."""
    kept = [folder for folder in _kept_folders(environment) if staging.has_frame(folder, _PERSONS)]
    newest = max(kept, key=lambda folder: (folder / f"{_PERSONS}.parquet").stat().st_mtime, default=None)
    return None if newest is None else staging.read_frame(newest, _PERSONS)
