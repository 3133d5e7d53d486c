"""A ledger on each database: SQLite, and a PostgreSQL that is started from the installed binaries with its defaults."""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from ledger.postgres import Postgres, PostgresMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def each_database() -> Iterator[tuple[str, Callable[[], str]]]:
    """Give the name of each database, and what gives the address of a new and empty one there; says where PostgreSQL is left out."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        yield "SQLite", lambda: f"sqlite:///{folder}/{next(numbers)}.db"
    try:
        server = Postgres.start("max_connections=20")
    except PostgresMissing as missing:
        print(f"PostgreSQL left out. {missing}")
        return
    try:
        yield "PostgreSQL", server.new_database
    finally:
        server.stop()
