"""Texts of others made harmless where a program would read more into them: Markdown, and cells of a spreadsheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_MARKUP: Final = {letter: _ENTITIES.get(letter, f"\\{letter}") for letter in "&<>|\\`*_[]~#"}
_MARKED: Final = re.compile(r"[&<>|\\`*_\[\]~#]")
_JOINER: Final = "&#8288;"
"""U+2060, which has no width and stands between two letters where no line may break."""
_ADDRESS: Final = re.compile(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)|(?<=mailto:)|(?<=xmpp:)", re.IGNORECASE)
_BEGINNING: Final = re.compile(r"\A[0-9]{0,9}(?=[-+=.)])")
_TICKS: Final = re.compile("`+")


def plain(text: object) -> str:
    """Give a text on one line that shows as it is wherever it stands in Markdown, in a table too, whatever was in it.

    Airflow's pages and others make links of addresses after all escapes are undone, so an address is broken by a letter without width.
    """
    line = " ".join(str(text).split())
    pieces = (_MARKED.sub(lambda found: _MARKUP[found[0]], piece) for piece in _ADDRESS.split(line))
    # What would begin a list or underline a heading: '1.', '-', '+', '='.
    return _BEGINNING.sub(lambda found: f"{found[0]}\\", _JOINER.join(pieces), count=1) if line else ""


def fenced(text: str) -> str:
    """Give a text of several lines as it is, in a block that nothing in it can end."""
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def code(text: object) -> str:
    """Give a text as code on one line; nothing in it can end the code. Not for tables."""
    line = " ".join(str(text).split())
    fence = "`" * (1 + max(map(len, _TICKS.findall(line)), default=0))
    return f"{fence} {line} {fence}" if line[:1] == "`" or line[-1:] == "`" else f"{fence}{line}{fence}"


_SIGNS: Final = "=+@\u2212\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b-"
"""What begins a formula, in wide and small letters too, which some spreadsheets narrow."""
_SKIPPED: Final = (
    "\\s\"'`\u00b4\u2018-\u201f\u00ab\u00bb\u2039\u203a\x00-\x1f\x7f-\xa0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
)
"""What a spreadsheet, or whoever cleans a file, may drop before a sign: white space, quotes, what has no width."""
_SPLITTERS: Final = ",;|\\t\\r\\n\\x0b\\x0c\\x85\u2028\u2029\uff0c\uff1b"
_FIRST: Final = re.compile(rf"[\t\r\n]|[{_SKIPPED},;|\uff0c\uff1b]*+[{_SIGNS}]")
# A row of splitters and of what is dropped is taken whole, sign or no sign, and not looked at again: no text makes this slow.
_LATER: Final = re.compile(rf"([{_SPLITTERS}][{_SKIPPED}{_SPLITTERS}]*+)([{_SIGNS}])?")
_LATER_JSON: Final = re.compile(rf"([{_SPLITTERS}\[{{:\"][{_SKIPPED}{_SPLITTERS}\[{{:]*+)([{_SIGNS}])?")


def is_risky(text: str) -> bool:
    """Tell whether a spreadsheet may take a text, as the whole of a cell, for a formula."""
    return _FIRST.match(text) is not None


def guarded(text: str) -> str:
    """Give a text for a CSV of which no part begins a formula, wherever a spreadsheet splits it.

    An apostrophe stands in front, which spreadsheets know and our own sources take off again; and another within the text where
    a sign follows a comma, a semicolon, a bar or a line end.
    """
    inner = _LATER.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[0], text)
    return f"'{inner}" if is_risky(text) else inner


def guarded_json(text: str) -> str:
    """Give JSON that means the same, in which no formula begins where a spreadsheet may split it."""
    escaped = _LATER_JSON.sub(lambda found: rf"{found[1]}\u{ord(found[2]):04x}" if found[2] else found[0], text)
    try:
        return escaped if json.loads(escaped) == json.loads(text) else text
    except ValueError:  # a negative number, in which no formula can stand
        return text


_AT_ONCE: Final = 1000
"""Rows written at a time."""


def as_csv(rows: Iterable[Sequence[Any]], separator: str) -> Iterator[str]:
    """Write rows as CSV, a part at a time; it begins with the mark by which spreadsheets know UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator)
    buffer.write("\ufeff")
    for number, row in enumerate(rows):
        writer.writerow([_plain(value) for value in row])
        if number % _AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"
    return guarded("" if value is None else str(value))
