"""A database that does not answer, told as an error of our own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError

from moodle_coupling.ledger.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNAVAILABLE = (OperationalError, InterfaceError, InternalError)
"""InternalError is what psycopg says of a database that is read-only, or that ended a transaction which took too long."""
_MAY_NOT = "42501"
"""PostgreSQL: this user may not write (or read) the table."""


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what a driver says about a database that does not answer into LedgerUnavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise _unavailable(place, error) from error
    except DatabaseError as error:
        # sqlite3 says "file is not a database" and "database disk image is malformed" with its base class.
        may_not = getattr(error.orig, "sqlstate", "") == _MAY_NOT
        if not (error.connection_invalidated or may_not or type(error) is DatabaseError):
            raise
        raise _unavailable(place, error) from error


def _unavailable(place: str, error: DatabaseError | InterfaceError) -> LedgerUnavailable:
    said = str(error.orig).strip().splitlines() or ["no reason given"]
    return LedgerUnavailable(
        f"The ledger ({place}) cannot be used: {said[0]}. Nothing was written. Check that the database runs, that its "
        "disk has room, that it may be written, and the address in [moodle_coupling] ledger_url; then try again."
    )
