"""Persons from a database, by a table or a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.mapping import SqlSource
from moodle_coupling.sources.contract import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Source


class Database(Kind):
    """A table or a query."""

    settings = SqlSource

    def open(self, settings: SqlSource, base: Path) -> Source:
        """Open the table's or the query's source."""
        from moodle_coupling.sources.database.source import SqlReader

        return SqlReader(settings, settings.where(base))
