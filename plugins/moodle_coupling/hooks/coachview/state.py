"""What processes share about a Coachview: small documents, changed in turn, in a place that is handed in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class StateAway(Exception):
    """The place where documents are shared cannot be used now; its text says why. Nothing was changed there."""


class Seal(Protocol):
    """Encrypts what is written; Airflow's Fernet key is one."""

    def encrypt(self, msg: bytes) -> bytes:
        """Make bytes unreadable."""

    def decrypt(self, msg: bytes) -> bytes:
        """Make them readable again; raises whatever the key's library does."""


@dataclass(slots=True)
class Held:
    """A document (JSON) while nobody else can change it; ``now`` is by the clock of the place, None where it has none."""

    document: dict[str, Any] = field(default_factory=dict)
    now: float | None = None


class Shared(Protocol):
    """One document. No request is ever sent while it is held: a hanging server would stop all machines."""

    def held(self) -> AbstractContextManager[Held]:
        """Give the document to look at and to change, kept when the block ends without an error. Raises StateAway."""


Sharing = Callable[[str], Shared]
"""Gives the document of a key; the ledger's are shared by all machines."""


class OwnState:
    """A document of this object alone, shared by its threads."""

    def __init__(self) -> None:
        self._held = Held()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Give the document; other threads wait until the block ends."""
        with self._lock:
            yield self._held


class SealedState:
    """A document that is encrypted where it is shared. What cannot be decrypted counts as empty."""

    def __init__(self, shared: Shared, seal: Seal) -> None:
        self._shared = shared
        self._seal = seal

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Give the document in clear. Raises StateAway."""
        with self._shared.held() as sealed:
            opened = Held(self._opened(sealed.document), sealed.now)
            was = json.dumps(opened.document)
            yield opened
            now = json.dumps(opened.document)
            if now != was:
                sealed.document.clear()
                sealed.document["sealed"] = self._seal.encrypt(now.encode()).decode("ascii")

    def _opened(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            found = json.loads(self._seal.decrypt(str(document["sealed"]).encode()))
        except Exception:  # noqa: BLE001 - another key, a broken text, nothing there: whatever it is, begin anew
            return {}
        return found if isinstance(found, dict) else {}


def state_key(kind: str, *of: str) -> str:
    """Give the key of the document of this kind for these values, none of which can be read back from it."""
    return f"coachview {kind} {hashlib.sha256(chr(0).join(of).encode()).hexdigest()[:24]}"


def airflow_seal() -> Seal | None:
    """Give Airflow's Fernet key, None where this process has none: then nothing secret may be written."""
    from airflow.sdk.crypto import get_fernet

    try:
        fernet = get_fernet()
    except Exception:  # noqa: BLE001 - a key that is missing or no key at all is reported by Airflow in many ways
        return None
    return fernet if fernet.is_encrypted else None
