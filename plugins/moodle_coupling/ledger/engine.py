"""Connections to the ledger: how SQLite and PostgreSQL are set up so that both keep every promise."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, create_engine, event

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

WRITES: Final = "ledger_writes"
"""Execution option of a connection that will write."""
_BUSY_MS: Final = 30_000
_ENGINES: Final[weakref.WeakSet[Engine]] = weakref.WeakSet()
"""Airflow forks its task processes; a connection shared by two mixes up their answers, so a child starts with none."""


def make_engine(address: URL) -> Engine:
    """Make the engine of a checked address (:func:`moodle_coupling.ledger.address.read_address`).

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
