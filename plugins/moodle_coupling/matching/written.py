"""JSON of many rows at once: sentences as they are written, and lists that grow piece by piece.

What stands here is what ``json.dumps`` and ``Sentence.written`` give for each row, letter for letter, without a loop over rows.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import (
    as_mask,
    bytes_of,
    change_where,
    choose,
    is_blank,
    join,
    pa,
    pc,
    rows_with,
    same_text,
    scattered,
    together,
)
from moodle_coupling.words.sentence import embedded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.words.sentence import Sentence

_ESCAPED: Final = np.array([byte < 0x20 or chr(byte) in '"\\' for byte in range(256)])


def quoted(texts: Texts) -> Texts:
    """Give texts as JSON; letters beyond ASCII stay as they are."""
    escaped = change_where(texts, rows_with(texts, _ESCAPED), lambda value: encode_basestring(value)[1:-1])
    return join('"', escaped, '"')


def quoted_codes(texts: Texts) -> Texts:
    """Give texts of which there are few different ones as JSON in ASCII."""
    coded = pc.dictionary_encode(texts)
    written = pa.array([json.dumps(value) for value in coded.dictionary.to_pylist()], type=pa.large_string())
    return written.take(coded.indices)


def numbers(values: NDArray[np.integer]) -> Texts:
    """Give whole numbers as JSON."""
    return pc.cast(pa.array(values), pa.large_string())


def sentences(code: str, **parameters: Texts | str) -> Texts:
    """Give a sentence per row as ``Sentence.written`` does; parameters are JSON, one for each row or one for all."""
    parts: list[Texts | str] = []
    fixed = "{"
    for number, (name, value) in enumerate(sorted({**parameters, "say": json.dumps(code)}.items())):
        fixed += f'{", " if number else ""}"{name}": '
        if isinstance(value, str):
            fixed += value
        else:
            parts += [fixed, value]
            fixed = ""
    return join(*parts, fixed + "}")


def followed(written: Texts, more: Texts) -> Texts:
    """Give what ``words.sentence.after`` gives of each written sentence and one more."""
    alone = is_blank(written)
    first = join(embedded_all(written), ", ")
    return join('{"say": "all", "parts": [', choose(alone, "", first), more, "]}")


def embedded_all(written: Texts) -> Texts:
    """Give written sentences, and texts of before there were sentences, as they stand in other JSON."""
    plain = ~as_mask(pc.and_(pc.starts_with(written, "{"), pc.match_substring(written, '"say": "')))
    return change_where(written, plain, embedded)


def of_each(said: list[Sentence]) -> Texts:
    """Give sentences, of a few rows, as written."""
    return pa.array([each.written() for each in said], type=pa.large_string())


class Pieces:
    """Pieces of JSON by row number, in the order in which they are added to a row."""

    def __init__(self, rows: int) -> None:
        self._length = rows
        self._rows: list[NDArray[np.intp]] = []
        self._texts: list[Texts] = []

    def add(self, rows: NDArray[np.intp], texts: Texts) -> None:
        """Add a piece to each of these rows."""
        if len(rows):
            self._rows.append(np.asarray(rows, dtype=np.intp))
            self._texts.append(texts)

    def counts(self) -> NDArray[np.intp]:
        """Give how many pieces each row has."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=np.intp)
        return np.bincount(rows, minlength=self._length)

    def any(self) -> Mask:
        """Tell which rows have a piece."""
        mask = np.zeros(self._length, dtype=bool)
        for rows in self._rows:
            mask[rows] = True
        return mask

    def between(self, begin: str, end: str) -> Texts:
        """Give each row's pieces, with commas between them, between two signs; they are let go of."""
        if not self._rows:
            return same_text(begin + end, self._length)
        rows = np.concatenate(self._rows)
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        texts = together(*self._texts).take(pa.array(order))
        self._rows, self._texts = [], []
        first = np.r_[True, rows[1:] != rows[:-1]]
        last = np.r_[first[1:], True]
        texts = join(choose(first, begin, ", "), texts, choose(last, end, ""))
        data, offsets = bytes_of(texts)
        # A row's pieces stand behind each other already: only where each row begins has to be said.
        starts = np.r_[offsets[:-1][first], offsets[-1]]
        whole = pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))
        return scattered(self._length, rows[first], whole, begin + end)


class Notes:
    """A text for each row, which is put row by row; what is put last counts."""

    def __init__(self, rows: int, otherwise: Texts | str = "") -> None:
        self._whole = same_text(otherwise, rows) if isinstance(otherwise, str) else otherwise
        self._rows: list[NDArray[np.intp]] = []
        self._texts: list[Texts] = []

    def put(self, rows: NDArray[np.intp], texts: Texts | str) -> None:
        """Put a text on each of these rows."""
        if len(rows):
            self._rows.append(np.asarray(rows, dtype=np.intp))
            self._texts.append(same_text(texts, len(rows)) if isinstance(texts, str) else texts)

    def texts(self) -> Texts:
        """Give the text of every row."""
        if self._rows:
            rows = np.concatenate(self._rows)
            at = np.arange(len(self._whole))
            at[rows] = len(self._whole) + np.arange(len(rows))
            self._whole = together(self._whole, *self._texts).take(pa.array(at))
            self._rows, self._texts = [], []
        return self._whole
