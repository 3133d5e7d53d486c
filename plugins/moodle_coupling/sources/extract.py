"""What every source gives: the persons, and the lines that could not become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line of the source that gives no person, with the reason.

    ``line`` is 1-based, as an editor counts; ``source`` says of which source, where there are several.
    """

    line: int
    code: str
    message: str
    message_nl: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class ExtractCounts:
    """Records read below the header; ``records`` = ``persons`` + ``left_out`` + ``blank`` + ``repeated``.

    ``repeated`` are equal in every cell to one before them: the same person, there twice.
    """

    records: int
    persons: int
    left_out: int
    blank: int
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Brought:
    """What one source brought: our ``columns``, the headings they are ``used`` from, and every heading as written there.

    ``silent`` are those of the columns under which nobody has anything, where that cannot be told from a key that the
    source does not have; of a ``partial`` answer, of what changed or of some persons, that is not asked. ``source`` is its
    name where there are several, else ''.
    """

    columns: tuple[str, ...]
    headings: tuple[str, ...]
    used: tuple[str, ...]
    silent: tuple[str, ...] = ()
    partial: bool = False
    source: str = ""


def _start(part: tuple[str, int]) -> int:
    return part[1]


@dataclass(frozen=True, slots=True)
class Extract:
    """Persons as read, not cleaned.

    ``persons`` has the columns and dtypes of PERSON_COLUMNS, then the free fields (str) and INACTIVE_UNREAD.
    ``headings`` says under which heading of the source each column was found; a column that is not in it is empty for
    everyone. ``notes`` says how the source was read (encoding, delimiter, sheet).

    ``complete``: nobody was left unasked, so who is not in it (and in no line of ``left_out``) is not in the source.
    ``watermark`` is the next run's ``Wanted.since``, once this run has ended well; opaque, '' when there is nothing to say.
    ``fingerprint`` is the SHA-256 of a file's bytes, '' for other sources. ``warnings`` are sentences for the log, without
    names or addresses of persons. ``kept`` is to be stored beside the persons, for ``Wanted.known``; mostly empty.
    ``starts``, where there are several sources: the name of each, and the ``row`` after which its persons begin.
    ``brought`` says of each source, in the mapping's order, which columns it has; ``left_alone`` which of the mapping's fields
    nothing is known of, by our column, so that they must stay as they are in Moodle.
    """

    persons: pd.DataFrame
    left_out: tuple[LeftOut, ...]
    counts: ExtractCounts
    headings: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    watermark: str = ""
    fingerprint: str = ""
    warnings: tuple[str, ...] = ()
    kept: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    starts: tuple[tuple[str, int], ...] = ()
    brought: tuple[Brought, ...] = ()
    left_alone: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Say where a person stands: 'line 12', or 'line 12 of <source>' where there are several."""
        name, start = max(((name, start) for name, start in self.starts if start < row), key=_start, default=("", 0))
        return f"line {row - start} of {name}" if name else f"line {row}"
