"""Persons from a file: CSV, XLSX or Parquet."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CouplingError, SourceError
from moodle_coupling.sources.contract import Mode, Wanted, seal, unseal
from moodle_coupling.sources.files.caps import Caps
from moodle_coupling.sources.files.csv_file import read_csv
from moodle_coupling.sources.files.places import take
from moodle_coupling.sources.files.xlsx_sheet import read_xlsx
from moodle_coupling.sources.persons import only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moodle_coupling.mapping import FileSource
    from moodle_coupling.sources.contract import Extract
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


_CLOCKS_DIFFER: Final = dt.timedelta(days=1)


def age_problem(taken: Taken, settings: FileSource, seen: dt.datetime | None, now: dt.datetime) -> str:
    """Say why a file is old, '' when it is not.

    ``seen`` is when a good run first saw this very content, None when none did. A file that was put there again with
    the same content is therefore as old as its content.
    """
    if seen is not None and settings.max_age_hours == 0:
        return _sentence(taken, f"its content is that of the last good run, first seen at {_shown(seen)}")
    if taken.modified is not None and taken.modified - now > _CLOCKS_DIFFER:
        return (
            f"{taken.where} is dated {_shown(taken.modified)}, which is later than now: how old it is cannot be told, and "
            "source.newest_by 'modified' takes it for the newest as long as it is there. Look at the clock of whoever wrote it, "
            "and write it anew."
        )
    limit = dt.timedelta(hours=settings.max_age_hours)
    if not limit:
        return ""
    told = f"source.max_age_hours is {settings.max_age_hours}"
    if taken.modified is not None and now - taken.modified > limit:
        return _sentence(
            taken, f"it was written at {_shown(taken.modified)} ({_hours(now - taken.modified)} ago; {told})"
        )
    if seen is not None and now - seen > limit:
        return _sentence(taken, f"its content has not changed since {_shown(seen)} ({_hours(now - seen)} ago; {told})")
    return ""


def _sentence(taken: Taken, why: str) -> str:
    return (
        f"{taken.where} is old: {why}. See whether the export that writes it has run. source.stale in the mapping file says "
        "what is done with an old file (warn, refuse, allow)."
    )


def _shown(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hours(passed: dt.timedelta) -> str:
    return f"{int(passed.total_seconds() // 3600)} hours"
