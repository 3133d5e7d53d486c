"""Records on their way from a file to the persons frame."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import INACTIVE_UNREAD, PERSON_COLUMNS, ROW, read_flag
from moodle_coupling.people.arrow import (
    as_mask,
    bytes_of,
    change_where,
    choose,
    is_blank,
    longer_than,
    pa,
    pc,
    same_text,
    to_series,
)
from moodle_coupling.sources.contract import Brought, Extract, ExtractCounts, LeftOut
from moodle_coupling.sources.headings import ID_COLUMNS
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.sources.headings import Headings


# ---- Typed values of databases and Parquet files as the texts a person would write ----

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


# ---- Records on their way from a file to the persons frame ----

_BATCH: Final = 50_000


@dataclass(slots=True)
class Records:
    """The cells of the columns that are wanted, gathered batch by batch, with the line of each record."""

    headings: Headings
    longest: int = 0
    """Characters that a cell may have; 0 is any number."""
    left_out: list[LeftOut] = field(default_factory=list)
    blank: int = 0
    _lines: list[int] = field(default_factory=list)
    _rows: list[Sequence[str]] = field(default_factory=list)
    _done: list[tuple[NDArray[np.int64], dict[str, Texts]]] = field(default_factory=list)

    def add(self, line: int, cells: Sequence[str]) -> None:
        """Take one record that begins on ``line``."""
        self._lines.append(line)
        self._rows.append(cells)
        if len(self._rows) >= _BATCH:
            self._flush()

    def leave_out(self, line: int, code: str, said: Sentence) -> None:
        """Note why the record on ``line`` gives no person."""
        self.left_out.append(LeftOut(line, code, said))

    def add_columns(self, lines: NDArray[np.int64], columns: Mapping[str, Texts]) -> None:
        """Take many records at once, as Arrow columns by our names."""
        self._done.append((lines, dict(columns)))

    def extract(self, notes: Mapping[str, str], where: str = "") -> Extract:
        """Return everything that was taken, as an extract in the declared columns; ``where`` is how warnings call the source."""
        self._flush()
        lines = np.concatenate([lines for lines, _ in self._done]) if self._done else np.empty(0, np.int64)
        columns = {
            name: as_meant(name, pa.concat_arrays([columns[name] for _, columns in self._done]))
            if self._done
            else pa.array([], type=pa.large_string())
            for name in self.headings.positions
        }
        self._done = []
        lines, columns = self._without_errors(lines, columns)
        persons = persons_frame(lines, columns)
        again = _repeated(persons)
        counts = ExtractCounts(
            records=len(persons) + len(self.left_out) + self.blank,
            persons=len(persons) - int(again.sum()),
            left_out=len(self.left_out),
            blank=self.blank,
            repeated=int(again.sum()),
        )
        warnings = (_said_of_repeated(where, persons.loc[again, ROW].tolist()),) if again.any() else ()
        if again.any():
            persons = persons[~again].reset_index(drop=True)
        texts = dict(self.headings.texts)
        brought = (Brought(tuple(texts), self.headings.every, tuple(texts.values())),)
        left_out = tuple(self.left_out)
        return Extract(persons, left_out, counts, texts, dict(notes), warnings=warnings, brought=brought)

    def _without_errors(
        self, lines: NDArray[np.int64], columns: dict[str, Texts]
    ) -> tuple[NDArray[np.int64], dict[str, Texts]]:
        """Leave out the records in which a spreadsheet's error stands in the place of a value, or a text that is too long."""
        keep = np.ones(len(lines), dtype=bool)
        for name, texts in columns.items():
            for at in np.flatnonzero(longer_than(texts, self.longest) & keep) if self.longest and len(texts) else ():
                keep[at] = False
                self._leave_out_long(int(lines[at]), self.headings.texts[name])
            for at in np.flatnonzero(is_error(texts) & keep):
                keep[at] = False
                line, heading, shown = int(lines[at]), self.headings.texts[name], texts[int(at)].as_py().strip()[:20]
                said = Sentence("sources.left_out.cell_error", line=line, heading=heading, shown=shown)
                self.leave_out(line, "cell_error", said)
        if keep.all():
            return lines, columns
        self.left_out.sort(key=lambda left: left.line)
        return lines[keep], {name: texts.filter(pa.array(keep)) for name, texts in columns.items()}

    def _leave_out_long(self, line: int, heading: str) -> None:
        said = Sentence("sources.left_out.cell_too_long", line=line, most=self.longest, heading=heading)
        self.leave_out(line, "cell_too_long", said)

    def _flush(self) -> None:
        if not self._rows:
            return
        cells = list(zip(*self._rows, strict=True))
        columns = {
            name: pa.array(cells[position], type=pa.large_string())
            for name, position in self.headings.positions.items()
        }
        self._done.append((np.asarray(self._lines, dtype=np.int64), columns))
        self._lines, self._rows = [], []


