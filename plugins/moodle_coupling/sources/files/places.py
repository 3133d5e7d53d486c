"""Where files lie: on a disk of this machine, or in any object storage that Airflow knows."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, Protocol

from moodle_coupling.errors import SourceError, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SCHEME: Final = "://"
_FILE: Final = "file://"
_DIGITS: Final = re.compile(r"(\d+)")
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Stat:
    """A file as its place tells of it; ``size`` in bytes, ``modified`` in UTC and None where the place does not know."""

    path: str
    size: int
    modified: dt.datetime | None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


class Place(Protocol):
    """A disk or an object storage."""

    def stat(self, path: str) -> Stat:
        """Look at one file; raises SourceError when it is not there."""

    def files(self, folder: str) -> list[Stat]:
        """List the files directly in a folder."""

    def read(self, path: str) -> bytes:
        """Give all bytes of a file."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The bytes of a file, whole; ``where`` is the path or address it was taken from."""

    where: str
    data: bytes
    modified: dt.datetime | None


def take(
    where: str,
    newest_by: Literal["name", "modified"],
    check_size: Callable[[int, str], None] = lambda _size, _where: None,
) -> Taken:
    """Read a file, or the newest of those that ``where`` (an absolute path or an address) means with ``*`` and ``?``.

    ``check_size`` is asked with its size and name before a byte is read, and raises where that is too much.

    Raises:
        SourceError: it is not there, may not be read, or nothing matches.
        SourceUnavailable: the place cannot be reached, or the file is being written just now.

    """
    place, path = _open(where)
    found = _newest(place, path, where, newest_by) if _is_pattern(path) else place.stat(path)
    where = f"{where.rpartition('/')[0]}/{found.name}" if _is_pattern(path) else where
    check_size(found.size, where)
    data = place.read(found.path)
    after = place.stat(found.path)
    if len(data) != after.size or (after.size, after.modified) != (found.size, found.modified):
        msg = (
            f"{where} changed while it was read ({len(data)} bytes came, it has {after.size}): it is probably being "
            "written. Nothing was taken from it; read it again when the export is done. Exports that write under "
            "another name and rename the file at the end do not have this."
        )
        raise SourceUnavailable(msg)
    return Taken(where, data, found.modified)


def _open(where: str) -> tuple[Place, str]:
    if where.startswith(_FILE):
        where = where.removeprefix(_FILE)
    if _SCHEME not in where:
        return _Disk(), where
    from moodle_coupling.sources.files.object_storage import open_storage

    return open_storage(where)


def _is_pattern(path: str) -> bool:
    return any(sign in PurePosixPath(path).name for sign in "*?")


def _newest(place: Place, path: str, where: str, newest_by: Literal["name", "modified"]) -> Stat:
    folder, pattern = str(PurePosixPath(path).parent), PurePosixPath(path).name
    there = place.files(folder)
    escaped = pattern.replace("[", "[[]")
    matching = [stat for stat in there if fnmatch.fnmatchcase(stat.name, escaped)]
    if not matching:
        names = sorted(stat.name for stat in there)
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        msg = f"{where}: no file is called that (source.path). In that folder are: {shown or 'no files'}."
        raise SourceError(msg)
    if newest_by == "name":
        return max(matching, key=lambda stat: _by_number(stat.name))
    return _last_modified(matching, where)


def _last_modified(matching: Sequence[Stat], where: str) -> Stat:
    dated = [(stat.modified, _by_number(stat.name), stat) for stat in matching if stat.modified is not None]
    if len(dated) < len(matching):
        msg = f"{where}: this place does not tell when a file changed. Say source.newest_by: name."
        raise SourceError(msg)
    return max(dated, key=lambda each: each[:2])[2]


def _by_number(name: str) -> list[str | int]:
    """Return a key by which persons-10 comes after persons-9."""
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(name)]


class _Disk:
    def stat(self, path: str) -> Stat:
        try:
            found = Path(path).stat()
        except OSError as error:
            raise _refused(path, error) from error
        return Stat(path, found.st_size, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC))

    def files(self, folder: str) -> list[Stat]:
        try:
            paths = [path for path in Path(folder).iterdir() if path.is_file()]
        except OSError as error:
            raise _refused(folder, error) from error
        return [self.stat(str(path)) for path in paths]

    def read(self, path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise _refused(path, error) from error


def _refused(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path} does not exist (source.path). A relative path starts at the mapping file's folder.")
    return SourceError(f"{path} cannot be read (source.path): {error.strerror or error}.")
