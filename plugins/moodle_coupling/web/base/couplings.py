"""The couplings there are: one a mapping file, also of a file that is wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moodle_coupling.errors import SettingError
from moodle_coupling.settings import mappings_folder
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping


# ---- The ledger as the pages use it: opened once in a process ----

_lock = threading.Lock()
_open: dict[str, Ledger] = {}


def the_ledger() -> Ledger:
    """Give the configured ledger.

    Raises LedgerUrlError, LedgerSchemaError (names the command that mends it) and LedgerUnavailable; each has a page of
    its own, so callers need not catch them.
    """
    from moodle_coupling.ledger.ledger import open_ledger
    from moodle_coupling.settings import ledger_url

    url = ledger_url()
    found = _open.get(url)
    if found is None:
        found = open_ledger(url)  # not while the lock is held: a database that does not answer takes its time
        with _lock:
            found = _open.setdefault(url, found)
    return found


def ledger_if_any() -> tuple[Ledger | None, Sentence | None]:
    """Give the ledger, or None and why there is none: for pages that are of use without it."""
    from moodle_coupling.errors import CouplingError

    try:
        return the_ledger(), None
    except CouplingError as error:
        return None, error.said


# ---- The couplings there are ----


@dataclass(frozen=True, slots=True)
class Coupling:
    """One environment: its mapping, or the error of its mapping file; ``connection`` is '' when the file names none."""

    name: str
    connection: str
    mapping: Mapping | None
    error: Sentence | None = None

    @property
    def title(self) -> str:
        """Give the name for people."""
        return (self.mapping.title if self.mapping is not None else "") or self.name


_read: tuple[object, dict[str, Coupling]] = ((), {})


def by_name() -> dict[str, Coupling]:
    """Give all couplings by environment, in order; the files are read again when one of them changed."""
    global _read  # noqa: PLW0603  # one per process, on purpose
    folder = mappings_folder()
    state = (folder, _state(folder))
    with _lock:
        if _read[0] != state:
            _read = (state, _load(folder))
        return _read[1]


def _state(folder: Path) -> list[tuple[str, int, int]]:
    try:
        found = [_seen(path) for path in folder.iterdir() if path.suffix in {".yaml", ".yml"}]
    except FileNotFoundError:
        return []  # no folder (yet)
    except OSError as error:
        raise SettingError(
            Sentence("mapping.folder.unreadable", folder=str(folder), why=str(error.strerror))
        ) from error
    return sorted(found)


def _seen(path: Path) -> tuple[str, int, int]:
    try:
        now = path.stat()
    except OSError:  # it has just gone, or is a link to nowhere: an error of that file, told when it is read
        return path.name, 0, 0
    return path.name, now.st_mtime_ns, now.st_size


def _load(folder: Path) -> dict[str, Coupling]:
    from moodle_coupling.mapping.file import remains
    from moodle_coupling.mapping.folder import load_all

    mappings, errors = load_all(folder) if folder.is_dir() else ([], [])
    found = [Coupling(one.environment, one.connection, one) for one in mappings]
    found += [
        Coupling(error.path.stem, remains(error.path).connection, None, error.said)
        for error in errors
        if error.path is not None
    ]
    # Of demo.yml beside demo.yaml the good one stays.
    return {one.name: one for one in sorted(found, key=lambda one: (one.name, one.mapping is not None))}
