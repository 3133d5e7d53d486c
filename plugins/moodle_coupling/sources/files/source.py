"""Persons from a file: CSV, XLSX or Parquet."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CouplingError, SourceError
from moodle_coupling.sources.caps import Caps
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.files.csv_file import read_csv
from moodle_coupling.sources.files.places import take
from moodle_coupling.sources.files.staleness import age_problem
from moodle_coupling.sources.files.xlsx_file import read_xlsx
from moodle_coupling.sources.selecting import only
from moodle_coupling.sources.watermark import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moodle_coupling.mapping import AnySource, FileSource
    from moodle_coupling.sources.extract import Extract
    from moodle_coupling.sources.files.places import Taken

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET: Final = (b"PAR1", b"PARE")
_NAMES: Final = {"csv": "a text", "xlsx": "an Excel workbook (.xlsx) or ZIP", "parquet": "a Parquet file"}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class FileReader:
    """A file of persons, or the newest of several; it is always read as a whole."""

    settings: FileSource
    base: Path
    now: Callable[[], dt.datetime] = _now
    kind: str = "file"
    incremental: bool = False

    @property
    def where(self) -> str:
        """The absolute path, or the address."""
        return self.settings.where(self.base)

    def extract(self, wanted: Wanted) -> Extract:
        """Read the file; of mode ids only those persons come through.

        Raises:
            SourceError: the file is not there, cannot be read as a whole (names line and column where there are), or is
                old and the mapping says to refuse that.
            SourceUnavailable: its place cannot be reached, or it is being written.

        """
        caps = Caps.configured()
        taken = take(self.where, self.settings.newest_by, caps.check_size)
        fingerprint = hashlib.sha256(taken.data).hexdigest()
        seen = self._seen(fingerprint, wanted)
        warnings = self._warnings(taken, seen, wanted)
        found = read_file(taken.data, self.settings, taken.where, caps)
        found = replace(
            found,
            notes={**found.notes, "file": taken.where},
            watermark=seal(self.settings, {"sha256": fingerprint, "seen": (seen or self.now()).isoformat()}),
            fingerprint=fingerprint,
            warnings=(*found.warnings, *warnings),
        )
        return only(found, wanted.ids) if wanted.mode is Mode.IDS else found

    def _seen(self, fingerprint: str, wanted: Wanted) -> dt.datetime | None:
        last = unseal(self.settings, wanted.since)
        # A clock that was ahead when the file was first seen would keep it new until then.
        return min(dt.datetime.fromisoformat(last["seen"]), self.now()) if last.get("sha256") == fingerprint else None

    def _warnings(self, taken: Taken, seen: dt.datetime | None, wanted: Wanted) -> tuple[str, ...]:
        problem = "" if self.settings.stale == "allow" else age_problem(taken, self.settings, seen, self.now())
        # Some persons by hand are no nightly run: an old file is told then, and used.
        if problem and self.settings.stale == "refuse" and wanted.mode is not Mode.IDS and not wanted.ids:
            raise SourceError(problem)
        return (problem,) if problem else ()


def read_persons(source: AnySource | list[AnySource], base: Path) -> Extract:
    """Return everyone in a source, as text and not cleaned, with the lines that could not be read.

    ``base`` is the folder a relative path starts at: the mapping file's.

    Raises:
        SourceError: it is not there or cannot be read as a whole; names file, line and column where there are.

    """
    from moodle_coupling.sources.opening import open_settings

    return open_settings(source, base).extract(Wanted())


def read_file(data: bytes, settings: FileSource, file: str, caps: Caps | None = None) -> Extract:
    """Return the persons of a file's bytes; ``file`` is how errors call it. With format 'auto' the content decides.

    Raises:
        SourceError: it cannot be read as a whole; names line and column where there are.

    """
    caps = caps or Caps.configured()
    caps.check_size(len(data), file)
    found = _format(data, file)
    if settings.format not in {"auto", found}:
        msg = (
            f"{file} is {_NAMES[found]}, and source.format says {settings.format}. Set it to {found} or auto, or put the "
            "right file there."
        )
        raise SourceError(msg)
    try:
        return _reader(found)(data, settings, file, caps)
    except CouplingError:
        raise
    except Exception as error:
        # Its text is not repeated: it may hold what stands in a cell.
        msg = (
            f"{file} cannot be read as {found} ({type(error).__name__}): something in it is as no program should write it. Have it "
            "exported or saved again, or set source.format to what it is."
        )
        raise SourceError(msg) from error


def _reader(format_: str) -> Callable[[bytes, FileSource, str, Caps], Extract]:
    if format_ == "csv":
        return read_csv
    if format_ == "xlsx":
        return read_xlsx
    from moodle_coupling.sources.files.parquet_file import read_parquet

    return read_parquet


def _format(data: bytes, file: str) -> str:
    if data.startswith(_OLE):
        msg = (
            f"{file} is an old Excel file (.xls) or is protected with a password; neither can be read here. Open it in "
            "Excel and save it, without a password, as an Excel workbook (.xlsx) or as CSV UTF-8."
        )
        raise SourceError(msg)
    if data.startswith(_ZIP):
        return "xlsx"
    return "parquet" if data.startswith(_PARQUET) else "csv"
