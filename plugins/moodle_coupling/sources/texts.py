"""Typed values of databases and Parquet files as the texts a person would write."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.people.arrow import pa, pc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.people.arrow import Texts

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
