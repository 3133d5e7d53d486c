"""The ledger's address: read, checked, and told to people without its secrets."""

from __future__ import annotations

import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from moodle_coupling.ledger.errors import LedgerUrlError

if TYPE_CHECKING:
    from sqlalchemy import URL

SETTING: Final = "[moodle_coupling] ledger_url"
_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_OLDEST_SQLITE: Final = (3, 35)
"""The first with RETURNING."""


def read_address(url: str) -> URL:
    """Check an address; raises LedgerUrlError, which says what is wrong and never repeats the address."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _wrong("is not an address") from None
    driver = _DRIVERS.get(address.drivername)
    if driver is None:
        raise _wrong("names a database or driver that the ledger does not know")
    address = address.set(drivername=driver)
    if address.get_backend_name() == "sqlite":
        _check_sqlite(address)
    elif find_spec("psycopg") is None:
        msg = f"{SETTING} names PostgreSQL, and its driver is not installed: pip install 'psycopg[binary]'."
        raise LedgerUrlError(msg)
    return address


def describe(address: URL) -> str:
    """Tell which database it is: no password, and no options (which may hold one)."""
    if address.get_backend_name() == "sqlite":
        return f"SQLite file {address.database}"
    host = address.host or address.query.get("host") or "the local socket"
    return f"PostgreSQL database '{address.database or ''}' on {host if isinstance(host, str) else ', '.join(host)}"


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
        raise _wrong("must name a file: a ledger in memory forgets")
    if not Path(database).is_absolute():
        # Tasks run in other folders than the API server; each would have a ledger of its own.
        raise _wrong("must name its file by an absolute path (four slashes: sqlite:////srv/airflow/ledger.db)")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        msg = f"The ledger needs SQLite 3.35 or newer, and this Python has {sqlite3.sqlite_version}. Use PostgreSQL."
        raise LedgerUrlError(msg)


def _wrong(what: str) -> LedgerUrlError:
    return LedgerUrlError(
        f"{SETTING} {what}. Give sqlite:////absolute/path/ledger.db or postgresql://user:password@host/database."
    )
