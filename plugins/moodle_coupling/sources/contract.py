"""The contract of every source: what can be asked of it, what it gives, and what its folder declares of its kind."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.hooks.moodle.check import Finding
    from moodle_coupling.mapping.access import AccessList
    from moodle_coupling.mapping.source import SourceSettings
    from moodle_coupling.provisioning.snapshot.reading import Keeper
    from moodle_coupling.words.sentence import Sentence


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line of the source that gives no person, with the reason.

    ``line`` is 1-based, as an editor counts; ``said`` names it and the reason; ``source`` says of which source, where there are several.
    """

    line: int
    code: str
    said: Sentence
    source: str = ""

    @property
    def message(self) -> str:
        """The reason as frames keep it."""
        return self.said.written()


@dataclass(frozen=True, slots=True)
class ExtractCounts:
    """Records read below the header; ``records`` = ``persons`` + ``left_out`` + ``blank`` + ``repeated``.

    ``repeated`` are equal in every cell to one before them: the same person, there twice.
    """

    records: int
    persons: int
    left_out: int
    blank: int
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Brought:
    """What one source brought: our ``columns``, the headings they are ``used`` from, and every heading as written there.

    ``silent`` are those of the columns under which nobody has anything, where that cannot be told from a key that the
    source does not have; of a ``partial`` answer, of what changed or of some persons, that is not asked. ``source`` is its
    name where there are several, else ''.
    """

    columns: tuple[str, ...]
    headings: tuple[str, ...]
    used: tuple[str, ...]
    silent: tuple[str, ...] = ()
    partial: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """Persons as read, not cleaned.

    ``persons`` has the columns and dtypes of PERSON_COLUMNS, then the free fields (str) and INACTIVE_UNREAD.
    ``headings`` says under which heading of the source each column was found; a column that is not in it is empty for
    everyone. ``notes`` says how the source was read (encoding, delimiter, sheet).

    ``complete``: nobody was left unasked, so who is not in it (and in no line of ``left_out``) is not in the source.
    ``watermark`` is the next run's ``Wanted.since``, once this run has ended well; opaque, '' when there is nothing to say.
    ``fingerprint`` is the SHA-256 of a file's bytes, '' for other sources. ``warnings`` are sentences for the log, without
    names or addresses of persons. ``kept`` is to be stored beside the persons, for ``Wanted.known``; mostly empty.
    ``brought`` says of each source, in the mapping's order, which columns it has; ``left_alone`` which of the mapping's fields
    nothing is known of, by our column, so that they must stay as they are in Moodle.
    """

    persons: pd.DataFrame
    left_out: tuple[LeftOut, ...]
    counts: ExtractCounts
    headings: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    watermark: str = ""
    fingerprint: str = ""
    warnings: tuple[Sentence, ...] = ()
    kept: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    brought: tuple[Brought, ...] = ()
    left_alone: tuple[str, ...] = ()


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
    known: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    keep: Keeper | None = None
    sharing: Sharing | None = None


class Source(Protocol):
    """A place where persons come from, opened with the settings of a mapping file."""

    @property
    def kind(self) -> str:
        """Its ``type`` in the mapping file; 'several' for more than one."""

    @property
    def where(self) -> Sentence | str:
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


class Kind(ABC):
    """A kind of source, as its folder declares it with ``KIND = …()``: all that the rest of the house asks of it besides reading.

    Nothing heavy is imported for a declaration: whoever reads a mapping file imports all of them, a DAG file too.
    """

    persons: ClassVar[type[SourceSettings] | None] = None
    """What the mapping file says of such a source of persons; its ``type`` is what the kind is called."""
    access: ClassVar[type[AccessList] | None] = None
    """What the mapping file says of a list of access that comes from it; None where none does."""
    place: ClassVar[int] = 100
    """Where the kind stands when all are listed: the smallest first, then by name."""
    connection_type: ClassVar[str] = ""
    """The type of the Airflow connection that can be checked for it, '' when there is nothing to check."""

    @abstractmethod
    def open(self, settings: Any, base: Path) -> Source:
        """Open a source with its settings; nothing is read yet. ``base`` is the folder a relative path starts at."""

    def address(self, settings: Any, base: Path) -> str:  # noqa: ARG002  # what others need
        """Give the URI of what is read, without a secret, for Airflow's lineage; '' when there is none."""
        return ""

    def connection(self, settings: Any) -> str:
        """Give the id of the connection that is checked before a run, '' when there is none."""
        return str(settings.connection) if self.connection_type else ""

    def check(self, settings: Any, sharing: Sharing | None) -> list[Finding]:  # noqa: ARG002  # what others need
        """Find out whether a run can read from it; whatever is wrong is a finding."""
        return []

    def check_connection(self, connection: str, sharing: Sharing | None) -> list[Finding]:  # noqa: ARG002
        """Check a connection of ``connection_type`` that no mapping names."""
        return []

    def waits_until(self, error: CouplingError, now: dt.datetime) -> dt.datetime | None:  # noqa: ARG002
        """Give when a read that ended in this error is to be tried again; None when waiting is not what helps."""
        return None


_DOES_NOT_MATTER: Final = frozenset(
    {"name", "without", "stale", "max_age_hours", "overlap_minutes", "chunk_size", "count"}
)
"""Settings that change neither who is read nor what is read of them."""


def seal(settings: SourceSettings, remembered: Mapping[str, str]) -> str:
    """Return what is to be remembered as a watermark."""
    return json.dumps({"of": _digest(settings), **remembered})


def unseal(settings: SourceSettings, watermark: str) -> dict[str, str]:
    """Return what was remembered; empty when there is nothing, or the settings have changed since.

    With other settings, such as one column more, what an earlier run has seen says nothing: everyone is read again.
    """
    try:
        found = json.loads(watermark) if watermark else {}
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.pop("of", None) != _digest(settings):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def _digest(settings: SourceSettings) -> str:
    said = settings.model_dump(mode="json", exclude=set(_DOES_NOT_MATTER))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
