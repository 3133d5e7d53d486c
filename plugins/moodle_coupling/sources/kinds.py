"""The kinds of source that the folders beside this declare, and from the settings of a mapping file to the source they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from moodle_coupling.mapping import IdnumberFrom
from moodle_coupling.mapping.source import declared
from moodle_coupling.sources.contract import Wanted
from moodle_coupling.sources.needs import NeededColumns, needed

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.mapping import Mapping, SourceSettings
    from moodle_coupling.sources.contract import Extract, Kind, Source


def kinds() -> dict[str, Kind]:
    """Give what each folder here declares of its kind of source, by ``source.type``."""
    return {name: cast("Kind", kind) for name, kind in declared().items()}


def kind_of(settings: SourceSettings) -> Kind:
    """Give what is declared of the kind of a source, of persons or of a list of access."""
    return kinds()[settings.type]


def read_by(mapping: Mapping) -> tuple[SourceSettings, ...]:
    """Give all that a run of this mapping reads: the sources of its persons, and its list of access where it has one."""
    listed = mapping.access.source if mapping.access is not None else None
    return (*mapping.sources, *((listed,) if listed is not None else ()))


def checked_connections(mapping: Mapping) -> list[tuple[str, Kind, SourceSettings]]:
    """Give what a mapping reads over a connection that can be checked, each with that connection's id and its kind."""
    named = [(kind_of(each).connection(each), kind_of(each), each) for each in read_by(mapping)]
    return [one for one in named if one[0]]


def waits_until(mapping: Mapping, error: CouplingError, now: dt.datetime) -> dt.datetime | None:
    """Give when a source of the mapping that raised this error is to be read again; None when waiting is not what helps."""
    return next((until for each in read_by(mapping) if (until := kind_of(each).waits_until(error, now))), None)


def open_source(mapping: Mapping, base: Path) -> Source:
    """Open the source of a mapping, or all of them as one; nothing is read yet.

    ``base`` is the folder a relative path starts at: the mapping file's (``mapping.file.source_base``).
    """
    source = _open(mapping.sources, base, mapping.idnumber, frozenset(_used(mapping)))
    return NeededColumns(source, mapping)


def open_settings(source: SourceSettings | list[SourceSettings], base: Path) -> Source:
    """Open what ``source:`` or ``access.source:`` of a mapping file says, where nothing more of the mapping is known."""
    settings: tuple[SourceSettings, ...] = tuple(source) if isinstance(source, list) else (source,)
    return _open(settings, base, IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID, None)


def read_persons(source: SourceSettings | list[SourceSettings], base: Path) -> Extract:
    """Return everyone in a source, as text and not cleaned, with the lines that could not be read.

    ``base`` is the folder a relative path starts at: the mapping file's.

    Raises:
        SourceError: it is not there or cannot be read as a whole; names file, line and column where there are.

    """
    return open_settings(source, base).extract(Wanted())


def _open(
    settings: tuple[SourceSettings, ...], base: Path, idnumber: IdnumberFrom, told: frozenset[str] | None
) -> Source:
    parts = tuple(kind_of(each).open(each, base) for each in settings)
    if len(parts) == 1:
        return parts[0]
    from moodle_coupling.sources.several.source import Joining, SeveralReader

    names = tuple(each.name or str(part.where) for each, part in zip(settings, parts, strict=True))
    return SeveralReader(parts, names, Joining(idnumber, told))


def _used(mapping: Mapping) -> set[str]:
    """Give the columns on which it matters that sources differ: those that are written, or that decide who belongs."""
    must = {column for column in needed(mapping) if column != "person_id"}
    return {"extern_id", "inactive", *mapping.email, *must}
