"""Persons from a database, by a table or a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.sources.contract import Kind
from moodle_coupling.sources.database.settings import AccessSql, SqlSource

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Source

_WITH_SCHEMA: Final = {"postgres": "public", "postgresql": "public", "mssql": "dbo"}
"""Databases whose tables have a schema between them and the database, and the one that is meant when none is named."""


class Database(Kind):
    """A table or a query."""

    persons = SqlSource
    access = AccessSql
    place = 2

    def open(self, settings: SqlSource, base: Path) -> Source:
        """Open the table's or the query's source."""
        from moodle_coupling.sources.database.source import SqlReader

        return SqlReader(settings, settings.where(base))

    def address(self, settings: SqlSource, base: Path) -> str:  # noqa: ARG002  # the same question to every kind of source
        """Give the table's address; a query's has the database and no table."""
        from airflow.sdk import BaseHook

        conn = BaseHook.get_connection(settings.connection)
        host = (conn.host or "").rpartition("://")[2].rpartition("@")[2].strip("/")
        port = f":{conn.port}" if conn.port else ""
        schema, _, table = settings.table.rpartition(".")
        schema = schema or _WITH_SCHEMA.get(conn.conn_type or "", "")
        path = "/".join(part for part in (conn.schema or "", schema if table else "", table) if part)
        return f"{conn.conn_type}://{host}{port}/{path}"


KIND: Final = Database()
