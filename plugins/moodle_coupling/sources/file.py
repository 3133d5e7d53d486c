"""Persons from a file: CSV or XLSX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.csv_file import read_csv
from moodle_coupling.sources.selecting import only
from moodle_coupling.sources.xlsx_file import read_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.extract import Extract

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class FileReader:
    """A file of persons: it is always read as a whole."""

    settings: FileSource
    base: Path
    kind: str = "file"
    incremental: bool = False

    @property
    def where(self) -> str:
        """The path."""
        return str(self.base / self.settings.path)

    def extract(self, wanted: Wanted) -> Extract:
        """Read the file; of mode ids only those persons come through."""
        extract = read_persons(self.settings, self.base)
        return only(extract, wanted.ids) if wanted.mode is Mode.IDS else extract


def read_persons(source: FileSource, base: Path) -> Extract:
    """Return the persons of a file, as text and not cleaned, with the lines that could not be read.

    ``base`` is the folder a relative path starts at: the mapping file's. With format 'auto' the content decides.

    Raises:
        SourceError: the file is not there or cannot be read as a whole; names file, line and column where there are.

    """
    path = base / source.path
    data = _bytes(path)
    if data.startswith(_OLE):
        msg = (
            f"{path} is an old Excel file (.xls) or is protected with a password; neither can be read here. Open it in "
            "Excel and save it, without a password, as an Excel workbook (.xlsx) or as CSV UTF-8."
        )
        raise SourceError(msg)
    zipped = data.startswith(_ZIP)
    if source.format == "csv" and zipped:
        msg = f"{path} is a ZIP or Excel workbook, and source.format says csv. Set it to xlsx or auto."
        raise SourceError(msg)
    if source.format == "xlsx" and not zipped:
        msg = f"{path} is no Excel workbook (.xlsx), and source.format says xlsx. Set it to csv or auto."
        raise SourceError(msg)
    return read_xlsx(data, source, str(path)) if zipped else read_csv(data, source, str(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"{path} does not exist (source.path). A relative path starts at the mapping file's folder."
        raise SourceError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read (source.path): {error.strerror or error}."
        raise SourceError(msg) from error
