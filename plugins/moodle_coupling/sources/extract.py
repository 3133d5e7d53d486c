"""What every source gives: the persons, and the lines that could not become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line of the source that gives no person, with the reason. ``line`` is 1-based, as an editor counts."""

    line: int
    code: str
    message: str
    message_nl: str


@dataclass(frozen=True, slots=True)
class ExtractCounts:
    """Records read below the header; ``records`` = ``persons`` + ``left_out`` + ``blank``."""

    records: int
    persons: int
    left_out: int
    blank: int


@dataclass(frozen=True, slots=True)
class Extract:
    """Persons as read, not cleaned.

    ``persons`` has the columns and dtypes of PERSON_COLUMNS, then the free fields (str) and INACTIVE_UNREAD.
    ``headings`` says under which heading of the source each column was found; a column that is not in it is empty for
    everyone. ``notes`` says how the source was read (encoding, delimiter, sheet).
    """

    persons: pd.DataFrame
    left_out: tuple[LeftOut, ...]
    counts: ExtractCounts
    headings: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
