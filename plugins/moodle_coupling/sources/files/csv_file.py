"""CSV: delimiters, quotes and lines, exactly where they are in the file."""

from __future__ import annotations

import codecs
import csv
import importlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from moodle_coupling.errors import SourceError
from moodle_coupling.people.arrow import pa, pc
from moodle_coupling.sources.headings import LOOKED_AT, find_headings, header_position, is_header, recognised
from moodle_coupling.sources.records import Records
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Texts
    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.sources.files.places import Caps
    from moodle_coupling.sources.files.settings import FileSource


DELIMITERS: Final = (";", ",", "\t", "|")
_SEP_LINE: Final = re.compile(r"sep=(.)\r?\n")
"""Excel's own first line that names the delimiter."""
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DOS_END: Final = "\x1a"
_EXTRA: Final = 64
"""Empty cells behind the last heading that the fast reader looks through."""
_SHOWN_OF_QUOTE: Final = 1_000_000
"""Characters of a record with an open quote that are looked through for its place."""
_TOO_LONG: Final = "field larger than field limit"
"""How Python's csv begins its words for a cell that is too long."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the file is written: its delimiter, its header, and where the records begin."""

    delimiter: str
    header: list[str]
    body: int
    """Position of the first character after the header."""
    first_line: int
    """Line number of the first line after the header."""
    title: bool = False
    """Whether something stands above the header."""

    @property
    def least(self) -> int:
        """How many cells a record needs: up to the last heading with a text."""
        return max((number for number, cell in enumerate(self.header, 1) if cell.strip()), default=0)


@dataclass(frozen=True, slots=True)
class _Limits:
    file: str
    caps: Caps


def read_csv(data: bytes, source: FileSource, file: str, caps: Caps) -> Extract:
    """Return the persons of a CSV file.

    A record's ``row`` is the line it begins on. A record with another number of cells than the header, with text
    after a closing quote, or with a NUL is left out with its reason; records without any text are skipped and counted.
    Empty cells behind the last heading mean nothing. A last line that is too short and has no line end is no such record but
    the sign of half a file; Ctrl-Z at the end is DOS's end of file.

    Raises:
        SourceError: the file is empty, no text in its encoding, cut off, larger than the settings allow, its header lacks what
            is needed, or a quote is not closed; names line and column.

    """
    text, encoding = decode(data, source.encoding, file)
    text = _without_dos_end(text)
    layout = _layout(text, source, _Limits(file, caps))
    caps.check_rows(text.count("\n", layout.body), file)
    headings = find_headings(layout.header, source.columns, file)
    records = Records(headings, caps.cell_characters)
    notes = {"encoding": encoding, "delimiter": layout.delimiter}
    columns = _regular(text[layout.body :], layout, headings.positions)
    if columns is not None:
        records.add_columns(columns.lines + layout.first_line, columns.texts)
    else:
        limit = csv.field_size_limit(caps.cell_characters)
        try:
            _read_records(text, layout, records, _Limits(file, caps))
        finally:
            csv.field_size_limit(limit)
    found = records.extract(notes, file)
    if not layout.title:
        return found
    said = Sentence("sources.title_above", file=file, line=layout.first_line - 1)
    return replace(found, warnings=(said, *found.warnings))


def _without_dos_end(text: str) -> str:
    """Return the text up to DOS's end of a file (Ctrl-Z), where nothing but padding follows it."""
    whole = text.rstrip(_DOS_END + "\0\t\r\n ")
    kept = text[len(whole) :].partition(_DOS_END)[0]
    return text if len(whole) + len(kept) == len(text) else whole + kept


def _regular(body: str, layout: _Layout, positions: Mapping[str, int]) -> Columns | None:
    """Return the columns of a body that can be read fast, also where each line has empty cells behind the last heading."""
    width = body.partition("\n")[0].count(layout.delimiter) + 1
    if width == len(layout.header) or not layout.least <= width <= len(layout.header) + _EXTRA:
        return read_regular(body, layout.delimiter, len(layout.header), positions)
    extra = {f"behind {number}": number for number in range(len(layout.header), width)}
    found = read_regular(body, layout.delimiter, width, {**positions, **extra})
    if found is None or any(_has_text(found.texts[name]) for name in extra):
        return None
    return Columns(found.lines, {name: texts for name, texts in found.texts.items() if name not in extra})