def _repeated(persons: pd.DataFrame) -> Mask:
    """Return which persons are equal in every cell to one before them. Only who shares an id is compared further."""
    again = np.zeros(len(persons), dtype=bool)
    ids = persons[["person_id", "extern_id"]]
    double = ids.duplicated(keep=False).to_numpy() & (ids != "").any(axis=1).to_numpy()
    if double.any():
        again[double] = persons[double].drop(columns=ROW).duplicated().to_numpy()
    return again


def _said_of_repeated(where: str, lines: list[int]) -> Sentence:
    shown = ", ".join(map(str, lines[:5])) + (" …" if len(lines) > 5 else "")
    return Sentence("sources.repeated", where=where or Sentence("sources.the_source"), n=len(lines), lines=shown)


def persons_frame(rows: NDArray[np.int64], columns: Mapping[str, Texts]) -> pd.DataFrame:
    """Return a persons frame in the declared columns and dtypes, free fields behind them; what is not given is empty."""
    length = len(rows)
    frame: dict[str, object] = {ROW: rows}
    unread: Texts | None = None
    for column in PERSON_COLUMNS[1:]:
        texts = columns.get(column.name)
        if column.dtype == "bool":
            flags, unread = read_flags(texts) if texts is not None else (np.zeros(length, dtype=bool), None)
            frame[column.name] = flags
        else:
            frame[column.name] = to_series(texts if texts is not None else same_text("", length))
    declared = {column.name for column in PERSON_COLUMNS}
    frame |= {name: to_series(texts) for name, texts in columns.items() if name not in declared}
    if unread is not None and not is_blank(unread).all():
        frame[INACTIVE_UNREAD] = to_series(unread)
    return pd.DataFrame(frame)


def read_flags(texts: Texts) -> tuple[Mask, Texts]:
    """Return yes/no texts as booleans, and the texts that are neither ('' for the others; those count as no).

    What cannot be seen is shown by its code, so that it does not look like an empty cell further on.
    """
    coded = pc.dictionary_encode(texts)
    flags = [read_flag(word) for word in coded.dictionary.to_pylist()]
    places = coded.indices.to_numpy()
    yes = np.array([flag is True for flag in flags], dtype=bool)
    known = np.array([flag is not None for flag in flags], dtype=bool)
    if known.all():
        return yes[places], same_text("", len(texts))
    shown = change_where(texts, ~known[places], _visible)
    return yes[places], choose(known[places], "", shown)


def _visible(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def add_chunk(records: Records, first: int, columns: Mapping[str, Any]) -> None:
    """Take rows as columns of values by our names; ``first`` is the number (1-based) of the first of them.

    A row with a value that is no text is left out with its reason; a row without any text is counted as blank.
    """
    converted = {name: as_texts(values) for name, values in columns.items()}
    texts = {name: each.texts for name, each in converted.items()}
    keep = np.ones(len(next(iter(texts.values()))), dtype=bool)
    for name, each in converted.items():
        for position in each.unfit:
            row = _row(texts, position, first)
            said = Sentence("sources.left_out.not_text", row=row, heading=records.headings.texts[name])
            _leave_out(records, keep, position, "not_text", said)
        for position in with_nul(each.texts):
            row = _row(texts, position, first)
            said = Sentence("sources.left_out.nul_in_row", row=row, heading=records.headings.texts[name])
            _leave_out(records, keep, position, "nul_byte", said)
    blank = np.logical_and.reduce([is_blank(each) for each in texts.values()]) & keep
    records.blank += int(blank.sum())
    keep &= ~blank
    rows = np.arange(first, first + len(keep), dtype=np.int64)
    if not keep.all():
        texts = {name: each.filter(pa.array(keep)) for name, each in texts.items()}
    records.add_columns(rows[keep], texts)


def _leave_out(records: Records, keep: Mask, position: int, code: str, said: Sentence) -> None:
    if keep[position]:
        keep[position] = False
        records.leave_out(said.parameters["row"].parameters["row"], code, said)


def _row(texts: Mapping[str, Texts], position: int, first: int) -> Sentence:
    ids = (texts[name][position].as_py() for name in ID_COLUMNS if name in texts)
    found = next((id_ for id_ in ids if id_ and "\0" not in id_), "")
    row = first + position
    return (
        Sentence("sources.left_out.row_of", row=row, id=found) if found else Sentence("sources.left_out.row", row=row)
    )
