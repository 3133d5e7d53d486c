"""Many rows at once: brought into a temporary table first, then worked on by whole statements.

PostgreSQL takes them by COPY, SQLite by one prepared statement. A hundred thousand rows go in about a second either
way (benchmarks/ledger.md), and everything after is set against set.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Table, select, text
from sqlalchemy.types import TypeEngine

from moodle_coupling.ledger.cells import clean
from moodle_coupling.ledger.columns import SQLITE_TIME, StoredText, UtcTime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

TEXT: Final = StoredText()
_NUMBERS = itertools.count(1)
_WORTH_ANALYSING: Final = 1000

Staged = tuple[TypeEngine[Any], "Sequence[Any]"]
"""The type of a column, and its values."""


@contextlib.contextmanager
def staged(
    connection: Connection, columns: Mapping[str, Staged], *, key: Sequence[str], also: str = ""
) -> Iterator[Table]:
    """Bring columns of equal length into a temporary table, for as long as the block lasts.

    ``key`` names the columns that together are unique; ``also`` one more column by which rows are looked up.
    """
    table = Table(
        f"staged_{next(_NUMBERS)}",
        MetaData(),
        *(Column(name, kind, primary_key=name in key, index=name == also) for name, (kind, _values) in columns.items()),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    table.create(connection)
    values = [_stored(kind, column, connection.dialect.name) for kind, column in columns.values()]
    _fill(connection, table, values)
    try:
        yield table
    finally:
        # After an error PostgreSQL takes no further statement, and the roll-back drops the table anyway.
        if connection.in_transaction() and connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{table.name}")


@contextlib.contextmanager
def chosen_keys(
    connection: Connection, column: Column[Any], keys: Sequence[str] | None
) -> Iterator[list[ColumnElement[bool]]]:
    """Give the conditions by which a query gives rows with these keys only (each once); none when ``keys`` is None."""
    if keys is None:
        yield []
        return
    with staged(connection, {"key": (TEXT, keys)}, key=["key"]) as stage:
        yield [column.in_(select(stage.c.key))]


def _fill(connection: Connection, table: Table, values: list[Sequence[Any]]) -> None:
    if not values or not values[0]:
        return
    rows = zip(*values, strict=True)
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(values))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    if len(values[0]) >= _WORTH_ANALYSING:
        connection.execute(text(f"ANALYZE {table.name}"))


def _stored(kind: TypeEngine[Any], values: Sequence[Any], dialect: str) -> Sequence[Any]:
    if isinstance(kind, StoredText):
        together = "".join(filter(None, values))  # COPY asks no column type; nearly always there is nothing to clean
        fine = together.isascii() and "\0" not in together
        return values if fine else [None if value is None else clean(value) for value in values]
    if dialect != "sqlite" or not isinstance(kind, UtcTime):
        return values
    return [None if value is None else value.astimezone(dt.UTC).strftime(SQLITE_TIME) for value in values]
