"""The site's database: SQLite, in memory or in a file that survives a kill; one transaction at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Database:
    """One connection, which every table of the site shares; hold ``lock`` while using it."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        """Close the database; what was committed stays."""
        with self.lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block whole or not at all; inside another one it is undone alone."""
        with self.lock:
            nested = self.connection.in_transaction
            begin, end, undo = (
                ("SAVEPOINT step", "RELEASE step", "ROLLBACK TO step; RELEASE step")
                if nested
                else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            )
            self.connection.execute(begin)
            try:
                yield
            except BaseException:
                for statement in undo.split("; "):
                    self.connection.execute(statement)
                raise
            self.connection.execute(end)
