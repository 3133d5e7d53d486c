"""CSV: delimiters, quotes and lines, exactly where they are in the file."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.csv_fast import read_regular
from moodle_coupling.sources.encoding import decode, place
from moodle_coupling.sources.headings import find_headings, recognised
from moodle_coupling.sources.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.extract import Extract

DELIMITERS: Final = (";", ",", "\t", "|")
_SEP_LINE: Final = re.compile(r"sep=(.)\r?\n")
"""Excel's own first line that names the delimiter."""
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the file is written: its delimiter, its header, and where the records begin."""

    delimiter: str
    header: list[str]
    body: int
    """Position of the first character after the header."""
    first_line: int
    """Line number of the first line after the header."""


def read_csv(data: bytes, source: FileSource, file: str) -> Extract:
    """Return the persons of a CSV file.

    A record's ``row`` is the line it begins on. A record with another number of cells than the header, with text
    after a closing quote, or with a NUL is left out with its reason; records without any text are skipped and counted.
    A last line that is too short and has no line end is no such record but the sign of half a file.

    Raises:
        SourceError: the file is empty, no text in its encoding, cut off, its header lacks what is needed, or a quote is
            not closed; names line and column.

    """
    text, encoding = decode(data, source.encoding, file)
    layout = _layout(text, source, file)
    headings = find_headings(layout.header, source.columns, file)
    records = Records(headings)
    notes = {"encoding": encoding, "delimiter": layout.delimiter}
    columns = read_regular(text[layout.body :], layout.delimiter, len(layout.header), headings.positions)
    if columns is not None:
        records.add_columns(columns.lines + layout.first_line, columns.texts)
        return records.extract(notes)
    _read_records(text, layout, records, file)
    return records.extract(notes)


def _layout(text: str, source: FileSource, file: str) -> _Layout:
    if not text.strip():
        msg = f"{file} is empty: expected a header line and persons below it."
        raise SourceError(msg)
    said = _SEP_LINE.match(text)
    start = said.end() if said else 0
    if source.delimiter != "auto":
        delimiters: tuple[str, ...] = (source.delimiter,)
    else:
        delimiters = (said.group(1),) if said else DELIMITERS
    layouts = [_try_header(text, start, delimiter) for delimiter in delimiters]
    # The right delimiter is the one that makes headings we know; else the one that makes the most cells.
    found = max(layouts, key=lambda layout: (recognised(layout.header, source.columns), len(layout.header)))
    if not any(cell.strip() for cell in found.header):
        msg = f"{file}: no header found. Is source.delimiter right?"
        raise SourceError(msg)
    return found


def _try_header(text: str, start: int, delimiter: str) -> _Layout:
    lines = _Lines(text, start)
    header: list[str] = []
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = next((cells for cells in reader if not _is_blank(cells)), [])
    except csv.Error:
        header = []
    first_line = reader.line_num + 1 + (1 if start else 0)
    return _Layout(delimiter, header, lines.position, first_line)


class _Lines:
    """The lines of a text with their ends, and the position after the line given last."""

    def __init__(self, text: str, start: int) -> None:
        self._found = _LINE.finditer(text, start)
        self.position = start

    def __iter__(self) -> Iterator[str]:
        for found in self._found:
            self.position = found.end()
            yield found[0]


def _is_blank(cells: list[str]) -> bool:
    return not any(cell.strip(" \t") for cell in cells)


def _read_records(text: str, layout: _Layout, records: Records, file: str) -> None:
    """Read record by record: for files with quotes, and to say what is wrong where."""
    lines = _Lines(text, layout.body)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    width, nul = len(layout.header), "\0" in text
    while True:
        line = layout.first_line + reader.line_num
        begin = lines.position
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = layout.first_line + reader.line_num - 1
            if last != line or str(error) == "unexpected end of data":
                _refuse_quote(text[begin:], layout.delimiter, line, last, file)
            _leave_out_quote(records, line)
            continue
        if _is_blank(cells):
            records.blank += 1
        elif len(cells) != width:
            if len(cells) < width and lines.position == len(text) and not text.endswith(("\n", "\r")):
                _refuse_cut_off(line, len(cells), width, file)
            _leave_out_ragged(records, (line, layout.first_line + reader.line_num - 1), len(cells), layout)
        elif nul and any("\0" in cell for cell in cells):
            _leave_out_nul(records, line, next(number for number, cell in enumerate(cells, 1) if "\0" in cell))
        else:
            records.add(line, cells)


def _refuse_cut_off(line: int, found: int, width: int, file: str) -> NoReturn:
    msg = (
        f"{file}, line {line}: the file ends in the middle of a line ({found} cells of {width}, and no line end), so it is "
        "probably cut off. Nothing was taken from it: have it exported or sent again."
    )
    raise SourceError(msg)


def _leave_out_quote(records: Records, line: int) -> None:
    records.leave_out(
        line,
        "stray_quote",
        f"Line {line} has text after a closing quote, so it is not known where its cells end. Write a quote within "
        'a quoted value twice ("").',
        f"Regel {line} heeft tekst na een sluitend aanhalingsteken, dus het is niet duidelijk waar de cellen eindigen. "
        'Schrijf een aanhalingsteken binnen een waarde dubbel ("").',
    )


def _leave_out_ragged(records: Records, lines: tuple[int, int], found: int, layout: _Layout) -> None:
    line, last = lines
    width, delimiter = len(layout.header), "tab" if layout.delimiter == "\t" else layout.delimiter
    place, place_nl = (f"Line {line} has", f"Regel {line} heeft")
    if last > line:
        place, place_nl = (f"Lines {line} to {last} have", f"Regels {line} tot en met {last} hebben")
    records.leave_out(
        line,
        "wrong_number_of_cells",
        f"{place} {found} cells and the header has {width}, so it is not known which is which. A value with the "
        f"delimiter '{delimiter}' in it must stand between quotes.",
        f"{place_nl} {found} cellen en de kop {width}, dus het is niet duidelijk welke welke is. Een waarde met het "
        f"scheidingsteken '{delimiter}' erin moet tussen aanhalingstekens staan.",
    )


def _leave_out_nul(records: Records, line: int, column: int) -> None:
    records.leave_out(
        line,
        "nul_byte",
        f"Line {line} holds a NUL byte in column {column}: the text is damaged. Export the file again.",
        f"Regel {line} bevat een NUL-byte in kolom {column}: de tekst is beschadigd. Exporteer het bestand opnieuw.",
    )


def _refuse_quote(record: str, delimiter: str, line: int, last: int, file: str) -> None:
    """Raise for a record that runs over several lines because of a quote; where it should end cannot be known."""
    down, column = place(record[: _opening_quote(record, delimiter)])
    msg = (
        f"{file}, line {line + down - 1}, column {column}: the quote opened here is not closed properly (read on to line "
        f"{last}), so it is not known where the next person begins. Close it, or write a quote within a value twice."
    )
    raise SourceError(msg)


def _opening_quote(record: str, delimiter: str) -> int:
    """Return the position of the first quote that is open at the end of its line."""
    quoted = re.compile(rf'(?:^|{re.escape(delimiter)}|[\r\n])("(?:[^"]|"")*)(?:"|$)')
    for found in quoted.finditer(record):
        if "\n" in found[1] or "\r" in found[1] or found.end(1) == len(record):
            return found.start(1)
    return 0
