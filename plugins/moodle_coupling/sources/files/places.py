"""Where files lie: on a disk of this machine, or in any object storage that Airflow knows."""

from __future__ import annotations

import datetime as dt
import fnmatch
import importlib
import queue
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from moodle_coupling import settings
from moodle_coupling.errors import SourceError, SourceUnavailable
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits; sizes in bytes. Each check raises SourceError, which says how much there was and which option raises it."""

    file_bytes: int
    unpacked_bytes: int
    rows: int
    columns: int
    cell_characters: int

    @classmethod
    def configured(cls) -> Caps:
        """Return what Airflow's configuration says."""
        return cls(
            settings.file_megabytes() * MEGABYTE,
            settings.file_unpacked_megabytes() * MEGABYTE,
            settings.file_rows(),
            settings.file_columns(),
            settings.file_cell_characters(),
        )

    def check_size(self, size: int, file: str) -> None:
        """Refuse a file of too many bytes."""
        if size > self.file_bytes:
            _refuse(Sentence("sources.too_large.bytes", file=file, size=size, limit=self.file_bytes), "file_megabytes")

    def check_unpacked(self, size: int, file: str) -> None:
        """Refuse a file that unpacks to too many bytes."""
        if size > self.unpacked_bytes:
            _refuse(
                Sentence("sources.too_large.unpacked", file=file, size=size, limit=self.unpacked_bytes),
                "file_unpacked_megabytes",
            )

    def check_rows(self, number: int, place: Sentence | str) -> None:
        """Refuse a row beyond the last that is allowed."""
        if number > self.rows:
            _refuse(Sentence("sources.too_large.rows", place=place, number=number, limit=self.rows), "file_rows")

    def check_columns(self, number: int, place: Sentence | str) -> None:
        """Refuse a column beyond the last that is allowed."""
        if number > self.columns:
            _refuse(
                Sentence("sources.too_large.columns", place=place, number=number, limit=self.columns), "file_columns"
            )


def _refuse(what: Sentence, option: str) -> None:
    raise SourceError(in_turn([what, Sentence("sources.too_large", option=f"[{settings.SECTION}] {option}")]))


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
        raise SourceUnavailable(
            Sentence("sources.place.changed_while_read", where=where, came=len(data), size=after.size)
        )
    return Taken(where, data, found.modified)


def _open(where: str) -> tuple[Place, str]:
    if where.startswith(_FILE):
        where = where.removeprefix(_FILE)
    if _SCHEME not in where:
        return _Disk(), where
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
        if not names:
            raise SourceError(Sentence("sources.place.empty_folder", where=where))
        shown: Sentence | str = ", ".join(names[:_SHOWN])
        if len(names) > _SHOWN:
            shown = Sentence("sources.place.more", names=shown, n=len(names) - _SHOWN)
        raise SourceError(Sentence("sources.place.no_such_name", where=where, shown=shown))
    if newest_by == "name":
        return max(matching, key=lambda stat: _by_number(stat.name))
    return _last_modified(matching, where)


def _last_modified(matching: Sequence[Stat], where: str) -> Stat:
    dated = [(stat.modified, _by_number(stat.name), stat) for stat in matching if stat.modified is not None]
    if len(dated) < len(matching):
        raise SourceError(Sentence("sources.place.no_dates", where=where))
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
        return SourceError(Sentence("sources.place.absent_on_disk", path=path))
    return SourceError(Sentence("sources.place.unreadable_on_disk", path=path, reason=error.strerror or str(error)))


_EXTRAS: Final = {
    "s3": "s3",
    "s3a": "s3",
    "s3n": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
    "sftp": "sftp",
    "ssh": "sftp",
}
_NOT_LET_IN: Final = re.compile(
    r"permission|denied|forbidden|credential|auth|token|hostkey|nosuch|notfound", re.IGNORECASE
)
"""In the name of an error: it will not pass by itself."""
_QUERY: Final = re.compile(r"\?\S+")
"""What follows an address after '?': signatures of shared links stand there."""
_MODIFIED: Final = ("mtime", "LastModified", "last_modified", "updated", "modified")
"""Under which of these keys S3, GCS, Azure and SFTP tell when a file changed; the first is used."""


