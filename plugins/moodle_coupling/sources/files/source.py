"""Persons from a file: CSV, XLSX or Parquet."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CouplingError, SourceError
from moodle_coupling.sources.contract import Mode, Wanted, seal, unseal
from moodle_coupling.sources.files.csv_file import read_csv
from moodle_coupling.sources.files.places import Caps, take
from moodle_coupling.sources.files.xlsx_sheet import read_xlsx
from moodle_coupling.sources.persons import only
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.sources.files.places import Taken
    from moodle_coupling.sources.files.settings import FileSource


_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET: Final = (b"PAR1", b"PARE")
_NAMES: Final = {
    "csv": Sentence("sources.file.kind.csv"),
    "xlsx": Sentence("sources.file.kind.xlsx"),
    "parquet": Sentence("sources.file.kind.parquet"),
}


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

    def _warnings(self, taken: Taken, seen: dt.datetime | None, wanted: Wanted) -> tuple[Sentence, ...]:
        problem = None if self.settings.stale == "allow" else age_problem(taken, self.settings, seen, self.now())
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
        raise SourceError(
            Sentence("sources.file.other_format", file=file, kind=_NAMES[found], format=settings.format, found=found)
        )
    try:
        return _reader(found)(data, settings, file, caps)
    except CouplingError:
        raise
    except Exception as error:
        # Its text is not repeated: it may hold what stands in a cell.
        raise SourceError(
            Sentence("sources.file.unreadable", file=file, format=found, error=type(error).__name__)
        ) from error


def _reader(format_: str) -> Callable[[bytes, FileSource, str, Caps], Extract]:
    if format_ == "csv":
        return read_csv
    if format_ == "xlsx":
        return read_xlsx
    from moodle_coupling.sources.files.parquet_file import read_parquet

    return read_parquet


def _format(data: bytes, file: str) -> str:
    if data.startswith(_OLE):
        raise SourceError(Sentence("sources.file.old_excel", file=file))
    if data.startswith(_ZIP):
        return "xlsx"
    return "parquet" if data.startswith(_PARQUET) else "csv"


_CLOCKS_DIFFER: Final = dt.timedelta(days=1)


def age_problem(taken: Taken, settings: FileSource, seen: dt.datetime | None, now: dt.datetime) -> Sentence | None:
    """Say why a file is old, None when it is not.

    ``seen`` is when a good run first saw this very content, None when none did. A file that was put there again with
    the same content is therefore as old as its content.
    """
    if seen is not None and settings.max_age_hours == 0:
        return _old(taken, Sentence("sources.file.old.same_content", seen=_shown(seen)))
    if taken.modified is not None and taken.modified - now > _CLOCKS_DIFFER:
        return Sentence("sources.file.in_the_future", file=taken.where, written=_shown(taken.modified))
    limit = dt.timedelta(hours=settings.max_age_hours)
    if not limit:
        return None
    if taken.modified is not None and (age := now - taken.modified) > limit:
        shown: dict[str, str | int] = {
            "written": _shown(taken.modified),
            "hours": _hours(age),
            "most": settings.max_age_hours,
        }
        return _old(taken, Sentence("sources.file.old.written", **shown))
    if seen is not None and (age := now - seen) > limit:
        shown = {"seen": _shown(seen), "hours": _hours(age), "most": settings.max_age_hours}
        return _old(taken, Sentence("sources.file.old.unchanged", **shown))
    return None


def _old(taken: Taken, why: Sentence) -> Sentence:
    return Sentence("sources.file.old", file=taken.where, why=why)


def _shown(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hours(passed: dt.timedelta) -> int:
    return int(passed.total_seconds() // 3600)
