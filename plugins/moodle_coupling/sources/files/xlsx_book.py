"""An XLSX file as what is in it: sheets, shared texts and number formats; styles, views and charts may be as faulty as they like."""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from moodle_coupling.errors import SourceError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moodle_coupling.sources.files.places import Caps

_CHUNK: Final = 256 * 1024
_ESCAPE: Final = re.compile("((?:_x[0-9A-Fa-f]{4}_)+)")
LIBRARY_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, expat.ExpatError, EOFError, OSError, NotImplementedError, RuntimeError,
    ValueError, KeyError, IndexError, TypeError, OverflowError,
)  # fmt: skip
"""What zipfile, its packings and expat raise for bytes that are no workbook."""
_OTHERS: Final = {
    "xl/workbook.bin": Sentence("sources.xlsx.kind.xlsb"),
    "content.xml": Sentence("sources.xlsx.kind.ods"),
    "word/document.xml": Sentence("sources.xlsx.kind.word"),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet with cells: its title, the name of its XML in the ZIP, and whether people see it."""

    title: str
    member: str
    visible: bool


@dataclass(slots=True)
class Book:
    """An opened workbook. ``formats`` is the number format of each cell style; ``unread`` says what could not be read of it."""

    archive: zipfile.ZipFile
    caps: Caps
    file: str
    sheets: list[Sheet] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    since_1904: bool = False
    unread: tuple[Sentence, ...] = ()
    _names: dict[str, str] = field(default_factory=dict)
    _unpacked: dict[str, int] = field(default_factory=dict)

    def chunks(self, member: str) -> Iterator[bytes]:
        """Give the bytes of a member of the ZIP; raises SourceError when the file unpacks to more than the setting allows."""
        with self.archive.open(self._names[_plain(member)]) as stream:
            size = 0
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                # A sheet is gone through twice, and counts once.
                self._unpacked[member] = max(size, self._unpacked.get(member, 0))
                self.caps.check_unpacked(sum(self._unpacked.values()), self.file)
                yield chunk

    def has(self, member: str) -> bool:
        """Tell whether the ZIP has a member, whatever its letter case."""
        return _plain(member) in self._names


def open_book(data: bytes, caps: Caps, file: str) -> Book:
    """Open a workbook, strict Open XML as well as the usual kind.

    Raises:
        SourceError: it is no XLSX, or larger than the settings allow.

    """
    with told(file):
        book = Book(zipfile.ZipFile(io.BytesIO(data)), caps, file)
        book._names = {_plain(name): name for name in book.archive.namelist()}  # noqa: SLF001  # its own maker
        main = _main_part(book)
        links = _links(book, main)
        _read_sheets(book, main, links)
        for kind, read in (("sharedStrings", _read_texts), ("styles", _read_formats)):
            member = next((target for target, type_ in links.values() if type_ == kind), "")
            if member and book.has(member):
                read(book, member)
    return book


@contextmanager
def told(file: str) -> Iterator[None]:
    """Say what zipfile and expat raise as one sentence."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        ours = next((part for part in error.args if isinstance(part, Sentence)), None)
        said = ours or str(error).partition("\n")[0][:120] or type(error).__name__
        raise SourceError(Sentence("sources.xlsx.unreadable", file=file, said=said)) from error


def parse(chunks: Iterator[bytes], start: Callable[[str, dict[str, str]], None], **handlers: Any) -> Iterator[None]:
    """Parse XML piece by piece, giving control after each; names come without namespace. A DOCTYPE is refused (entity bombs)."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    if end := handlers.get("end"):
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    if characters := handlers.get("characters"):
        parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for chunk in chunks:
        parser.Parse(chunk, False)  # noqa: FBT003  # expat's own signature
        yield
    parser.Parse(b"", True)  # noqa: FBT003
    yield


def unescaped(text: str) -> str:
    """Return a text with Excel's ``_xHHHH_`` read: ``_x000D_`` is a carriage return, ``_x005F_`` an underscore."""
    return _ESCAPE.sub(_letters, text) if "_x" in text else text


def _letters(found: re.Match[str]) -> str:
    units = [int(code, 16) for code in re.findall("_x([0-9A-Fa-f]{4})_", found[0])]
    return struct.pack(f"<{len(units)}H", *units).decode("utf-16-le", "replace")


def _refuse_doctype(*_: object) -> None:
    raise ValueError(Sentence("sources.xlsx.doctype"))


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _local(attributes: dict[str, str]) -> dict[str, str]:
    return {name.rpartition(":")[2]: value for name, value in attributes.items()}


def _elements(book: Book, member: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for _ in parse(book.chunks(member), lambda name, attributes: found.append((name, _local(attributes)))):
        pass
    return found


def _main_part(book: Book) -> str:
    if book.has("_rels/.rels"):
        for name, said in _elements(book, "_rels/.rels"):
            if name == "Relationship" and said.get("Type", "").endswith("/officeDocument") and book.has(said["Target"]):
                main = said["Target"].lstrip("/")
                if main.endswith(".xml") and "word/" not in main:
                    return main
    if book.has("xl/workbook.xml"):
        return "xl/workbook.xml"
    kind = next((kind for name, kind in _OTHERS.items() if book.has(name)), Sentence("sources.xlsx.kind.zip"))
    raise SourceError(Sentence("sources.xlsx.no_workbook", file=book.file, kind=kind))


def _links(book: Book, main: str) -> dict[str, tuple[str, str]]:
    """Return the workbook's parts by their id: name in the ZIP, and kind."""
    folder, name = posixpath.split(main)
    member = f"{folder}/_rels/{name}.rels"
    if not book.has(member):
        return {}
    return {
        said["Id"]: (
            posixpath.normpath(posixpath.join("/", folder, said["Target"])),
            said.get("Type", "").rpartition("/")[2],
        )
        for tag, said in _elements(book, member)
        if tag == "Relationship" and "Id" in said and "Target" in said
    }


def _read_sheets(book: Book, main: str, links: dict[str, tuple[str, str]]) -> None:
    for name, said in _elements(book, main):
        if name == "workbookPr":
            book.since_1904 = said.get("date1904", "") in ("1", "true")
        elif name == "sheet":
            target, kind = links.get(said.get("id", ""), ("", ""))
            if kind == "worksheet" and book.has(target):
                book.sheets.append(Sheet(said.get("name", ""), target, said.get("state", "visible") == "visible"))


def _read_texts(book: Book, member: str) -> None:
    shared = _SharedTexts(book)
    for _ in parse(book.chunks(member), shared.start, end=shared.end, characters=shared.characters):
        pass


class _SharedTexts:
    """Takes the texts that cells share; those of a furigana reading are no part of them."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._parts: list[str] = []
        self._inside = self._phonetic = False
        self._room = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        if name == "si":
            self._parts, self._room = [], self._book.caps.cell_characters + 1
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._inside = not self._phonetic

    def end(self, name: str) -> None:
        if name == "t":
            self._inside = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self._book.texts.append(unescaped("".join(self._parts)))

    def characters(self, text: str) -> None:
        # One character more than is allowed is enough to know that it is too long.
        if self._inside and self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)


def _read_formats(book: Book, member: str) -> None:
    """Read which number format each cell style has; nothing else of the styles is of use here."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    own: dict[str, str] = {}
    used: list[str] = []
    inside = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if name == "numFmt" and "numFmtId" in attributes:
            own.setdefault(attributes["numFmtId"], attributes.get("formatCode", ""))
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            used.append(attributes.get("numFmtId", "0"))

    def end(name: str) -> None:
        nonlocal inside
        inside = inside and name != "cellXfs"

    try:
        for _ in parse(book.chunks(member), start, end=end):
            pass
    except expat.ExpatError:
        book.unread = (Sentence("sources.xlsx.styles_damaged", file=book.file),)
    builtin = {str(number): code for number, code in BUILTIN_FORMATS.items()}
    book.formats = [own.get(id_) or builtin.get(id_, "General") for id_ in used]
