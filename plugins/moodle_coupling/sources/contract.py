"""The contract of every source: what can be asked of it, and how an answer of changes becomes a whole again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.hooks.coachview.state import Sharing
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.provisioning.snapshot.checkpoint import Keeper
    from moodle_coupling.sources.extract import Extract


class Mode(StrEnum):
    """How much of a source is read."""

    FULL = "full"
    """Everyone."""
    CHANGED = "changed"
    """Who was added or changed since the watermark; a source that cannot tell gives everyone."""
    IDS = "ids"
    """Only some persons."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a source.

    ``since`` is the ``watermark`` of the last run of this source that ended well, '' when there is none; it is passed in
    every mode, because a full read uses it to notice that the source stands still. ``ids`` are person ids or extern ids,
    compared exactly: in mode ids those that are given, in another mode those for whose sake everyone is read, by hand, so
    that an old file is not refused. ``known`` (mode changed) is ``Extract.kept`` of the run that gave ``since``; without
    it a source that needs it reads everyone. ``keep`` holds what a read that broke off had, for the next try of the same run.
    ``sharing`` is where a source whose requests are counted shares that count with other tasks and machines.
    """

    mode: Mode = Mode.FULL
    since: str = ""
    ids: tuple[str, ...] = ()
    known: MappingOf[str, pd.DataFrame] = field(default_factory=dict)
    keep: Keeper | None = None
    sharing: Sharing | None = None


class Source(Protocol):
    """A place where persons come from, opened with the settings of a mapping file."""

    @property
    def kind(self) -> str:
        """Its ``type`` in the mapping file; 'several' for more than one."""

    @property
    def where(self) -> str:
        """Where it reads, for people: a path, an address, a table; never a secret."""

    @property
    def incremental(self) -> bool:
        """Whether mode changed reads less than everyone; where it does not, it gives a complete extract."""

    def extract(self, wanted: Wanted) -> Extract:
        """Read what is wanted, and nothing by halves.

        Raises:
            SourceError: it cannot be read, or gave less than it announced; the text says which source.
            SourceUnavailable: the same read may go through later. Errors of a hook (CoachviewError) come as they are.

        """


def open_source(mapping: Mapping, base: Path) -> Source:
    """Open the source of a mapping; nothing is read yet.

    ``base`` is the folder a relative path starts at: the mapping file's (``mapping.file.source_base``).
    """
    from moodle_coupling.sources.opening import open_mapping

    return open_mapping(mapping, base)


def completed(known: pd.DataFrame, found: Extract) -> Extract:
    """Return an extract of some persons with everyone else as they were known, see :func:`merge_changed`; it is complete."""
    from moodle_coupling.sources.extract import ExtractCounts

    persons = merge_changed(known, found.persons)
    was = found.counts
    others = was.left_out + was.blank + was.repeated
    counts = ExtractCounts(len(persons) + others, len(persons), was.left_out, was.blank, was.repeated)
    return replace(found, persons=persons, counts=counts, complete=True)


def merge_changed(known: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Return the last complete persons frame with the changed persons in it.

    A changed person takes the place, and the ``row``, of the known one with the same person_id, or else with the same
    extern_id and extern_source; who is not known gets the next free row. Where an id is there more than once, the
    first takes the place of the first, so that a double stays a double until everyone is read again.

    Whoever is gone from the source stays: only a complete read can tell.
    """
    from moodle_coupling.sources.merging import merged

    return merged(known, changed)
