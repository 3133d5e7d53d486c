"""From the settings of a mapping file to the source they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.mapping import CoachviewSource, IdnumberFrom, SqlSource
from moodle_coupling.sources.needed import NeededColumns, needed

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping import AnySource, Mapping
    from moodle_coupling.sources.contract import Source


def open_mapping(mapping: Mapping, base: Path) -> Source:
    """Open the source of a mapping, or all of them as one; see :func:`moodle_coupling.sources.contract.open_source`."""
    source = _open(mapping.sources, base, mapping.idnumber, frozenset(_used(mapping)))
    return NeededColumns(source, mapping)


def open_settings(source: AnySource | list[AnySource], base: Path) -> Source:
    """Open what ``source:`` of a mapping file says, where nothing more of the mapping is known."""
    settings = tuple(source) if isinstance(source, list) else (source,)
    return _open(settings, base, IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID, None)


def _open(settings: tuple[AnySource, ...], base: Path, idnumber: IdnumberFrom, told: frozenset[str] | None) -> Source:
    parts = tuple(_open_one(each, base) for each in settings)
    if len(parts) == 1:
        return parts[0]
    from moodle_coupling.sources.combining import Joining
    from moodle_coupling.sources.several import SeveralReader

    names = tuple(each.name or part.where for each, part in zip(settings, parts, strict=True))
    return SeveralReader(parts, names, Joining(idnumber, told))


def _open_one(settings: AnySource, base: Path) -> Source:
    """Open one source; its module is imported when it is used."""
    if isinstance(settings, SqlSource):
        from moodle_coupling.sources.database.source import SqlReader

        return SqlReader(settings, settings.where(base))
    if isinstance(settings, CoachviewSource):
        from moodle_coupling.sources.coachview.source import CoachviewReader

        return CoachviewReader(settings, settings.where(base))
    from moodle_coupling.sources.files.source import FileReader

    return FileReader(settings, base)


def _used(mapping: Mapping) -> set[str]:
    """Give the columns on which it matters that sources differ: those that are written, or that decide who belongs."""
    must = {column for column in needed(mapping) if column != "person_id"}
    return {"extern_id", "inactive", *mapping.email, *must}
