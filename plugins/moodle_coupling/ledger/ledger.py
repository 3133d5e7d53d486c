"""The handle on the ledger: opened once in a process, handed to the queries of every subject."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.schema import WRITES, describe, make_engine, read_address, sqlite_path, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from moodle_coupling.words.sentence import Sentence


class Ledger:
    """One open ledger. Safe to share between threads; after a fork it makes new connections by itself.

    ``clock`` replaces the time in tests; it gives aware datetimes.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], dt.datetime] | None = None) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Ledger {self.place}>"

    @property
    def place(self) -> Sentence:
        """Which database it is, without secrets."""
        return describe(self._engine.url)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to read with: one view of the ledger as it is now. Raises LedgerUnavailable."""
        with translated(self.place), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose writes are kept together at the end of the block, or not at all.

        Raises LedgerUnavailable: then nothing was kept, unless the connection broke in the very commit; every write
        of the ledger may therefore be repeated without harm.
        """
        with translated(self.place), self._writer.begin() as connection:
            yield connection

    def now(self, connection: Connection) -> dt.datetime:
        """Give the time by the one clock that all workers share: PostgreSQL's; with SQLite this machine's."""
        if self._clock is not None:
            return self._clock()
        if connection.dialect.name == "postgresql":
            shared: dt.datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return shared.astimezone(dt.UTC)
        return dt.datetime.now(dt.UTC)

    def close(self) -> None:
        """Give all connections back; the handle may be used again."""
        self._engine.dispose()


def open_ledger(url: str, *, clock: Callable[[], dt.datetime] | None = None) -> Ledger:
    """Open the ledger at ``url``.

    Raises LedgerUrlError (not an address), LedgerSchemaError (missing, older or newer schema; names the command that
    mends it) and LedgerUnavailable (no connection). None of them holds a secret of the address.
    """
    address = read_address(url)
    path = sqlite_path(address)
    if path is not None and not path.exists():
        raise schema.missing(describe(address))
    engine = make_engine(address)
    try:
        with translated(describe(address)), engine.connect() as connection:
            schema.check(connection, describe(address))
    except BaseException:
        engine.dispose()
        raise
    return Ledger(engine, clock=clock)
