"""From the bytes of a file to its text: byte order marks, UTF-8, else cp1252, and errors that say where."""

from __future__ import annotations

import codecs
import re
from typing import Final

from moodle_coupling.errors import SourceError

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
            msg = (
                f"{file}, line {line}, column {column}: byte 0x{data[error.start]:02X} is not UTF-8, while the rest of the "
                "file is. Two files of different encodings were probably joined; save it again as UTF-8, or set "
                "source.encoding in the mapping file."
            )
            raise SourceError(msg) from None
    return _strictly(data, "cp1252", file)


def _strictly(data: bytes, encoding: str, file: str) -> tuple[str, str]:
    try:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    except LookupError:
        msg = (
            f"{file}: '{encoding}' is not an encoding that Python knows. Set source.encoding to auto, utf-8 or cp1252."
        )
        raise SourceError(msg) from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line, column = place(data[:start].decode(encoding, "replace").removeprefix("\ufeff"))
        shown = f"byte 0x{data[start]:02X} is" if start < len(data) else "the bytes are"
        msg = (
            f"{file}, line {line}, column {column}: {shown} no text in {encoding}. Save the file as UTF-8, or set "
            "source.encoding in the mapping file to what it is."
        )
        raise SourceError(msg) from None


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
        msg = (
            f"{file}: every other byte is NUL, so this is no UTF-8. It looks like UTF-16 without a byte order mark: set "
            f"source.encoding: {guess} in the mapping file, or save it as UTF-8."
        )
        raise SourceError(msg)
