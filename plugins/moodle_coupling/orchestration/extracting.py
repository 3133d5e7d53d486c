"""Reading the source of a run: everyone, or what changed since the last good run put into what that run knew.

What a run for what changed needs is kept beside the run folders, in ``known__<…>``: the persons as the last good run had
them. Which of those folders holds, and the watermark that goes with it, stand in the asset state store of the source's
asset; both move together, and only when a run ended well.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from moodle_coupling.mapping_file import source_base
from moodle_coupling.orchestration import staging
from moodle_coupling.sources.contract import Mode, Wanted, merge_changed, open_source
from moodle_coupling.sources.extract import ExtractCounts

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.sources.extract import Extract

log = logging.getLogger(__name__)

STATE: Final = "source"
"""Key in the asset state store: {"watermark", "known"}."""
_PREFIX: Final = "known__"
_PERSONS: Final = "persons"
_NEXT: Final = "next"


class State(Protocol):
    """The asset state store of one asset."""

    def get(self, key: str) -> Any:
        """Give what is kept under a key; None when nothing is."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""


@dataclass(frozen=True)
class _Known:
    """What the last good run left: its watermark, its persons, and what the source asked to keep."""

    watermark: str = ""
    persons: pd.DataFrame | None = None
    kept: dict[str, pd.DataFrame] | None = None


def read_source(run: Run, state: State | None) -> Extract:
    """Read everyone; on a run that is not full, where the source can tell, only what changed, put into who was known.

    What :func:`move_watermark` needs is written into the run's folder. Raises what the source raises.
    """
    source = open_source(run.mapping, source_base(run.mapping_path))
    known = _known(run, state)
    if source.incremental and not run.full and known.watermark and known.persons is not None:
        found = source.extract(
            Wanted(Mode.CHANGED, known.watermark, known=known.kept or {}, keep=staging.FolderKeeper(run.folder))
        )
        log.info("Read what changed in %s: %d persons", source.where, found.counts.persons)
        if not found.complete:
            found = _whole(known.persons, found)
    else:
        found = source.extract(Wanted(since=known.watermark, ids=run.person_ids, keep=staging.FolderKeeper(run.folder)))
        log.info("Read everyone in %s: %d persons", source.where, found.counts.persons)
    for warning in found.warnings:
        log.warning("%s", warning)
    if source.incremental:
        _write_kept(run.folder / _NEXT, {_PERSONS: found.persons, **found.kept})
    staging.write_text(run.folder, "watermark", found.watermark)
    return found


def move_watermark(run: Run, state: State | None) -> None:
    """Let the next run begin where this one ended; called when a run for everyone ended well."""
    path = run.folder / "watermark"
    if state is None or not path.exists():
        return
    watermark = path.read_text()
    fresh = run.folder / _NEXT
    name = ""
    root = staging.staging_root() / run.mapping.environment
    if fresh.exists():
        name = _PREFIX + hashlib.sha256(f"{run.record.id} {watermark}".encode()).hexdigest()[:16]
        target = root / name
        target.mkdir(parents=True, exist_ok=True)
        for file in fresh.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    state.set(STATE, {"watermark": watermark, "known": name})
    for folder in root.iterdir():
        if folder.name.startswith(_PREFIX) and folder.name != name:
            folder.rmdir(recursive=True)


def _known(run: Run, state: State | None) -> _Known:
    told = state.get(STATE) if state is not None else None
    if not isinstance(told, dict):
        return _Known()
    watermark, name = str(told.get("watermark") or ""), str(told.get("known") or "")
    folder = staging.staging_root() / run.mapping.environment / name
    if not name or not staging.has_frame(folder, _PERSONS):
        return _Known(watermark)
    names = [file.name.removesuffix(".parquet") for file in folder.iterdir()]
    kept = {name: staging.read_frame(folder, name) for name in names if name != _PERSONS}
    return _Known(watermark, staging.read_frame(folder, _PERSONS), kept)


def _write_kept(folder: ObjectStoragePath, frames: dict[str, pd.DataFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        staging.write_frame(folder, name, frame)


def _whole(known: pd.DataFrame, found: Extract) -> Extract:
    persons = merge_changed(known, found.persons)
    counts = ExtractCounts(
        records=len(persons) + found.counts.left_out + found.counts.blank,
        persons=len(persons),
        left_out=found.counts.left_out,
        blank=found.counts.blank,
    )
    return replace(found, persons=persons, counts=counts)
