"""The ledger's database: its address, its connections, and what a driver says told as an error of our own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, InternalError, OperationalError

from moodle_coupling.ledger.errors import LedgerUnavailable, LedgerUrlError
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_OLDEST_SQLITE: Final = (3, 35)
"""The first with RETURNING."""
WRITES: Final = "ledger_writes"
"""Execution option of a connection that will write."""
_BUSY_MS: Final = 30_000
_ENGINES: Final[weakref.WeakSet[Engine]] = weakref.WeakSet()
"""Airflow forks its task processes; a connection shared by two mixes up their answers, so a child starts with none."""
_UNAVAILABLE = (OperationalError, InterfaceError, InternalError)
"""InternalError is what psycopg says of a database that is read-only, or that ended a transaction which took too long."""
_MAY_NOT = "42501"
"""PostgreSQL: this user may not write (or read) the table."""


def read_address(url: str) -> URL:
    """Check an address; raises LedgerUrlError, which says what is wrong and never repeats the address."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _wrong("ledger.url.no_address") from None
    driver = _DRIVERS.get(address.drivername)
    if driver is None:
        raise _wrong("ledger.url.unknown_driver")
    address = address.set(drivername=driver)
    if address.get_backend_name() == "sqlite":
        _check_sqlite(address)
    elif find_spec("psycopg") is None:
        raise LedgerUrlError(Sentence("ledger.url.no_psycopg"))
    return address


def describe(address: URL) -> Sentence:
    """Tell which database it is: no password, and no options (which may hold one)."""
    if address.get_backend_name() == "sqlite":
        return Sentence("ledger.place.sqlite", file=str(address.database))
    host = address.host or address.query.get("host") or Sentence("ledger.place.socket")
    shown = ", ".join(host) if isinstance(host, tuple) else host
    return Sentence("ledger.place.postgresql", database=address.database or "", host=shown)


def sqlite_path(address: URL) -> Path | None:
    """Give the file of a SQLite ledger; None for PostgreSQL."""
    return Path(str(address.database)) if address.get_backend_name() == "sqlite" else None


def make_file(path: Path) -> None:
    """Make the ledger's file and folder for the service's own user only: it holds personal data."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)


def _check_sqlite(address: URL) -> None:
    database = address.database or ""
    if not database or database == ":memory:" or database.startswith("file:"):
        raise _wrong("ledger.url.in_memory")
    if not Path(database).is_absolute():
        # Tasks run in other folders than the API server; each would have a ledger of its own.
        raise _wrong("ledger.url.relative")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LedgerUrlError(Sentence("ledger.old_sqlite", version=sqlite3.sqlite_version))


def _wrong(code: str) -> LedgerUrlError:
    return LedgerUrlError(in_turn([Sentence(code), Sentence("ledger.url.give")]))


def make_engine(address: URL) -> Engine:
    """Make the engine of a checked address (:func:`moodle_coupling.ledger.database.read_address`).

    Parameters of statements never show in an exception or a log: they are personal data.
    """
    sqlite = address.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": not sqlite}
    if not sqlite:
        # A transaction pooler in front of PostgreSQL (pgbouncer) does not know another session's prepared statements.
        options["connect_args"] = {"connect_timeout": 10, "prepare_threshold": None}
        options["pool_recycle"] = 1800
    engine = create_engine(address, **options)
    if sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    _ENGINES.add(engine)
    return engine


def _set_up_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late and is not IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        # FULL: with NORMAL a power cut may take the last commits, and with them the knowledge of what was sent.
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for another writer: SQLite refuses it at once.
    # So writers say at the start that they are.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _leave_to_the_parent() -> None:
    for engine in _ENGINES:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_to_the_parent)


@contextlib.contextmanager
def translated(place: Sentence) -> Iterator[None]:
    """Turn what a driver says about a database that does not answer into LedgerUnavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise _unavailable(place, error) from error
    except DatabaseError as error:
        # sqlite3 says "file is not a database" and "database disk image is malformed" with its base class.
        may_not = getattr(error.orig, "sqlstate", "") == _MAY_NOT
        if not (error.connection_invalidated or may_not or type(error) is DatabaseError):
            raise
        raise _unavailable(place, error) from error


def _unavailable(place: Sentence, error: DatabaseError | InterfaceError) -> LedgerUnavailable:
    said = str(error.orig).strip().splitlines() or [type(error).__name__]
    return LedgerUnavailable(Sentence("ledger.unavailable", place=place, said=said[0]))
