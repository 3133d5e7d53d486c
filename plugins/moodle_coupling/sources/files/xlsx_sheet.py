"""XLSX: the persons of one sheet, every cell as the text a person sees in it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from openpyxl.styles.numbers import is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.sources.files.xlsx_book import open_book, parse, told, unescaped
from moodle_coupling.sources.headings import LOOKED_AT, find_headings, header_position
from moodle_coupling.sources.records import Records
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.sources.files.places import Caps
    from moodle_coupling.sources.files.settings import FileSource
    from moodle_coupling.sources.files.xlsx_book import Book, Sheet


def read_xlsx(data: bytes, source: FileSource, file: str, caps: Caps) -> Extract:
    """Return the persons of an XLSX file's sheet, the first that people see; ``row`` is Excel's own row number.

    Cells are text: 1042 and 1042.0 are ``1042``, a number keeps the zeros, prefixes and dashes that its format shows, dates are
    ``2024-05-01`` (``2024-05-01T09:30:00`` with a time), booleans ``true`` and ``false``; of a formula the value that Excel
    saved. What is merged downwards counts for each of its rows. A row with a formula error, with a formula whose value was not
    saved, with a value merged over several columns, or with text to the right of the header, is left out with its reason.

    Raises:
        SourceError: no XLSX, no such sheet, empty, larger than the settings allow, or a header that lacks what is needed.

    """
    book = open_book(data, caps, file)
    with told(file):
        sheet, warnings = _sheet(book, source)
        place = Sentence("sources.place.sheet", file=file, sheet=sheet.title)
        found = _rows_with_text(book, sheet)
        above = list(islice(found, LOOKED_AT))
        if not above:
            raise SourceError(Sentence("sources.xlsx.empty", place=place))
        at = header_position([_texts(row) for row in above], source.columns)
        header = above[at]
        if at:
            warnings += (Sentence("sources.title_above_row", place=place, row=header.number),)
        table = _Table(
            Records(find_headings(_texts(header), source.columns, place)), header, _Merged(merges(book, sheet))
        )
        for row in above[: at + 1]:
            table.merged.fill(row)
        for row in above[at + 1 :]:
            table.take(row)
        for row in found:
            table.take(row)
    return replace(table.records.extract({"sheet": sheet.title}, file), warnings=warnings)


def _sheet(book: Book, source: FileSource) -> tuple[Sheet, tuple[Sentence, ...]]:
    """Return the sheet to read, and what to say of those that people do not see."""
    if not book.sheets:
        raise SourceError(Sentence("sources.xlsx.no_sheet", file=book.file))
    there = ", ".join(f"'{sheet.title}'" for sheet in book.sheets)
    if source.sheet is not None:
        named = next((sheet for sheet in book.sheets if sheet.title == source.sheet), None)
        if named is None:
            hint = did_you_mean(source.sheet, [sheet.title for sheet in book.sheets]) or "."
            raise SourceError(
                Sentence("sources.xlsx.no_such_sheet", file=book.file, sheet=source.sheet, hint=hint, there=there)
            )
        return named, book.unread
    for position, sheet in enumerate(book.sheets):
        if sheet.visible:
            hidden = ", ".join(f"'{each.title}'" for each in book.sheets[:position])
            said = Sentence("sources.xlsx.hidden_before", file=book.file, sheet=sheet.title, hidden=hidden)
            return sheet, (*book.unread, said) if hidden else book.unread
    raise SourceError(Sentence("sources.xlsx.all_hidden", file=book.file, there=there))


def _rows_with_text(book: Book, sheet: Sheet) -> Iterator[Row]:
    for row in rows(book, sheet):
        if any(isinstance(cell, Fault) or cell.strip(" \t") for cell in row.cells.values()):
            yield row


def _texts(row: Row) -> list[str]:
    """Return the cells of a header row, up to the last with a text."""
    texts = {column: cell for column, cell in row.cells.items() if isinstance(cell, str) and cell.strip(" \t")}
    return [texts.get(column, "") for column in range(1, max(texts, default=0) + 1)]


class _Merged:
    """Merged cells, on the way down: the value of the first cell for all rows, and which columns are covered in a row."""

    def __init__(self, found: list[Merge]) -> None:
        self._coming = found[::-1]
        self._open: list[tuple[Merge, str | Fault]] = []

    def fill(self, row: Row) -> None:
        """Give a row what is merged into it from above."""
        while self._coming and self._coming[-1].top <= row.number:
            merge = self._coming.pop()
            if merge.bottom >= row.number:
                self._open.append((merge, row.cells.get(merge.left, "") if merge.top == row.number else ""))
        if self._open:
            self._open = [(merge, value) for merge, value in self._open if merge.bottom >= row.number]
            row.cells.update({merge.left: value for merge, value in self._open if value != ""})

    def covers(self, column: int) -> bool:
        """Tell whether a column of the row filled last is covered by a value that begins in another column."""
        return any(merge.left < column <= merge.right and value != "" for merge, value in self._open)

    def reaches(self, top: int, number: int) -> bool:
        """Tell whether a cell of the header (row ``top``) is merged down to a row."""
        return any(merge.top <= top and merge.bottom >= number and value != "" for merge, value in self._open)


@dataclass
class _Table:
    """The rows below a header, on their way to the records."""

    records: Records
    header: Row
    merged: _Merged

    def __post_init__(self) -> None:
        self._width = len(_texts(self.header))
        self._columns = sorted(position + 1 for position in self.records.headings.positions.values())
        self._last = self.header.number

    def take(self, row: Row) -> None:
        """Take a row as a record, or leave it out with its reason; rows without cells before it are blank."""
        self.records.blank += row.number - self._last - 1
        self._last = row.number
        self.merged.fill(row)
        if self.merged.reaches(self.header.number, row.number):
            self._leave_out(row, self._columns[0], Fault("merged"))
            return
        beyond = max(
            (column for column, cell in row.cells.items() if column > self._width and _filled(cell)), default=0
        )
        if beyond:
            self._leave_out(row, beyond, Fault("beyond", str(self._width)))
            return
        for column in self._columns:
            cell = Fault("merged") if self.merged.covers(column) else row.cells.get(column, "")
            if isinstance(cell, Fault):
                self._leave_out(row, column, cell)
                return
        cells = row.cells
        self.records.add(row.number, [cells.get(column, "") for column in range(1, self._width + 1)])  # type: ignore[misc]

    def _leave_out(self, row: Row, column: int, fault: Fault) -> None:
        said = Sentence(f"sources.left_out.cell.{fault.kind}", row=row.number, column=column, said=fault.said)
        self.records.leave_out(row.number, _CODES[fault.kind], said)


def _filled(cell: str | Fault) -> bool:
    return isinstance(cell, Fault) or bool(cell.strip(" \t"))


_CODES: Final = {
    "error": "cell_error",
    "formula": "formula_without_value",
    "nul": "nul_byte",
    "long": "cell_too_long",
    "merged": "merged_cells",
    "beyond": "wrong_number_of_cells",
}
"""Kind of fault → code."""


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
                raise ValueError(Sentence("sources.xlsx.merged", most=_MERGES))

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
        self._place = Sentence("sources.place.sheet", file=book.file, sheet=sheet.title)
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
            raise SourceError(Sentence("sources.xlsx.row_behind", place=self._place, row=number, before=self._row))
        self._row, self._column, self._cells = number, 0, {}

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r", "").rstrip("0123456789")
        self._column = column_number(reference.upper()) if reference else self._column + 1
        if self._column > self._book.caps.columns:
            place = Sentence("sources.place.row", place=self._place, row=self._row)
            self._book.caps.check_columns(self._column, place)
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


_MOST: Final = 10**15
"""A spreadsheet keeps 15 digits of a number: from here on the last ones are not what was typed."""
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<symbol>[^\]-]*)(?:-[^\]]*)?\]|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<digit>[0#?])|(?P<other>.)",
    re.DOTALL,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)(-?[0-9.]+)")
_LITERAL: Final = frozenset(" -+()':/!^&~{}<>=$€£")
_HOLDS: Final = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
    "<>": lambda value, limit: value != limit,
}

_LONGEST: Final = 255
"""Characters of a number format, by Excel's own limit; a longer one would take time that grows with its square."""


