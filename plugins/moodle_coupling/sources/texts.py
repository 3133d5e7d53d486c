"""Typed values of databases and Parquet files as the texts a person would write."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from moodle_coupling.people.arrow import as_mask, bytes_of, change_where, pa, pc
from moodle_coupling.sources.headings import ID_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts


_EXACT: Final = 2.0**53
_BITS: Final = {b"\x00": "0", b"\x01": "1"}
"""What MySQL's drivers give for BIT(1); as text these bytes would say nothing."""
_CATEGORIES: Final = "|"
"""Between the values of a list: how a file separates categories too."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A column as texts, and the positions (0-based) of values that are none; their texts are ''."""

    texts: Texts
    unfit: Sequence[int] = ()


def as_texts(values: Any) -> Converted:
    """Return values (a sequence, or an Arrow array of texts) as texts: absent is '', 1042.0 is 1042, midnight is a date, true and false are so called.

    A time with a zone keeps it; bytes must be UTF-8, or one bit; the values of a list are put together with '|', anything else with
    parts becomes JSON.
    """
    if isinstance(values, pa.LargeStringArray):
        return Converted(pc.fill_null(values, "") if values.null_count else values)
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        try:
            texts = pa.array(values, type=pa.large_string())
            return Converted(pc.fill_null(texts, "") if texts.null_count else texts)
        except UnicodeEncodeError:
            pass  # half a surrogate pair: told below, for each value
    write = {kind: _writer(kind) for kind in kinds}
    done = [write[type(value)](value) for value in values]
    unfit = [position for position, text in enumerate(done) if text is None] if None in done else []
    return Converted(pa.array([text or "" for text in done], type=pa.large_string()), unfit)


def with_nul(texts: Texts) -> list[int]:
    """Return the positions of texts that hold a NUL: they are damaged."""
    found = pc.match_substring(texts, "\0")
    return [int(position) for position in pc.indices_nonzero(found).to_pylist()] if pc.any(found).as_py() else []


def _writer(kind: type) -> Callable[[Any], str | None]:
    return _WRITE.get(kind) or next((write for base, write in _WRITE.items() if issubclass(kind, base)), str)


def _text(value: Any) -> str | None:
    return _writer(type(value))(value)


def _str(value: str) -> str | None:
    return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value


def _float(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        return "" if value.is_nan() else str(value)
    return str(int(value)) if value == value.to_integral_value() else f"{value:f}"


def _datetime(value: dt.datetime) -> str:
    return value.isoformat() if value.tzinfo or value.time() != dt.time() else value.date().isoformat()


def _bytes(value: bytes | bytearray | memoryview) -> str | None:
    held = bytes(value)
    if held in _BITS:
        return _BITS[held]
    try:
        return held.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _list(value: Sequence[Any]) -> str | None:
    parts = [_text(each) for each in value]
    return None if None in parts else _CATEGORIES.join(part for part in parts if part)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_WRITE: Final[dict[type, Callable[[Any], str | None]]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    enum.Enum: lambda value: _text(value.value),
    str: _str,
    int: str,
    float: _float,
    decimal.Decimal: _decimal,
    dt.datetime: _datetime,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    uuid.UUID: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    list: _list,
    tuple: _list,
    dict: _json,
}
"""Kind → how it is written; of a kind that is not here the first that it is a kind of, else its own text."""


_ERRORS: Final = (
    r"^\s*#(?:N/?A|N/B|NB|REF!|VERW!|VALUE!|WAARDE!|NAME\?|NAAM\?|NULL!|LEEG!|NUM!|GETAL!|DIV/0!|DEEL/0!|SPILL!|OVERLOOP!|CALC!|BEREKENEN!"
    r"|GETTING_DATA|FIELD!|VELD!|BLOCKED!|CONNECT!|UNKNOWN!|EXTERNAL!|BUSY!|#+)\s*$"
)
"""What Excel shows where a formula fails (English and Dutch) or a column is too narrow for a number."""
_QUOTED: Final = re.compile(r'\s*="((?:[^"]|"")*)"\s*', re.DOTALL)
_MARKED: Final = re.compile(r"\s*'(?=[=+@-]|[0-9][0-9 ./,+-]*\Z)")
_MARKED_ID: Final = re.compile(r"\s*'(?=[0-9A-Za-z=+@-])")


def is_error(texts: Texts) -> Mask:
    """Return which texts are an error of a spreadsheet and not what stood in the cell."""
    suspect = _begins_with(texts, b"#")
    return as_mask(pc.match_substring_regex(texts, _ERRORS)) if suspect.any() else suspect


def as_meant(name: str, texts: Texts) -> Texts:
    """Return the texts of a column without the marks by which Excel keeps a number a text: ``="00123"`` and ``'00124``.

    An apostrophe is only such a mark before a number or a formula sign, in a column of ids before any letter: ``'t Hart`` stays.
    """
    suspect = _begins_with(texts, b"='")
    if not suspect.any():
        return texts
    marked = _MARKED_ID if name in ID_COLUMNS else _MARKED

    def meant(text: str) -> str:
        quoted = _QUOTED.fullmatch(text)
        return quoted[1].replace('""', '"') if quoted else marked.sub("", text, count=1) if marked.match(text) else text

    return change_where(texts, suspect, meant)


def _begins_with(texts: Texts, letters: bytes) -> Mask:
    """Return which texts begin with one of these ASCII letters, or with a space, which may stand before one."""
    data, offsets = bytes_of(texts)
    filled: NDArray[np.intp] = np.flatnonzero(offsets[1:] > offsets[:-1])
    mask = np.zeros(len(texts), dtype=bool)
    wanted = np.zeros(256, dtype=bool)
    wanted[list(letters + b" ")] = True
    mask[filled] = wanted[data[offsets[:-1][filled]]]
    return mask
