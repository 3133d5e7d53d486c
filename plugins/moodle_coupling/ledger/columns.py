"""Kinds of column that mean the same on SQLite and PostgreSQL, and rows that come back as frames with the dtypes of the column contracts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, DateTime, Integer, Text
from sqlalchemy.types import TypeDecorator

from moodle_coupling.ledger.cells import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from sqlalchemy import Dialect

SQLITE_TIME: Final = "%Y-%m-%d %H:%M:%S.%f"
"""How times stand in SQLite: fixed width and UTC, so that text order is time order."""
BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A running number; SQLite counts only an INTEGER PRIMARY KEY."""


class StoredText(TypeDecorator[str]):
    """Text as both databases can hold it, whatever it is given (:func:`moodle_coupling.ledger.cells.clean`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Take out what PostgreSQL refuses."""
        return None if value is None else clean(value)


PrefixText = StoredText().with_variant(StoredText(collation="C"), "postgresql")
"""Text that is searched by its beginning: an index serves that only where the order is that of the bytes."""


class UtcTime(TypeDecorator[dt.datetime]):
    """A moment: aware datetimes in, aware datetimes in UTC out. A naive datetime is refused (ValueError)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give the database UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "the ledger takes times with a zone only"
            raise ValueError(msg)
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Give the caller UTC, whatever zone the session is in."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def frame_of(rows: Sequence[Any], columns: Sequence[Any]) -> pd.DataFrame:
    """Give rows as a frame: numbers as Int64 (missing allowed), times in UTC, yes and no as bool, the rest as str."""
    import pandas as pd

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame(
        {
            column.name: pd.Series(list(values[position]), dtype=_dtype(column.type))
            for position, column in enumerate(columns)
        }
    )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a frame's rows with None for what is missing."""
    plain = frame.astype(object)
    found: list[dict[str, Any]] = plain.where(plain.notna(), None).to_dict("records")  # type: ignore[assignment]
    return found


def _dtype(kind: Any) -> Any:
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, (BigInteger, Integer)):
        return "Int64"
    return "datetime64[us, UTC]" if isinstance(kind, UtcTime) else "str"