def shown(value: float, number_format: str, epoch: dt.datetime) -> str:
    """Return a number as a person sees it, where its format says more than how it looks; else its plain digits.

    Zeros in front, prefixes and dashes are part of an id and stay; thousands separators, currencies with decimals and percentages
    are looks and go. Dates are ``2024-05-01``, with a time ``2024-05-01T09:30:00``. A number with more than 15 digits ends in
    ``.0`` or holds an exponent, which shows that digits are lost. A format longer than Excel's own (255 characters) says nothing.
    """
    if len(number_format) > _LONGEST:
        number_format = "General"
    if is_date(number_format):
        moment = _moment(value, number_format, epoch)
        if moment is not None:
            return moment
    if value != int(value) if abs(value) < _MOST else True:
        return repr(float(value))
    digits = int(value)
    if digits < 0:
        return str(digits)
    parts = _parts(number_format, digits)
    return _in_places(parts, str(digits)) if parts else str(digits)


@lru_cache(maxsize=2_000)
def is_date(number_format: str) -> bool:
    """Return whether a number format makes a date or a time of a number."""
    return bool(is_date_format(number_format))


def _moment(value: float, number_format: str, epoch: dt.datetime) -> str | None:
    try:
        moment = from_excel(value, epoch, timedelta=is_timedelta_format(number_format))
    except (ValueError, OverflowError):
        return None
    if isinstance(moment, dt.datetime):
        return moment.isoformat() if moment.time() != dt.time() else moment.date().isoformat()
    return moment.isoformat() if isinstance(moment, dt.time) else str(moment)


