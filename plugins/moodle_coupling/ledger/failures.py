"""A database that does not answer, told as an error of our own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from moodle_coupling.ledger.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNAVAILABLE = (OperationalError, InterfaceError)


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what a driver says about a database that does not answer into LedgerUnavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise _unavailable(place, error) from error
    except DatabaseError as error:
        # sqlite3 says "file is not a database" and "database disk image is malformed" with its base class.
        if not error.connection_invalidated and type(error) is not DatabaseError:
            raise
        raise _unavailable(place, error) from error


def _unavailable(place: str, error: DatabaseError | InterfaceError) -> LedgerUnavailable:
    said = str(error.orig).strip().splitlines() or ["no reason given"]
    return LedgerUnavailable(
        f"The ledger ({place}) cannot be used: {said[0]}. Nothing was written. Check that the database runs, that its "
        "disk has room, and the address in [moodle_coupling] ledger_url; then try again."
    )
