"""The site's database: SQLite, in memory or in a file that survives a kill; one transaction at a time."""

from __future__ import annotations

import functools
import re
import sqlite3
import threading
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Letters that Unicode does not decompose and this collation yet sees as their base letters.
_ALIKE = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "ħ": "h", "ŧ": "t"})
_BEYOND = "\ufffd"
MARIADB, POSTGRESQL = DATABASES = ("mariadb", "postgresql")


def equality_key(value: str, database: str) -> str:
    """Return a key that is equal for two texts exactly where the ``=`` of that database holds for them."""
    return value if database == POSTGRESQL else collation_key(value)


@functools.lru_cache(maxsize=65536)
def collation_key(value: str) -> str:
    """Return a key that is equal for two texts exactly where MariaDB's ``=`` holds for them.

    An approximation of the Unicode 4.0 weights: right for Latin, Greek and Cyrillic names. All characters beyond the
    basic plane (emoji) are one and the same to this collation, as on a real site.
    """
    if value.isascii():
        return value.lower().rstrip(" ")
    plain = unicodedata.normalize("NFKD", value).casefold().translate(_ALIKE)
    return "".join(_BEYOND if ord(c) > 0xFFFF else c for c in plain if not _ignored(c)).rstrip(" ")


def _ignored(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Mn", "Me", "Cf") or (kind == "Cc" and character not in "\t\n\v\f\r")


def like(value: str, pattern: str) -> bool:
    r"""Return Moodle's case-insensitive, accent-sensitive LIKE: ``%``, ``_`` and the escape ``\``."""
    return _like_pattern(pattern).fullmatch(value.lower()) is not None


@functools.lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    characters = iter(pattern.lower())
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters, "\\")))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return re.compile("".join(parts), re.DOTALL)


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
