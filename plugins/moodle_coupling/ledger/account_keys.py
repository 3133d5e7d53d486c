"""Keys of accounts that no exact look-up would find, kept from the last reading of everyone until the next.

A key stands there as a digest, so the table does not say whose address or ID number it is. It only tells which account
is to be read from Moodle; nothing is ever judged by it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.column_types import BigId
from moodle_coupling.ledger.models import AccountKeyRow, ReadingRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

HOLDS_FOR: Final = dt.timedelta(days=7)
"""A reading older than this counts no more: where no full run comes, a run for what changed reads everyone once a week."""

_KEYS: Any = AccountKeyRow.__table__
_READINGS: Any = ReadingRow.__table__


class AccountKeys:
    """The kept keys of one environment; every method is one transaction and raises LedgerUnavailable.

    A key is a text that names its field too (``idnumber sp-mixed``); keys frames have ``account_id`` and ``key``.
    """

    def __init__(self, ledger: Ledger, environment: str) -> None:
        self._ledger = ledger
        self._environment = environment

    def highest(self) -> int | None:
        """Give the highest account id that is known; None when everyone must be read: never done, or too long ago."""
        query = select(_READINGS.c.at, _READINGS.c.highest).where(_READINGS.c.environment == self._environment)
        with self._ledger.reading() as connection:
            row = connection.execute(query).one_or_none()
            now = self._ledger.now(connection)
        return None if row is None or now - row.at > HOLDS_FOR else int(row.highest)

    def accounts_with(self, keys: Iterable[str]) -> list[int]:
        """Give the ids of the accounts that had one of these keys, in order."""
        digests = sorted({key_digest(self._environment, key) for key in keys})
        if not digests:
            return []
        with self._ledger.reading() as connection, staged(connection, {"key": (TEXT, digests)}, key=["key"]) as stage:
            query = select(_KEYS.c.account_id).distinct().order_by(_KEYS.c.account_id)
            found = connection.execute(
                query.where(_KEYS.c.environment == self._environment, _KEYS.c.key.in_(select(stage.c.key)))
            )
            return [int(id_) for id_ in found.scalars()]

    def keep_everyone(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep the keys that a reading of everyone found, and none of what was kept before."""
        with self._ledger.writing() as connection:
            connection.execute(delete(_KEYS).where(_KEYS.c.environment == self._environment))
            self._add(connection, keys)
            connection.execute(delete(_READINGS).where(_READINGS.c.environment == self._environment))
            row = {"environment": self._environment, "at": self._ledger.now(connection), "highest": highest}
            connection.execute(_READINGS.insert().values(row))

    def keep_more(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep the keys of accounts that came since; does nothing to the others, and nothing before everyone was read."""
        here = _READINGS.c.environment == self._environment
        with self._ledger.writing() as connection:
            newer = {"highest": func.greatest(_READINGS.c.highest, highest)}
            if connection.dialect.name == "sqlite":
                newer = {"highest": func.max(_READINGS.c.highest, highest)}
            if connection.execute(_READINGS.update().where(here).values(newer)).rowcount:
                self._add(connection, keys)

    def _add(self, connection: Connection, keys: pd.DataFrame) -> None:
        if keys.empty:
            return
        pairs = {
            (key_digest(self._environment, key), int(id_))
            for key, id_ in zip(keys["key"].tolist(), keys["account_id"].tolist(), strict=True)
        }
        digests, ids = zip(*sorted(pairs), strict=True)
        columns: dict[str, Staged] = {"key": (TEXT, digests), "account_id": (BigId, ids)}
        with staged(connection, columns, key=["key", "account_id"]) as stage:
            source = select(literal(self._environment), *stage.columns).where(literal(value=True))  # SQLite's grammar
            dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
            insert = dialect.insert(_KEYS).from_select(["environment", *columns], source)
            connection.execute(insert.on_conflict_do_nothing())


def key_digest(environment: str, key: str) -> str:
    """Give what stands in the ledger for a key; the same key has another digest in another environment."""
    text = f"{environment}\0{key}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
