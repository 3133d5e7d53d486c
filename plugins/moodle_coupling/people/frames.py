"""Making the frames that contract.frames declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.contract.frames import Frame


def empty(frame: Frame) -> pd.DataFrame:
    """Give the frame without rows."""
    return made(frame, ())


def made(frame: Frame, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Give the frame of some rows; keys that are no columns are left out."""
    listed = list(rows)
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in listed], dtype=dtype) for name, dtype in frame.dtypes.items()}
    )
