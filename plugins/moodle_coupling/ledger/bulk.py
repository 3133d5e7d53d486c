"""Many rows at once: brought into a temporary table first, then worked on by whole statements.

PostgreSQL takes them by COPY, SQLite by one prepared statement. A hundred thousand rows go in about a second either
way (benchmarks/ledger_rows.md), and everything after is set against set.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Table, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from moodle_coupling.ledger.cells import SQLITE_TIME, StoredText, UtcTime, clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Dialect

TEXT: Final = StoredText()
UTC_TIME: Final = UtcTime()
"""One object each for all staged columns, so that what SQLAlchemy compiled for a staged table serves the next one too."""
_WORTH_ANALYSING: Final = 1000
_FEW: Final = 500
"""So many keys go along with a statement; a table for them would cost three more."""

Staged = tuple[TypeEngine[Any], "Sequence[Any]"]
"""The type of a column, and its values."""


@contextlib.contextmanager
def staged(
    connection: Connection, columns: Mapping[str, Staged], *, key: Sequence[str], also: str = ""
) -> Iterator[Table]:
    """Bring columns of equal length into a temporary table, for as long as the block lasts.

    ``key`` names the columns that together are unique; ``also`` one more column by which rows are looked up.
    """
    kinds = tuple((name, kind) for name, (kind, _values) in columns.items())
    with _free_number(connection) as number:
        table = _table(number, kinds, tuple(key), also)
        for statement in _statements(table, connection.dialect):
            connection.exec_driver_sql(statement)
        values = [_stored(kind, column, connection.dialect.name) for kind, column in columns.values()]
        _fill(connection, table, values)
        try:
            yield table
        except BaseException:
            # After an error PostgreSQL takes no further statement, and the roll-back drops the table anyway.
            if connection.in_transaction() and connection.dialect.name == "sqlite":
                _drop(connection, table)
            raise
        else:
            if connection.in_transaction():
                _drop(connection, table)


def _drop(connection: Connection, table: Table) -> None:
    schema = "temp" if connection.dialect.name == "sqlite" else "pg_temp"
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {schema}.{table.name}")


@contextlib.contextmanager
def _free_number(connection: Connection) -> Iterator[int]:
    """Give a number of which the connection has no staged table now.

    Numbers are used again, so that tables are, and the statements on them that SQLAlchemy has compiled: a load stages two tables a batch.
    """
    taken: set[int] = connection.info.setdefault("staged", set())
    number = next(number for number in itertools.count(1) if number not in taken)
    taken.add(number)
    try:
        yield number
    finally:
        taken.discard(number)


@lru_cache(maxsize=256)
def _table(number: int, kinds: tuple[tuple[str, TypeEngine[Any]], ...], key: tuple[str, ...], also: str) -> Table:
    return Table(
        f"staged_{number}",
        MetaData(),
        *(Column(name, kind, primary_key=name in key, index=name == also) for name, kind in kinds),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _statements(table: Table, dialect: Dialect) -> list[str]:
    """Give what creates a table, compiled once for each dialect."""
    known: dict[str, list[str]] = table.info
    if dialect.name not in known:
        creates: tuple[Any, ...] = (CreateTable(table), *(CreateIndex(index) for index in table.indexes))
        known[dialect.name] = [str(create.compile(dialect=dialect)) for create in creates]
    return known[dialect.name]


def insert_into(connection: Connection, table: Table) -> Any:
    """Give an INSERT of the connection's database, which says what happens on a conflict: both have that, SQLAlchemy's own has not."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


@contextlib.contextmanager
def chosen_keys(
    connection: Connection, column: Column[Any], keys: Sequence[str] | None
) -> Iterator[list[ColumnElement[bool]]]:
    """Give the conditions by which a query gives rows with these keys only (each once); none when ``keys`` is None."""
    if keys is None:
        yield []
        return
    if len(keys) <= _FEW:
        yield [column.in_(list(keys))]
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