def _has_text(texts: Texts) -> bool:
    return bool(pc.any(pc.not_equal(pc.utf8_trim(texts, characters=" \t"), "")).as_py())


def _layout(text: str, source: FileSource, limits: _Limits) -> _Layout:
    file = limits.file
    if not text.strip():
        raise SourceError(Sentence("sources.csv.empty", file=file))
    said = _SEP_LINE.match(text)
    start = said.end() if said else 0
    if source.delimiter != "auto":
        delimiters: tuple[str, ...] = (source.delimiter,)
    else:
        delimiters = (said.group(1),) if said else DELIMITERS
    layouts = [_try_header(text, start, delimiter, source.columns, limits) for delimiter in delimiters]
    # The right delimiter is the one that makes headings we know; else the one that makes the most cells.
    found = max(layouts, key=lambda layout: (recognised(layout.header, source.columns), len(layout.header)))
    if not any(cell.strip() for cell in found.header):
        raise SourceError(Sentence("sources.csv.no_header", file=file))
    return found


def _try_header(text: str, start: int, delimiter: str, wanted: Mapping[str, str], limits: _Limits) -> _Layout:
    lines = _Lines(text, start)
    reader = csv.reader(lines, delimiter=delimiter)
    tried: list[_Layout] = []
    try:
        for cells in reader:
            limits.caps.check_columns(
                len(cells), Sentence("sources.place.line", file=limits.file, line=reader.line_num)
            )
            if not _is_blank(cells):
                first_line = reader.line_num + 1 + (1 if start else 0)
                tried.append(_Layout(delimiter, cells, lines.position, first_line, title=bool(tried)))
                if len(tried) == LOOKED_AT or is_header(cells, wanted, first=len(tried) == 1):
                    break
    except csv.Error:
        pass
    if not tried:
        return _Layout(delimiter, [], lines.position, reader.line_num + 1 + (1 if start else 0))
    return tried[header_position([layout.header for layout in tried], wanted)]


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


def _read_records(text: str, layout: _Layout, records: Records, limits: _Limits) -> None:
    """Read record by record: for files with quotes, and to say what is wrong where."""
    lines = _Lines(text, layout.body)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
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
                _refuse_quote(text[begin : begin + _SHOWN_OF_QUOTE], layout.delimiter, line, last, limits.file)
            if str(error).startswith(_TOO_LONG):
                _leave_out_long(records, line)
            else:
                _leave_out_quote(records, line)
            continue
        limits.caps.check_columns(len(cells), Sentence("sources.place.line", file=limits.file, line=line))
        ends_open = lines.position == len(text) and not text.endswith(("\n", "\r"))
        if ends_open and not _is_blank(cells) and len(cells) < layout.least:
            _refuse_cut_off(line, len(cells), len(layout.header), limits.file)
        _take(records, (line, layout.first_line + reader.line_num - 1), cells, layout)


