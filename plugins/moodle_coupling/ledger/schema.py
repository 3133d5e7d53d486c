"""The ledger's schema: made, renewed, and compared with what this code expects."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, column, inspect, select, table, text

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
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

VERSION_TABLE: Final = "moodle_coupling_version"
"""Not Alembic's usual name, so that nobody's other migrations are taken for ours."""
_LOCK: Final = 7_302_118_220_955
"""PostgreSQL advisory lock: two pods that upgrade at once do so one after the other."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_REVISION: Final = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)


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
    """Give the revision that this code needs: the one that no other follows."""
    said = [pair for text_ in _migrations() for pair in _REVISION.findall(text_)]
    before = {value for name, value in said if name == "down_revision"}
    (last,) = {value for name, value in said if name == "revision"} - before
    return str(last)


def check(connection: Connection, place: Sentence) -> None:
    """Refuse a schema that is not the one this code was written for."""
    found, wanted = _revision(connection), head()
    if found == wanted:
        return
    if not found:
        raise missing(place)
    if found in _known():
        raise LedgerSchemaError(
            Sentence("ledger.schema.older", place=place, found=found, wanted=wanted, command=UPGRADE_COMMAND)
        )
    raise _newer(place, found, wanted)


def missing(place: Sentence) -> LedgerSchemaError:
    """Give the error for a ledger that was never made."""
    return LedgerSchemaError(Sentence("ledger.schema.missing", place=place, command=UPGRADE_COMMAND))


def _migrate(url: str, revision: str, *, down: bool = False) -> str:
    from alembic import command

    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
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


def _made(path: Path, place: Sentence) -> None:
    try:
        make_file(path)
    except OSError as error:
        raise LedgerSchemaError(Sentence("ledger.not_made", place=place, said=error.strerror)) from error


def _check_ours(connection: Connection, place: Sentence) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = _revision(connection)
    if found and found not in _known():
        raise _newer(place, found, head())
    others = sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE})
    if not found and others:
        raise LedgerSchemaError(Sentence("ledger.schema.other_tables", place=place, tables=", ".join(others[:3])))


def _newer(place: Sentence, found: str, wanted: str) -> LedgerSchemaError:
    return LedgerSchemaError(
        Sentence("ledger.schema.newer", place=place, found=found, wanted=wanted, command=UPGRADE_COMMAND)
    )


def _revision(connection: Connection) -> str:
    # Not by Alembic: each task of a run looks, and importing it takes a quarter of a second.
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    found = connection.execute(
        select(column("version_num", String)).select_from(table(VERSION_TABLE))
    ).scalar_one_or_none()
    return found or ""


def _known() -> set[str]:
    return {value for text_ in _migrations() for name, value in _REVISION.findall(text_) if name == "revision"}


def _migrations() -> list[str]:
    return [path.read_text("utf-8") for path in (_MIGRATIONS / "versions").glob("v*.py")]


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
