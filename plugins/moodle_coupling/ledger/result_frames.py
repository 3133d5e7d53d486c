"""Rows that come back, as frames with the dtypes of the column contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Integer

from moodle_coupling.ledger.column_types import UtcTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


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


def _dtype(kind: Any) -> Any:
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, (BigInteger, Integer)):
        return "Int64"
    return "datetime64[us, UTC]" if isinstance(kind, UtcTime) else "str"
