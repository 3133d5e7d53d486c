"""The ledger's schema: made, renewed, and compared with what this code expects."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, String, column, create_engine, event, inspect, select, table, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, InternalError, OperationalError

from moodle_coupling.ledger.errors import UPGRADE_COMMAND, LedgerSchemaError, LedgerUnavailable, LedgerUrlError
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import URL, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry


# ---- The ledger's database: its address, its connections, and what a driver says told as an error of our own ----

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
    """Make the engine of a checked address (:func:`moodle_coupling.ledger.schema.read_address`).

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


# ---- The ledger's schema ----

VERSION_TABLE: Final = "moodle_coupling_version"
"""Not Alembic's usual name, so that nobody's other migrations are taken for ours."""
_LOCK: Final = 7_302_118_220_955
"""PostgreSQL advisory lock: two pods that upgrade at once do so one after the other."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_REVISION: Final = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)


def upgrade(url: str) -> str:
    """Make or renew the ledger at ``url`` and give its revision; does nothing where it is up to date.

    Raises LedgerUrlError, LedgerUnavailable, and LedgerSchemaError when the schema is newer than this code or the
    database belongs to something else.
    """
    return _migrate(url, "head")


def downgrade(url: str, revision: str) -> str:
    """Take the ledger back to ``revision`` ('-1' for the one before, 'base' for none); what no longer fits is lost."""
    return _migrate(url, revision, down=True)


def current(url: str) -> str:
    """Give the revision of the ledger at ``url``, '' when it has no schema. Raises as open_ledger does."""
    address = read_address(url)
    path = sqlite_path(address)
    if path is not None and not path.exists():
        return ""
    engine = make_engine(address)
    try:
        with translated(describe(address)), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def head() -> str:
    """Give the revision that this code needs: the one that no other follows."""
    said = [pair for text_ in _migrations() for pair in _REVISION.findall(text_)]
    before = {value for name, value in said if name == "down_revision"}
    (last,) = {value for name, value in said if name == "revision"} - before
    return str(last)


def check(connection: Connection, place: Sentence) -> None:
    """Refuse a schema that is not the one this code was written for."""
    found, wanted = _revision(connection), head()
    if found == wanted:
        return
    if not found:
        raise missing(place)
    if found in _known():
        raise LedgerSchemaError(
            Sentence("ledger.schema.older", place=place, found=found, wanted=wanted, command=UPGRADE_COMMAND)
        )
    raise _newer(place, found, wanted)


def missing(place: Sentence) -> LedgerSchemaError:
    """Give the error for a ledger that was never made."""
    return LedgerSchemaError(Sentence("ledger.schema.missing", place=place, command=UPGRADE_COMMAND))


def _migrate(url: str, revision: str, *, down: bool = False) -> str:
    from alembic import command

    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
    address = read_address(url)
    place = describe(address)
    if path := sqlite_path(address):
        _made(path, place)
    engine = make_engine(address)
    try:
        with translated(place), engine.execution_options(**{WRITES: True}).begin() as connection:
            _check_ours(connection, place)
            config = _config()
            config.attributes["connection"] = connection
            (command.downgrade if down else command.upgrade)(config, revision)
            return _revision(connection)
    finally:
        engine.dispose()


def _made(path: Path, place: Sentence) -> None:
    try:
        make_file(path)
    except OSError as error:
        raise LedgerSchemaError(Sentence("ledger.not_made", place=place, said=error.strerror)) from error


def _check_ours(connection: Connection, place: Sentence) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = _revision(connection)
    if found and found not in _known():
        raise _newer(place, found, head())
    others = sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE})
    if not found and others:
        raise LedgerSchemaError(Sentence("ledger.schema.other_tables", place=place, tables=", ".join(others[:3])))


def _newer(place: Sentence, found: str, wanted: str) -> LedgerSchemaError:
    return LedgerSchemaError(
        Sentence("ledger.schema.newer", place=place, found=found, wanted=wanted, command=UPGRADE_COMMAND)
    )


def _revision(connection: Connection) -> str:
    # Not by Alembic: each task of a run looks, and importing it takes a quarter of a second.
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    found = connection.execute(
        select(column("version_num", String)).select_from(table(VERSION_TABLE))
    ).scalar_one_or_none()
    return found or ""


def _known() -> set[str]:
    return {value for text_ in _migrations() for name, value in _REVISION.findall(text_) if name == "revision"}


def _migrations() -> list[str]:
    return [path.read_text("utf-8") for path in (_MIGRATIONS / "versions").glob("v*.py")]


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