def read_cells(text: str, delimiter: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record of a text, and the line that it begins on.

    Raises:
        SourceError: a quote is not closed, with line and column; or text follows a closing one, or a cell is too long, with
            the line.

    """
    lines = _Lines(text, 0)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line, begin = 1 + reader.line_num, lines.position
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if reader.line_num > line or str(error) == "unexpected end of data":
                _refuse_quote(text[begin : begin + _SHOWN_OF_QUOTE], delimiter, line, reader.line_num, file)
            raise SourceError(Sentence("accounts.no_csv", file=file, line=line, why=str(error))) from error
        yield line, cells


def _take(records: Records, lines: tuple[int, int], cells: list[str], layout: _Layout) -> None:
    """Take one record, or leave it out with its reason; ``lines`` are its first and last."""
    width = len(layout.header)
    if _is_blank(cells):
        records.blank += 1
        return
    if layout.least <= len(cells) < width:
        cells += [""] * (width - len(cells))
    elif len(cells) > width and _is_blank(cells[width:]):
        del cells[width:]
    if len(cells) != width:
        _leave_out_ragged(records, lines, len(cells), layout)
    elif any("\0" in cell for cell in cells):
        _leave_out_nul(records, lines[0], next(number for number, cell in enumerate(cells, 1) if "\0" in cell))
    else:
        records.add(lines[0], cells)


def _refuse_cut_off(line: int, found: int, width: int, file: str) -> NoReturn:
    raise SourceError(Sentence("sources.csv.cut_off", file=file, line=line, found=found, width=width))


def _leave_out_quote(records: Records, line: int) -> None:
    records.leave_out(line, "stray_quote", Sentence("sources.left_out.stray_quote", line=line))


def _leave_out_long(records: Records, line: int) -> None:
    said = Sentence("sources.left_out.a_cell_too_long", line=line, most=records.longest)
    records.leave_out(line, "cell_too_long", said)


def _leave_out_ragged(records: Records, lines: tuple[int, int], found: int, layout: _Layout) -> None:
    line, last = lines
    width, delimiter = len(layout.header), "tab" if layout.delimiter == "\t" else layout.delimiter
    said = Sentence(
        "sources.left_out.ragged_lines" if last > line else "sources.left_out.ragged_line",
        line=line,
        last=last,
        found=found,
        width=width,
        delimiter=delimiter,
    )
    records.leave_out(line, "wrong_number_of_cells", said)


def _leave_out_nul(records: Records, line: int, column: int) -> None:
    records.leave_out(line, "nul_byte", Sentence("sources.left_out.nul_in_line", line=line, column=column))


def _refuse_quote(record: str, delimiter: str, line: int, last: int, file: str) -> NoReturn:
    """Raise for a record that runs over several lines because of a quote; where it should end cannot be known."""
    down, column = place(record[: _opening_quote(record, delimiter)])
    raise SourceError(Sentence("sources.csv.open_quote", file=file, line=line + down - 1, column=column, last=last))


def _opening_quote(record: str, delimiter: str) -> int:
    """Return the position of the first quote that is open at the end of its line."""
    opened, inside, fresh, last = 0, False, True, ""
    for found in re.finditer(rf'"|{re.escape(delimiter)}|[\r\n]|[^"\r\n{re.escape(delimiter)}]+', record):
        sign = found[0]
        if sign == '"':
            if not inside and fresh:
                opened = found.start()
            # A quote right behind a closing one is a quote within the cell.
            inside = not inside if inside or fresh or last == '"' else inside
        elif inside and sign in "\r\n":
            return opened
        fresh, last = not inside and sign in (delimiter, "\r", "\n"), sign
    return opened if inside else 0


_BLOCK: Final = 16 * 1024 * 1024
_MOST: Final = 4
"""How many times the delimiters of its cells a line may have, within quotes; a file of nothing else would take much memory."""
_NEWLINE: Final = 0x0A
_QUOTE: Final = 0x22
_SPACE: Final = (0x20, 0x09, 0x0D)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are wanted, by our names, and the line of each record (0 is the first one)."""

    lines: NDArray[np.int64]
    texts: Mapping[str, Texts]


def read_regular(body: str, delimiter: str, width: int, positions: Mapping[str, int]) -> Columns | None:
    r"""Return the wanted columns of the lines below a header, or None where a slower reader must look.

    Only where the outcome is certain to be the same: no quotes, no NUL, no line ends but ``\\n`` and ``\\r\\n``, no blank
    lines, and ``width`` cells on every line.
    """
    if not body or "\0" in body or body.count("\r") != body.count("\r\n"):
        return None
    if body.count(delimiter) > _MOST * width * (body.count("\n") + 1):
        return None
    data = body.encode("utf-8")
    if not _is_regular(np.frombuffer(data, dtype=np.uint8), ord(delimiter), width):
        return None
    return _read(data, delimiter, width, positions)


def _is_regular(data: NDArray[np.uint8], delimiter: int, width: int) -> bool:
    """Return whether every line has ``width`` cells and some text, and quotes stand around whole cells only."""
    ends = np.flatnonzero(data == _NEWLINE)
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    between = np.flatnonzero(data == delimiter)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes):
        if not _are_around_cells(data, quotes, delimiter) or _within(quotes, ends).any():
            return False
        between = between[~_within(quotes, between)]
    return bool((_count(between, ends) + 1 == width).all()) and _all_filled(data, delimiter, ends)


