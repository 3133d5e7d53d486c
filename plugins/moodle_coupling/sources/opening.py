"""From the settings of a mapping file to the source they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping import FileSource, IdnumberFrom
    from moodle_coupling.sources.contract import Source


def open_settings(settings: FileSource, base: Path, idnumber: IdnumberFrom) -> Source:  # noqa: ARG001
    """Open what ``source:`` of a mapping file says; the module of a source is imported when it is used."""
    from moodle_coupling.sources.file import FileReader

    return FileReader(settings, base)
