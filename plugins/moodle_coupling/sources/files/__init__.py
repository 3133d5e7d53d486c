"""Persons from files: CSV, XLSX and Parquet, on a disk or in object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.sources.contract import Kind
from moodle_coupling.sources.files.settings import AccessFile, FileSource

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Source


class Files(Kind):
    """A file, or the newest of several."""

    persons = FileSource
    access = AccessFile
    place = 1

    def open(self, settings: FileSource, base: Path) -> Source:
        """Open the file's source."""
        from moodle_coupling.sources.files.source import FileReader

        return FileReader(settings, base)

    def address(self, settings: FileSource, base: Path) -> str:
        """Give the file's address."""
        from urllib.parse import urlsplit, urlunsplit

        where = settings.where(base)
        parts = urlsplit(where)
        if not parts.scheme:
            return f"file://{where}"
        # Who signs in, and the signature of a shared link, are nobody's business.
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


KIND: Final = Files()
