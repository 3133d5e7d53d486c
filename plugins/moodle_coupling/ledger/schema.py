"""The ledger's schema: made, renewed, and compared with what this code expects."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from moodle_coupling.ledger.database import (
    WRITES,
    describe,
    make_engine,
    make_file,
    read_address,
    sqlite_path,
    translated,
)
from moodle_coupling.ledger.errors import UPGRADE_COMMAND, LedgerSchemaError

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION_TABLE: Final = "moodle_coupling_version"
"""Not Alembic's usual name, so that nobody's other migrations are taken for ours."""
_LOCK: Final = 7_302_118_220_955
"""PostgreSQL advisory lock: two pods that upgrade at once do so one after the other."""


def upgrade(url: str) -> str:
    """Make or renew the ledger at ``url`` and give its revision; does nothing where it is up to date.

    Raises LedgerUrlError, LedgerUnavailable, and LedgerSchemaError when the schema is newer than this code or the
    database belongs to something else.
    """
    return _migrate(url, "head")


def downgrade(url: str, revision: str) -> str:
    """Take the ledger back to ``revision`` ('-1' for the one before, 'base' for none); what no longer fits is lost."""
    return _migrate(url, revision, down=True)


def current(url: str) -> str:
    """Give the revision of the ledger at ``url``, '' when it has no schema. Raises as open_ledger does."""
    address = read_address(url)
    path = sqlite_path(address)
    if path is not None and not path.exists():
        return ""
    engine = make_engine(address)
    try:
        with translated(describe(address)), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def head() -> str:
    """Give the revision that this code needs."""
    return str(_scripts().get_current_head())


def check(connection: Connection, place: str) -> None:
    """Refuse a schema that is not the one this code was written for."""
    found, wanted = _revision(connection), head()
    if found == wanted:
        return
    if not found:
        raise missing(place)
    if found in _known():
        msg = (
            f"The ledger ({place}) has schema {found} and this version of moodle-coupling needs {wanted}. "
            f"Run '{UPGRADE_COMMAND}' once, then try again."
        )
        raise LedgerSchemaError(msg)
    raise _newer(place, found, wanted)


def missing(place: str) -> LedgerSchemaError:
    """Give the error for a ledger that was never made."""
    return LedgerSchemaError(
        f"There is no ledger yet ({place}). Run '{UPGRADE_COMMAND}' once to make it, then try again."
    )


def _migrate(url: str, revision: str, *, down: bool = False) -> str:
    address = read_address(url)
    place = describe(address)
    if path := sqlite_path(address):
        _made(path, place)
    engine = make_engine(address)
    try:
        with translated(place), engine.execution_options(**{WRITES: True}).begin() as connection:
            _check_ours(connection, place)
            config = _config()
            config.attributes["connection"] = connection
            (command.downgrade if down else command.upgrade)(config, revision)
            return _revision(connection)
    finally:
        engine.dispose()


def _made(path: Path, place: str) -> None:
    try:
        make_file(path)
    except OSError as error:
        msg = (
            f"The ledger ({place}) cannot be made: {error.strerror}. Choose a folder that Airflow's user may write to."
        )
        raise LedgerSchemaError(msg) from error


def _check_ours(connection: Connection, place: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = _revision(connection)
    if found and found not in _known():
        raise _newer(place, found, head())
    others = sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE})
    if not found and others:
        msg = (
            f"The database ({place}) already holds tables of something else ({', '.join(others[:3])} …). "
            "Give the ledger a database of its own in [moodle_coupling] ledger_url; nothing was changed."
        )
        raise LedgerSchemaError(msg)


def _newer(place: str, found: str, wanted: str) -> LedgerSchemaError:
    return LedgerSchemaError(
        f"The ledger ({place}) has schema {found}, which this version of moodle-coupling does not know (it knows up to "
        f"{wanted}): a newer version made it. Install that version here too; '{UPGRADE_COMMAND}' cannot go back."
    )


def _revision(connection: Connection) -> str:
    # It says what database it found at every look, and each task of a run looks.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision() or ""


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
