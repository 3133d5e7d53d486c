"""The rows of a sheet, one after another, every cell as the text that a person sees in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.files.number_format import shown
from moodle_coupling.sources.files.xlsx_book import parse, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sources.files.xlsx_book import Book, Sheet

_MERGES: Final = 100_000
_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,10})(?::\$?([A-Z]{1,3})\$?([0-9]{1,10}))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell without a text that could be used: ``kind`` is 'error', 'formula', 'nul' or 'long'; ``said`` what stands there."""

    kind: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """Cells that are one: rows and columns (1-based), both ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number as Excel counts, and its filled cells by column (1-based)."""

    number: int
    cells: dict[int, str | Fault]


def column_number(letters: str) -> int:
    """Return the number of a column (1-based): A is 1, XFD is 16384."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def merges(book: Book, sheet: Sheet) -> list[Merge]:
    """Return the merged cells of a sheet, by their first row. They stand behind the cells, which are looked through first."""
    tail, there = b"", False
    for chunk in book.chunks(sheet.member):
        there = there or b"mergeCell" in tail + chunk or chunk[:2] in (b"\xff\xfe", b"\xfe\xff")
        tail = chunk[-10:]
    found: list[Merge] = []
    if not there:
        return found

    def start(name: str, attributes: dict[str, str]) -> None:
        place = _RANGE.fullmatch(attributes.get("ref", "")) if name == "mergeCell" else None
        if place and place[3]:
            found.append(Merge(int(place[2]), column_number(place[1]), int(place[4]), column_number(place[3])))
            if len(found) > _MERGES:
                msg = f"it has more than {_MERGES} merged cells"
                raise ValueError(msg)

    for _ in parse(book.chunks(sheet.member), start):
        pass
    return sorted(found, key=lambda merge: merge.top)


def rows(book: Book, sheet: Sheet) -> Iterator[Row]:
    """Give the rows that have cells, in order.

    Raises:
        SourceError: a row or column beyond what the settings allow.

    """
    reader = _Reader(book, sheet)
    for _ in parse(book.chunks(sheet.member), reader.start, end=reader.end, characters=reader.characters):
        yield from reader.done
        reader.done.clear()


class _Reader:
    """Takes the sheet's XML element by element; finished rows stand in ``done``."""

    def __init__(self, book: Book, sheet: Sheet) -> None:
        self.done: list[Row] = []
        self._book = book
        self._place = f"{book.file}, sheet '{sheet.title}'"
        self._epoch = CALENDAR_MAC_1904 if book.since_1904 else CALENDAR_WINDOWS_1900
        self._row = self._column = 0
        self._cells: dict[int, str | Fault] = {}
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._length = 0
        self._collecting = self._formula = self._valued = self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name == "v" or (name == "t" and not self._phonetic):
            self._collecting = self._valued = True
        elif name == "row":
            self._start_row(attributes)
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._collecting = False
        elif name == "c":
            value = self._value()
            if value != "":
                self._cells[self._column] = value
        elif name == "row":
            if self._cells:
                self.done.append(Row(self._row, self._cells))
        elif name == "rPh":
            self._phonetic = False

    def characters(self, text: str) -> None:
        if self._collecting and self._length <= self._book.caps.cell_characters:
            self._parts.append(text)
            self._length += len(text)

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._row + 1))
        self._book.caps.check_rows(number, self._place)
        if number <= self._row:
            msg = f"{self._place} is damaged: row {number} comes behind row {self._row}. Open it in Excel and save it again."
            raise SourceError(msg)
        self._row, self._column, self._cells = number, 0, {}

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r", "").rstrip("0123456789")
        self._column = column_number(reference.upper()) if reference else self._column + 1
        self._book.caps.check_columns(self._column, f"{self._place}, row {self._row}")
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._parts, self._length = [], 0
        self._formula = self._valued = False

    def _value(self) -> str | Fault:
        text = "".join(self._parts)
        if len(text) > self._book.caps.cell_characters:
            return Fault("long", str(self._book.caps.cell_characters))
        if not text:
            # A formula whose outcome is an empty text has a value, and says that it is one.
            empty = self._valued and self._kind == "str"
            return Fault("formula") if self._formula and not empty else ""
        value = self._text(text)
        return Fault("nul") if isinstance(value, str) and "\0" in value else value

    def _text(self, text: str) -> str | Fault:
        if self._kind == "s":
            shared = self._book.texts[int(text)]
            limit = self._book.caps.cell_characters
            return Fault("long", str(limit)) if len(shared) > limit else shared
        if self._kind in ("str", "inlineStr"):
            return unescaped(text)
        if self._kind == "e":
            return Fault("error", text[:20])
        if self._kind == "b":
            return "true" if text.strip() in ("1", "true") else "false"
        if self._kind == "d":
            return text.strip().removesuffix("Z").removesuffix("T00:00:00").removesuffix("T00:00:00.000")
        return self._number(text)

    def _number(self, text: str) -> str:
        style = int(self._style or 0)
        formats = self._book.formats
        number = float(text)
        if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124  # not a number
            return text
        return shown(number, formats[style] if 0 <= style < len(formats) else "General", self._epoch)
