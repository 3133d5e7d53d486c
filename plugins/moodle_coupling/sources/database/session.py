"""One connection to a database, only for reading: a steady view of it, rows in chunks, values bound."""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError, SourceUnavailable
from moodle_coupling.mapping.expressions import bound
from moodle_coupling.sources.headings import HeadingsUnclear
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

log = logging.getLogger(__name__)

_CURSOR: Final = "moodle_coupling"
_PASSING_STATES: Final = ("08", "40", "53", "57", "58")
"""Classes of SQLSTATE: connection, serialisation and deadlock, resources, shutdown and time-outs, system."""
_PASSING_KINDS: Final = frozenset({"OperationalError", "InterfaceError"})
_PASSING_SQLITE: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR")
_NOT_LET_IN: Final = ("authentication", "password", "does not exist", "permission", "login failed", "access denied")


@dataclass(frozen=True)
class Session:
    """A connection (PEP 249). ``steady``: all queries see the database as it was at one moment."""

    connection: Any
    paramstyle: str
    steady: bool

    def chunks(self, query: str, since: object, size: int) -> Generator[tuple[list[str], Sequence[Sequence[Any]]]]:
        """Give the result's column names with ``size`` rows at a time; at least once, also when there are none.

        ``since`` is bound to every ``:since``. On PostgreSQL the rows stay at the server until they are fetched.
        """
        cursor = self._cursor(named=True)
        try:
            self._execute(cursor, query, since)
            rows = cursor.fetchmany(size)
            names = [str(column[0]) for column in cursor.description]
            yield names, _plain(rows)
            while rows:
                rows = cursor.fetchmany(size)
                if rows:
                    yield names, _plain(rows)
        finally:
            cursor.close()

    def number(self, query: str, since: object = None) -> int:
        """Give the one number of a query; raises SourceError when it gives something else."""
        cursor = self._cursor(named=False)
        try:
            self._execute(cursor, query, since)
            rows = _plain(cursor.fetchmany(2))
        finally:
            cursor.close()
        try:
            ((value,),) = rows
            return int(value)
        except (TypeError, ValueError):
            raise SourceError(Sentence("sources.database.count_no_number")) from None

    def clock(self) -> dt.datetime | None:
        """Give what time it is by the database, as it writes times; None where it does not say (an Oracle, an unknown one)."""
        cursor = self._cursor(named=False)
        try:
            cursor.execute("SELECT CURRENT_TIMESTAMP")
            ((value,),) = _plain(cursor.fetchall())
            return dt.datetime.fromisoformat(value) if isinstance(value, str) else _moment(value)
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own; our own clock is there too
            log.debug("The database does not say what time it is: %s", type(error).__name__)
            return None
        finally:
            cursor.close()

    def _cursor(self, *, named: bool) -> Any:
        if named and _driver(self.connection) in {"psycopg", "psycopg2"}:
            return self.connection.cursor(name=_CURSOR)
        return self.connection.cursor()

    def _execute(self, cursor: Any, query: str, since: object) -> None:
        mark = {"qmark": "?", "numeric": ":1", "named": ":since"}.get(self.paramstyle, "%s")
        sql, times = bound(query, mark)
        if not times:
            cursor.execute(sql)
        elif self.paramstyle == "named":
            cursor.execute(sql, {"since": since})
        else:
            cursor.execute(sql, (since,) if self.paramstyle == "numeric" else (since,) * times)


def _moment(value: object) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) else None


@contextmanager
def reading(connection_id: str, where: Sentence) -> Iterator[Session]:
    """Open an Airflow connection for reading; what goes wrong in it is told as ours, with ``where``.

    On PostgreSQL and SQLite everything is read in one read-only transaction that sees one moment (REPEATABLE READ). Other
    databases are read as their driver does it.

    Raises:
        SourceError: the connection, the rights or the SQL is wrong.
        SourceUnavailable: the database cannot be reached, is busy, or broke off.

    """
    with _told(where):
        hook = _hook(connection_id, where)
        connection = hook.get_conn()
        try:
            steady = _begin(connection)
            yield Session(connection, _paramstyle(connection, hook), steady)
        finally:
            connection.close()


def _hook(connection_id: str, where: Sentence) -> Any:
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        connection: Any = BaseHook.get_connection(connection_id)
        hook = connection.get_hook()
    except (AirflowException, ImportError) as error:
        raise SourceError(Sentence("sources.database.no_connection", where=where, error=str(error))) from error
    if not isinstance(hook, DbApiHook):
        raise SourceError(Sentence("sources.database.no_database", where=where, type=str(connection.conn_type)))
    return hook


def _driver(connection: object) -> str:
    return type(connection).__module__.partition(".")[0]


def _begin(connection: Any) -> bool:
    """Begin a read-only transaction that sees one moment, where the driver is known; returns whether it does."""
    driver = _driver(connection)
    if driver == "psycopg":
        from psycopg import IsolationLevel

        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
    elif driver == "psycopg2":
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
    elif driver == "sqlite3":
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
    else:
        return False
    return True


def _paramstyle(connection: object, hook: Any) -> str:
    """Give how the driver marks values (PEP 249); the module of its connection, or one above it, says so."""
    parts = type(connection).__module__.split(".")
    for length in range(len(parts), 0, -1):
        style = getattr(sys.modules.get(".".join(parts[:length])), "paramstyle", None)
        if isinstance(style, str):
            return style
    return "qmark" if hook.placeholder == "?" else "format"


def _plain(rows: Any) -> Sequence[Sequence[Any]]:
    """Return rows as sequences of values, also where the connection asks for dictionaries."""
    return [tuple(row.values()) for row in rows] if rows and isinstance(rows[0], dict) else rows


@contextmanager
def _told(where: Sentence) -> Iterator[None]:
    try:
        yield
    except HeadingsUnclear:  # it names the place already
        raise
    except (SourceError, SourceUnavailable) as error:
        said = error.said if str(where) in str(error) else Sentence("sources.at", where=where, said=error.said)
        raise type(error)(said) from error.__cause__
    except Exception as error:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "Error" not in kinds and not isinstance(error, OSError):
            raise
        if "DataError" in kinds:
            # Its text repeats the value that could not be converted, which may be somebody's name.
            raise SourceError(
                Sentence("sources.database.not_converted", where=where, error=type(error).__name__)
            ) from None
        first = str(error).strip().partition("\n")[0][:300] or Sentence("sources.nothing_said")
        told = {"where": where, "error": type(error).__name__, "said": first}
        if _is_passing(error, kinds):
            raise SourceUnavailable(Sentence("sources.database.passing", **told)) from error
        raise SourceError(Sentence("sources.database.failed", **told)) from error


def _is_passing(error: Exception, kinds: set[str]) -> bool:
    if isinstance(error, sqlite3.Error):
        return str(getattr(error, "sqlite_errorname", "")).startswith(_PASSING_SQLITE)
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state:
        return str(state).startswith(_PASSING_STATES)
    said = str(error).lower()
    return bool(kinds & _PASSING_KINDS or isinstance(error, OSError)) and not any(word in said for word in _NOT_LET_IN)
