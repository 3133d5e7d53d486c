"""What the processes of one machine share about a Coachview: one small private file each, locked while it is changed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)


class Seal(Protocol):
    """Encrypts what is written; Airflow's Fernet key is one."""

    def encrypt(self, msg: bytes) -> bytes:
        """Make bytes unreadable."""

    def decrypt(self, msg: bytes) -> bytes:
        """Make them readable again; raises whatever the key's library does."""


class SharedState:
    """A small JSON document that threads and processes change in turn.

    It lives in ``path``, mode 0600, encrypted where there is a ``seal``; with no path, or where the file cannot be
    written, only in this object. What cannot be read counts as empty: nothing in it is needed to go on.
    """

    def __init__(self, path: Path | None = None, seal: Seal | None = None) -> None:
        self._path = path
        self._seal = seal
        self._own: dict[str, Any] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[dict[str, Any]]:
        """Give the document to look at and to change; everyone else waits until the block ends."""
        with self._lock:
            handle = self._open()
            if handle is None:
                yield self._own
                return
            try:
                document = self._understood(_read_all(handle))
                was = json.dumps(document)
                try:
                    yield document
                finally:
                    self._keep(handle, was, document)
            finally:
                os.close(handle)

    def _open(self) -> int | None:
        """Open the file and lock it; None where it cannot be used."""
        if self._path is None:
            return None
        handle = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if handle is not None:
                os.close(handle)
            self._go_on_alone(error, {})
            return None
        return handle

    def _keep(self, handle: int, was: str, document: dict[str, Any]) -> None:
        now = json.dumps(document)
        if now == was:
            return
        try:
            _write_all(handle, self._seal.encrypt(now.encode()) if self._seal else now.encode())
        except OSError as error:
            self._go_on_alone(error, document)

    def _go_on_alone(self, error: OSError, document: dict[str, Any]) -> None:
        log.warning("%s cannot be used (%s); nothing is shared with other tasks.", self._path, error.strerror)
        self._path, self._own = None, dict(document)

    def _understood(self, content: bytes) -> dict[str, Any]:
        try:
            found = json.loads(self._seal.decrypt(content) if self._seal and content else content or b"{}")
        except Exception:  # noqa: BLE001 - another key, a broken file, an older form: whatever it is, begin anew
            return {}
        return found if isinstance(found, dict) else {}


def _read_all(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    return b"".join(iter(lambda: os.read(handle, 65536), b""))


def _write_all(handle: int, content: bytes) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    os.ftruncate(handle, 0)
    os.write(handle, content)


def file_name(kind: str, *of: str) -> str:
    """Give a file's name for what belongs to these values, none of which can be read back from it."""
    return f"{hashlib.sha256(chr(0).join(of).encode()).hexdigest()[:24]}.{kind}"


def airflow_folder() -> Path:
    """Give the folder for these files, below AIRFLOW_HOME."""
    from pathlib import Path

    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME) / "moodle_coupling" / "coachview"


def airflow_seal() -> Seal | None:
    """Give Airflow's Fernet key, None where this process has none: then nothing secret may be written."""
    from airflow.sdk.crypto import get_fernet

    try:
        fernet = get_fernet()
    except Exception:  # noqa: BLE001 - a key that is missing or no key at all is reported by Airflow in many ways
        return None
    return fernet if fernet.is_encrypted else None