@lru_cache(maxsize=2_000)
def _sections(number_format: str) -> tuple[tuple[tuple[str, float] | None, tuple[str, ...] | None], ...]:
    """Return each section's condition, and its parts ('0', '#', '?' and literals as '=text'); None for other formats."""
    return tuple(_section(text) for text in re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format))


def _section(text: str) -> tuple[tuple[str, float] | None, tuple[str, ...] | None]:
    condition: tuple[str, float] | None = None
    parts: list[str] = []
    for found in _TOKEN.finditer(text):
        if found["digit"]:
            parts.append(found["digit"])
        elif found["bracket"] is not None:
            if said := _CONDITION.fullmatch(found["bracket"]):
                condition = (said[1], float(said[2]))
        elif found["other"] is not None:
            if found["other"] not in _LITERAL:
                return condition, None
            parts.append("=" + found["other"])
        else:
            literal = found["quoted"] or found["escaped"] or found["symbol"]
            parts += ["=" + literal] if literal else []
    return condition, tuple(parts) if "0" in parts or "#" in parts else None


def _parts(number_format: str, value: int) -> tuple[str, ...] | None:
    """Return the parts of the section that Excel takes for a whole number of 0 or more."""
    sections = _sections(number_format)
    for condition, parts in sections:
        if condition and _HOLDS[condition[0]](value, condition[1]):
            return parts
    free = [parts for condition, parts in sections if condition is None]
    if not value and len(sections) > 2 and not any(condition for condition, _ in sections):
        return sections[2][1]
    return free[0] if free else None


def _in_places(parts: tuple[str, ...], digits: str) -> str:
    """Return the digits in their places, from the right; what does not fit stands before the first place."""
    places = sum(len(part) == 1 for part in parts)
    padded, first, made = digits.rjust(places), True, ""
    over = len(padded) - places
    if digits == "0" and "0" not in parts:
        padded = " " * len(padded)
    at = 0
    for part in parts:
        if len(part) > 1:
            made += part[1:]
            continue
        piece = padded[: over + 1] if first else padded[at + over]
        made += piece.strip() or ("0" if part == "0" else "")
        first, at = False, at + 1
    return made.strip()
