"""Persons from files: CSV, XLSX and Parquet, on a disk or in object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.mapping import FileSource
from moodle_coupling.sources.contract import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Source


class Files(Kind):
    """A file, or the newest of several."""

    settings = FileSource

    def open(self, settings: FileSource, base: Path) -> Source:
        """Open the file's source."""
        from moodle_coupling.sources.files.source import FileReader

        return FileReader(settings, base)
