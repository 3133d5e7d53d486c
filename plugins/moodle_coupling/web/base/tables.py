"""Tables to download: workbooks in which some cells are chosen from lists, harmless in a spreadsheet, and CSV."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any, Final

from fastapi.responses import StreamingResponse

from moodle_coupling.contract.safe_text import is_risky

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from openpyxl import Workbook

CSV: Final = "text/csv; charset=utf-8"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
USUAL_WIDTH: Final = 18
"""Characters of a column."""
_PIECE: Final = 1 << 16
"""Bytes sent at a time."""
_NO_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LONGEST: Final = 32_767
"""Characters in a cell of a spreadsheet."""
_LISTS: Final = "Lists"
"""The hidden sheet with what can be chosen: a list within a cell's own rule may have 255 characters."""


def download(body: Iterator[Any], media_type: str, title: str, suffix: str) -> StreamingResponse:
    """Give a table as a file, named by what it holds and the day (UTC)."""
    name = f"{title}-{dt.datetime.now(dt.UTC):%Y-%m-%d}.{suffix}"
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body, media_type=media_type, headers=head)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Give a file's bytes, and close it."""
    with file:
        while piece := file.read(_PIECE):
            yield piece


def as_xlsx(
    lines: Iterable[tuple[Sequence[Any], Mapping[int, Sequence[Any]]]], title: str, widths: Mapping[int, int]
) -> IO[bytes]:
    """Write lines, the head first, as a workbook into a file without a name, which is gone when it is closed.

    A line is its cells, and what can be chosen in some of them by column (0-based). ``widths`` are in characters, by
    column; 0 hides it.
    """
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    cell = _cells_of(sheet)
    sheet.freeze_panes = "B2"
    for at, width in widths.items():
        column = sheet.column_dimensions[get_column_letter(at + 1)]
        column.width, column.hidden = width or 9, not width
    offers: dict[tuple[int, tuple[Any, ...]], list[int]] = {}
    number = columns = 0
    for number, (values, choices) in enumerate(lines, start=1):
        columns = len(values)
        sheet.append([cell(value, bold=number == 1) for value in values])
        for at, choice in choices.items():
            if choice:
                offers.setdefault((at, tuple(choice)), []).append(number)
    sheet.auto_filter.ref = f"A1:{get_column_letter(max(1, columns))}{max(1, number)}"
    _add_lists(book, sheet, offers)
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
    book.save(file)
    file.seek(0)
    return file


def _cells_of(sheet: Any) -> Callable[..., Any]:
    """Give what makes a sheet's cells of values; there are many of them, so what each needs is got once."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    strong = Font(bold=True)

    def cell(value: Any, *, bold: bool = False) -> Any:
        if isinstance(value, dt.datetime):
            return value.astimezone(dt.UTC).replace(tzinfo=None)
        if not isinstance(value, str):
            return value
        text = _NO_XML.sub("\ufffd", value[:_LONGEST])
        risky = is_risky(text)
        if not bold and not risky:
            return text
        made = WriteOnlyCell(sheet, value=text)
        if bold:
            made.font = strong
        if risky:
            made.data_type = "s"  # text, whatever it looks like
            made.quotePrefix = True  # and it stays so when somebody edits the cell
        return made

    return cell


def _add_lists(book: Workbook, sheet: Any, offers: Mapping[tuple[int, tuple[Any, ...]], Sequence[int]]) -> None:
    """Let cells take what can be chosen in them from a column of a hidden sheet: one for each list that differs."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    if not offers:
        return
    lists = book.create_sheet(_LISTS)
    lists.sheet_state = "hidden"
    cell = _cells_of(lists)
    for row in zip_longest(*(choice for _, choice in offers)):
        lists.append([cell(value) for value in row])
    for at, ((column, choice), numbers) in enumerate(offers.items(), start=1):
        letter, here = get_column_letter(at), get_column_letter(column + 1)
        formula = f"'{_LISTS}'!${letter}$1:${letter}${len(choice)}"
        places = " ".join(f"{here}{first}:{here}{last}" for first, last in _stretches(numbers))
        sheet.data_validations.append(DataValidation("list", formula1=formula, allow_blank=True, sqref=places))


def _stretches(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the first and last of each row of numbers that follow one another."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
