"""CSV in which every line has the same number of cells and quotes do nothing odd, read by Arrow at full speed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from moodle_coupling.people.arrow import pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Texts

_BLOCK: Final = 16 * 1024 * 1024
_MOST: Final = 4
"""How many times the delimiters of its cells a line may have, within quotes; a file of nothing else would take much memory."""
_NEWLINE: Final = 0x0A
_QUOTE: Final = 0x22
_SPACE: Final = (0x20, 0x09, 0x0D)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are wanted, by our names, and the line of each record (0 is the first one)."""

    lines: NDArray[np.int64]
    texts: Mapping[str, Texts]


def read_regular(body: str, delimiter: str, width: int, positions: Mapping[str, int]) -> Columns | None:
    r"""Return the wanted columns of the lines below a header, or None where a slower reader must look.

    Only where the outcome is certain to be the same: no quotes, no NUL, no line ends but ``\\n`` and ``\\r\\n``, no blank
    lines, and ``width`` cells on every line.
    """
    if not body or "\0" in body or body.count("\r") != body.count("\r\n"):
        return None
    if body.count(delimiter) > _MOST * width * (body.count("\n") + 1):
        return None
    data = body.encode("utf-8")
    if not _is_regular(np.frombuffer(data, dtype=np.uint8), ord(delimiter), width):
        return None
    return _read(data, delimiter, width, positions)


def _is_regular(data: NDArray[np.uint8], delimiter: int, width: int) -> bool:
    """Return whether every line has ``width`` cells and some text, and quotes stand around whole cells only."""
    ends = np.flatnonzero(data == _NEWLINE)
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    between = np.flatnonzero(data == delimiter)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes):
        if not _are_around_cells(data, quotes, delimiter) or _within(quotes, ends).any():
            return False
        between = between[~_within(quotes, between)]
    return bool((_count(between, ends) + 1 == width).all()) and _all_filled(data, delimiter, ends)


def _are_around_cells(data: NDArray[np.uint8], quotes: NDArray[np.intp], delimiter: int) -> bool:
    """Return whether quotes come in pairs: the first at the start of a cell, the second at its end."""
    if len(quotes) % 2:
        return False
    edge = np.zeros(256, dtype=bool)
    edge[[delimiter, _NEWLINE, 0x0D]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = edge[data[opening - 1]] | (opening == 0)
    after = edge[data[np.minimum(closing + 1, len(data) - 1)]] | (closing == len(data) - 1)
    return bool(before.all() and after.all())


def _within(quotes: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which places stand between an opening and a closing quote."""
    inside: NDArray[np.bool_] = np.searchsorted(quotes, places) % 2 == 1
    return inside


def _all_filled(data: NDArray[np.uint8], delimiter: int, ends: NDArray[np.intp]) -> bool:
    """Return whether every line holds more than delimiters, quotes and spaces."""
    blank = np.zeros(256, dtype=bool)
    blank[[delimiter, _NEWLINE, _QUOTE, *_SPACE]] = True
    places = np.flatnonzero(~blank[data])
    starts = np.concatenate(([0], ends[:-1] + 1))
    # One filled byte per line is enough: where is the next one after the start of each line?
    following = np.searchsorted(places, starts)
    return bool(len(places) and (following < len(places)).all() and (places[following] < ends).all())


def _count(places: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of the places lie on each line."""
    until = np.searchsorted(places, ends)
    return np.diff(until, prepend=0)


def _read(data: bytes, delimiter: str, width: int, positions: Mapping[str, int]) -> Columns | None:
    arrow_csv: Any = importlib.import_module("pyarrow.csv")
    names = [str(number) for number in range(width)]
    wanted = sorted({str(position) for position in positions.values()}, key=int)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, double_quote=False, newlines_in_values=False, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), include_columns=wanted, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns = {name: _whole(table.column(str(position))) for name, position in positions.items()}
    return Columns(np.arange(table.num_rows, dtype=np.int64), columns)


def _whole(column: Any) -> Texts:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=pa.large_string())
