"""XLSX: the persons of one sheet, every cell as the text a person sees in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.sources.files.xlsx_book import open_book, told
from moodle_coupling.sources.files.xlsx_cells import Fault, Row, merges, rows
from moodle_coupling.sources.headings import LOOKED_AT, find_headings, header_position
from moodle_coupling.sources.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.caps import Caps
    from moodle_coupling.sources.extract import Extract
    from moodle_coupling.sources.files.xlsx_book import Book, Sheet
    from moodle_coupling.sources.files.xlsx_cells import Merge


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
        place = f"{file}, sheet '{sheet.title}'"
        found = _rows_with_text(book, sheet)
        above = list(islice(found, LOOKED_AT))
        if not above:
            msg = f"{place} is empty: expected a header row and persons below it."
            raise SourceError(msg)
        at = header_position([_texts(row) for row in above], source.columns)
        header = above[at]
        if at:
            warnings += (f"{place}: the table begins at row {header.number}; what stands above it was not read.",)
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


def _sheet(book: Book, source: FileSource) -> tuple[Sheet, tuple[str, ...]]:
    """Return the sheet to read, and what to say of those that people do not see."""
    if not book.sheets:
        msg = f"{book.file} has no sheet with cells."
        raise SourceError(msg)
    there = ", ".join(f"'{sheet.title}'" for sheet in book.sheets)
    if source.sheet is not None:
        named = next((sheet for sheet in book.sheets if sheet.title == source.sheet), None)
        if named is None:
            hint = did_you_mean(source.sheet, [sheet.title for sheet in book.sheets]) or "."
            msg = f"{book.file} has no sheet '{source.sheet}' (source.sheet){hint} Its sheets are: {there}."
            raise SourceError(msg)
        return named, book.unread
    for position, sheet in enumerate(book.sheets):
        if sheet.visible:
            hidden = ", ".join(f"'{each.title}'" for each in book.sheets[:position])
            said = f"{book.file}: sheet '{sheet.title}' is read; hidden before it: {hidden}. Name another with source.sheet."
            return sheet, (*book.unread, said) if hidden else book.unread
    msg = f"{book.file}: all its sheets are hidden ({there}). Name the one to read with source.sheet."
    raise SourceError(msg)


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
        code, message, message_nl = _SAID[fault.kind]
        told_, told_nl = (text.format(said=fault.said) for text in (message, message_nl))
        self.records.leave_out(
            row.number,
            code,
            f"Row {row.number}, column {column}: {told_}",
            f"Rij {row.number}, kolom {column}: {told_nl}",
        )


def _filled(cell: str | Fault) -> bool:
    return isinstance(cell, Fault) or bool(cell.strip(" \t"))


_SAID: Final = {
    "error": (
        "cell_error",
        "the formula gives {said}. Correct it in the workbook.",
        "de formule geeft {said}. Verbeter die in de werkmap.",
    ),
    "formula": (
        "formula_without_value",
        "the formula has no saved value. Open the workbook in Excel, save it, and send it again.",
        "van de formule is geen uitkomst bewaard. Open de werkmap in Excel, sla die op en lever die opnieuw aan.",
    ),
    "nul": (
        "nul_byte",
        "it holds a NUL: the text is damaged. Correct it in the workbook.",
        "die bevat een NUL: de tekst is beschadigd. Verbeter die in de werkmap.",
    ),
    "long": (
        "cell_too_long",
        "the text has more than {said} characters. Shorten it in the workbook.",
        "de tekst heeft meer dan {said} tekens. Kort die in de werkmap in.",
    ),
    "merged": (
        "merged_cells",
        "cells are merged across columns or with the heading, so it is not known what belongs where. Unmerge them.",
        "er zijn cellen samengevoegd over kolommen of met de kop, dus het is niet duidelijk wat waar hoort. Splits ze.",
    ),
    "beyond": (
        "wrong_number_of_cells",
        "there is text here and the header ends at column {said}. Give that column a heading, or clear the cell.",
        "hier staat tekst en de kop eindigt bij kolom {said}. Geef die kolom een kop, of maak de cel leeg.",
    ),
}
"""Kind of fault → code, and what is said of it in English and Dutch."""
