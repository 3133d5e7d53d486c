"""XLSX: every cell as the text a person sees in it."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.sources.headings import find_headings
from moodle_coupling.sources.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.extract import Extract

_LEADING_ZEROS: Final = re.compile(r"0+")
_EXACT: Final = 2**53


def read_xlsx(data: bytes, source: FileSource, file: str) -> Extract:
    """Return the persons of an XLSX file's sheet; ``row`` is Excel's own row number.

    Cells are text: 1042 and 1042.0 are ``1042``, a number shown with leading zeros keeps them, dates are
    ``2024-05-01`` (``2024-05-01T09:30:00`` with a time), booleans ``true`` and ``false``; of a formula the value that Excel
    saved. A row with a formula error, or with text to the right of the header, is left out with its reason.

    Raises:
        SourceError: no XLSX, no such sheet, empty, or a header that lacks what is needed.

    """
    with warnings.catch_warnings():
        # openpyxl warns of styles and validations that it does not keep; only values are read here.
        warnings.simplefilter("ignore")
        sheet = _sheet(data, source, file)
        rows = enumerate(_rows(sheet, file), 1)
        header: list[str] = next((cells for _, cells in rows if _texts(cells)), [])
        if not header:
            msg = f"{file}, sheet '{sheet.title}' is empty: expected a header row and persons below it."
            raise SourceError(msg)
        width = len(header)
        records = Records(find_headings(header, source.columns, f"{file}, sheet '{sheet.title}'"))
        for number, cells in rows:
            _take(records, number, cells, width)
    return records.extract({"sheet": sheet.title})


def _sheet(data: bytes, source: FileSource, file: str) -> Any:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        msg = (
            f"{file} cannot be read as XLSX ({error}). Open it in Excel and save it again as an Excel workbook (.xlsx)."
        )
        raise SourceError(msg) from error
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        msg = f"{file} has no sheet with cells."
        raise SourceError(msg)
    if source.sheet is None:
        return book.worksheets[0]
    if source.sheet not in sheets:
        there = ", ".join(f"'{title}'" for title in sheets)
        hint = did_you_mean(source.sheet, sheets) or "."
        msg = f"{file} has no sheet '{source.sheet}' (source.sheet){hint} Its sheets are: {there}."
        raise SourceError(msg)
    return sheets[source.sheet]


def _rows(sheet: Any, file: str) -> Iterator[list[str]]:
    # Some programs write a wrong size of the sheet, which would cut rows and columns off.
    sheet.reset_dimensions()
    try:
        for cells in sheet.iter_rows():
            yield [_text(cell) for cell in cells]
    except (zipfile.BadZipFile, SyntaxError, KeyError, ValueError, EOFError) as error:
        msg = f"{file}, sheet '{sheet.title}' is damaged ({error}). Open it in Excel and save it again."
        raise SourceError(msg) from error


def _texts(cells: list[str]) -> bool:
    while cells and not cells[-1].strip(" \t"):
        cells.pop()
    return bool(cells)


def _take(records: Records, number: int, cells: list[str], width: int) -> None:
    if not _texts(cells):
        records.blank += 1
        return
    if len(cells) > width:
        records.leave_out(
            number,
            "wrong_number_of_cells",
            f"Row {number} has text in column {len(cells)} and the header ends at column {width}, so it is not known what "
            "it means. Give that column a heading, or clear the cell.",
            f"Rij {number} heeft tekst in kolom {len(cells)} en de kop eindigt bij kolom {width}, dus het is niet "
            "duidelijk wat die betekent. Geef die kolom een kop, of maak de cel leeg.",
        )
        return
    wrong = next((column for column, cell in enumerate(cells, 1) if cell.startswith(_ERROR)), 0)
    if wrong:
        shown = cells[wrong - 1].removeprefix(_ERROR)
        records.leave_out(
            number,
            "cell_error",
            f"Row {number}, column {wrong}: the formula gives {shown}. Correct it in the workbook.",
            f"Rij {number}, kolom {wrong}: de formule geeft {shown}. Verbeter die in de werkmap.",
        )
        return
    records.add(number, cells + [""] * (width - len(cells)))


_ERROR: Final = "\x00error:"
"""Before the text of a cell that holds a formula error; NUL cannot stand in a workbook's XML."""


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return _ERROR + value if cell.data_type == "e" else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "")
    return _moment(value)


def _number(value: float, number_format: str) -> str:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < _EXACT)
    text = str(int(value)) if whole else repr(value)
    if whole and value >= 0 and _LEADING_ZEROS.fullmatch(number_format):
        return text.zfill(len(number_format))
    return text


def _moment(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat() if value.time() != dt.time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