def _are_around_cells(data: NDArray[np.uint8], quotes: NDArray[np.intp], delimiter: int) -> bool:
    """Return whether quotes come in pairs: the first at the start of a cell, the second at its end."""
    if len(quotes) % 2:
        return False
    edge = np.zeros(256, dtype=bool)
    edge[[delimiter, _NEWLINE, 0x0D]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = edge[data[opening - 1]] | (opening == 0)
    after = edge[data[np.minimum(closing + 1, len(data) - 1)]] | (closing == len(data) - 1)
    return bool(before.all() and after.all())


def _within(quotes: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which places stand between an opening and a closing quote."""
    inside: NDArray[np.bool_] = np.searchsorted(quotes, places) % 2 == 1
    return inside


def _all_filled(data: NDArray[np.uint8], delimiter: int, ends: NDArray[np.intp]) -> bool:
    """Return whether every line holds more than delimiters, quotes and spaces."""
    blank = np.zeros(256, dtype=bool)
    blank[[delimiter, _NEWLINE, _QUOTE, *_SPACE]] = True
    places = np.flatnonzero(~blank[data])
    starts = np.concatenate(([0], ends[:-1] + 1))
    # One filled byte per line is enough: where is the next one after the start of each line?
    following = np.searchsorted(places, starts)
    return bool(len(places) and (following < len(places)).all() and (places[following] < ends).all())


def _count(places: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of the places lie on each line."""
    until = np.searchsorted(places, ends)
    return np.diff(until, prepend=0)


def _read(data: bytes, delimiter: str, width: int, positions: Mapping[str, int]) -> Columns | None:
    arrow_csv: Any = importlib.import_module("pyarrow.csv")
    names = [str(number) for number in range(width)]
    wanted = sorted({str(position) for position in positions.values()}, key=int)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, double_quote=False, newlines_in_values=False, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), include_columns=wanted, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns = {name: _whole(table.column(str(position))) for name, position in positions.items()}
    return Columns(np.arange(table.num_rows, dtype=np.int64), columns)


def _whole(column: Any) -> Texts:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=pa.large_string())


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8_LETTER: Final = re.compile(rb"[\xc3-\xf4][\x80-\xbf]{1,3}")
_LINE_END: Final = re.compile("\r\n|\r|\n")
_WIDE_SAMPLE: Final = 4096


def decode(data: bytes, encoding: str, file: str) -> tuple[str, str]:
    """Return a file's text without byte order mark, and the encoding it was read with.

    ``encoding`` 'auto' takes a byte order mark's word (UTF-8, UTF-16, UTF-32), else UTF-8, else cp1252. A file that is
    UTF-8 but for a few bytes is an error, not cp1252: reading it so would spoil every name with a diacritic.

    Raises:
        SourceError: the bytes are not text in that encoding; names line and column.

    """
    if encoding != "auto":
        return _strictly(data, encoding, file)
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strictly(data, name, file)
    _refuse_wide(data, file)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(data):
            line, column = place(data[: error.start].decode("utf-8"))
            byte = f"{data[error.start]:02X}"
            said = Sentence("sources.encoding.mixed", file=file, line=line, column=column, byte=byte)
            raise SourceError(said) from None
    return _strictly(data, "cp1252", file)


def _strictly(data: bytes, encoding: str, file: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    except LookupError:
        raise SourceError(Sentence("sources.encoding.unknown", file=file, encoding=encoding)) from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line, column = place(data[:start].decode(encoding, "replace").removeprefix("\ufeff"))
        where = {"file": file, "line": line, "column": column, "encoding": encoding}
        if start >= len(data):
            raise SourceError(Sentence("sources.encoding.bytes", **where)) from None
        raise SourceError(Sentence("sources.encoding.byte", byte=f"{data[start]:02X}", **where)) from None


def place(before: str) -> tuple[int, int]:
    """Return line and column (1-based) of what follows the text."""
    ends = list(_LINE_END.finditer(before))
    return len(ends) + 1, len(before) - (ends[-1].end() if ends else 0) + 1


def _is_mostly_utf8(data: bytes) -> bool:
    """Return whether more letters are well-formed UTF-8 than are not; in cp1252 text hardly any pair of bytes is."""
    whole = len(_UTF8_LETTER.findall(data))
    broken = sum(0xDC80 <= ord(letter) <= 0xDCFF for letter in data.decode("utf-8", "surrogateescape"))
    return whole > broken


def _refuse_wide(data: bytes, file: str) -> None:
    head = data[:_WIDE_SAMPLE]
    if head.count(0) * 4 > len(head):
        guess = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        raise SourceError(Sentence("sources.encoding.wide", file=file, guess=guess))