def open_storage(where: str) -> tuple[Storage, str]:
    """Give the storage that an address means, and the path in it; ``scheme://connection@bucket/path`` names a connection.

    Without a connection the storage's own ways are used (environment, machine role, anonymous).

    Raises:
        SourceError: the provider for it is not installed, or there is no such connection.

    """
    from airflow.sdk import BaseHook, ObjectStoragePath

    from moodle_coupling.airflow_internals import has_filesystem

    scheme = where.partition("://")[0]
    with _told(where):
        try:
            path = ObjectStoragePath(where)
            if path.conn_id:
                # Some providers quietly use the machine's own credentials when there is no such connection.
                BaseHook.get_connection(path.conn_id)
            system = path.fs if has_filesystem(scheme) or path.conn_id else _without_airflow(where, scheme)
        except ValueError as error:
            raise _provider_missing(where, scheme) from error
        return Storage(system, where), str(path.path)


def _without_airflow(where: str, scheme: str) -> Any:
    """Give the storage as its own library has it, with the machine's own credentials."""
    fsspec: Any = importlib.import_module("fsspec")
    try:
        return fsspec.filesystem(scheme)
    except ImportError as error:
        raise _provider_missing(where, scheme) from error


def _provider_missing(where: str, scheme: str) -> SourceError:
    extra = _EXTRAS.get(scheme)
    install = f"airflow-moodle-coupling[{extra}]" if extra else Sentence("sources.place.the_provider")
    return SourceError(Sentence("sources.place.provider_missing", where=where, scheme=scheme, extra=install))


_LOOK_SECONDS: Final = 60.0
_READ_SECONDS: Final = 900.0
"""How long an answer may take. Some file systems wait for ever when a connection has died (sshfs 2026.8)."""


def _in_time(seconds: float, work: Callable[[], Any]) -> Any:
    answers: queue.Queue[tuple[Any, Exception | None]] = queue.Queue(1)

    def run() -> None:
        try:
            answers.put((work(), None))
        except Exception as error:  # noqa: BLE001  # carried over to the caller
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(Sentence("sources.place.no_answer", seconds=f"{seconds:g}")) from None
    if error is not None:
        raise error
    return found


class Storage:
    """One storage (an fsspec file system)."""

    def __init__(self, system: Any, where: str) -> None:
        self._system = system
        self._where = where

    def stat(self, path: str) -> Stat:
        """Look at one file, not at what was heard of it earlier."""
        with _told(self._where):
            self._system.invalidate_cache()
            found = _in_time(_LOOK_SECONDS, lambda: self._system.info(path))
            if found.get("type") == "directory":
                raise SourceError(Sentence("sources.place.folder", where=self._where))
            return self._stat(found)

    def files(self, folder: str) -> list[Stat]:
        """List the files directly in a folder."""
        with _told(self._where):
            self._system.invalidate_cache()
            listed = _in_time(_LOOK_SECONDS, lambda: self._system.ls(folder, detail=True))
            return [self._stat(each) for each in listed if each.get("type") != "directory"]

    def read(self, path: str) -> bytes:
        """Give all bytes of a file."""
        with _told(self._where):
            return bytes(_in_time(_READ_SECONDS, lambda: self._system.cat_file(path)))

    def _stat(self, found: dict[str, Any]) -> Stat:
        return Stat(str(found["name"]), int(found["size"] or 0), self._modified(found))

    def _modified(self, found: dict[str, Any]) -> dt.datetime | None:
        value = next((found[key] for key in _MODIFIED if found.get(key) is not None), None)
        if value is None:
            try:
                value = _in_time(_LOOK_SECONDS, lambda: self._system.modified(found["name"]))
            except NotImplementedError:
                return None
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        if isinstance(value, int | float):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        if not isinstance(value, dt.datetime):
            return None
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say what went wrong in our words: every storage has errors of its own, which share no class."""
    try:
        yield
    except (SourceError, SourceUnavailable):
        raise
    except FileNotFoundError as error:
        raise SourceError(Sentence("sources.place.absent", where=where)) from error
    except Exception as error:  # botocore, asyncssh, azure, google: each has a tree of its own
        ours = next((part for part in error.args if isinstance(part, Sentence)), None)
        said = ours or _QUERY.sub("?…", str(error)).strip()[:300] or Sentence("sources.nothing_said")
        failed = Sentence("sources.place.unreadable", where=where, error=type(error).__name__, said=said)
        names = " ".join(kind.__name__ for kind in type(error).__mro__)
        if isinstance(error, ImportError) or _NOT_LET_IN.search(names):
            raise SourceError(in_turn([failed, Sentence("sources.place.look_at_the_connection")])) from error
        raise SourceUnavailable(failed) from error
