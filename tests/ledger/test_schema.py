"""The schema on both databases: migrations make what the models say, and other schemas are refused."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger.workers import in_processes
from sqlalchemy import Column, inspect, text

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.errors import LedgerSchemaError
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.schema import make_engine, read_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def execute(url: str, statement: str) -> None:
    engine = make_engine(read_address(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def definitions(url: str) -> list[str]:
    engine = make_engine(read_address(url))
    words = (
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name <> :version AND sql IS NOT NULL"
        if engine.dialect.name == "sqlite"
        else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> :version UNION ALL "
        "SELECT concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable, is_identity, "
        "column_default) FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> :version"
    )
    with engine.connect() as connection:
        found = connection.execute(text(words), {"version": schema.VERSION_TABLE}).scalars().all()
    engine.dispose()
    return sorted(re.sub(r"\(standing\)", "standing", re.sub(r"\s+", " ", line)) for line in found)


def test_the_schema_that_this_code_needs_is_the_last_one_that_alembic_finds() -> None:
    """It is read from the files, since a task of a run should not have to import Alembic."""
    scripts = ScriptDirectory.from_config(schema._config())
    assert schema.head() == scripts.get_current_head()
    assert schema._known() == {script.revision for script in scripts.walk_revisions()}


def test_opening_a_ledger_imports_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    schema.upgrade(url)
    code = (
        "import sys; from moodle_coupling.ledger.ledger import open_ledger; open_ledger(sys.argv[1]); "
        "assert 'sqlalchemy' in sys.modules; assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def reads_as_written(
    thing: object, _name: str | None, kind: str, _reflected: bool, _other: object
) -> bool:  # Alembic's
    """An index of expressions is read back in the database's own words, or (SQLite) not at all: the next test compares those."""
    return kind != "index" or all(isinstance(one, Column) for one in thing.expressions)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_the_migrations_make_exactly_the_models(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        options = {"version_table": schema.VERSION_TABLE, "include_object": reads_as_written}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_every_table_and_index_to_the_letter(empty_url: str) -> None:
    """compare_metadata looks neither at the WHERE of a partial index nor at collations; the database's own words do."""
    schema.upgrade(empty_url)
    migrated = definitions(empty_url)
    schema.downgrade(empty_url, "base")
    engine = make_engine(read_address(empty_url))
    Base.metadata.create_all(engine)
    engine.dispose()
    assert definitions(empty_url) == migrated
    assert any("WHERE standing" in line for line in migrated)


def test_upgrading_again_changes_nothing(empty_url: str) -> None:
    assert schema.current(empty_url) == ""
    assert schema.upgrade(empty_url) == schema.head()
    assert schema.upgrade(empty_url) == schema.current(empty_url) == schema.head()
    open_ledger(empty_url).close()


def test_the_last_migration_can_be_taken_back_and_made_again(empty_url: str) -> None:
    schema.upgrade(empty_url)
    schema.downgrade(empty_url, "-1")
    assert schema.current(empty_url) != schema.head()
    assert schema.upgrade(empty_url) == schema.head()


def test_all_migrations_can_be_taken_back(empty_url: str) -> None:
    schema.upgrade(empty_url)
    assert schema.downgrade(empty_url, "base") == ""
    engine = make_engine(read_address(empty_url))
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {schema.VERSION_TABLE}
    engine.dispose()


def test_a_missing_schema_is_refused_and_the_command_named(empty_url: str) -> None:
    with pytest.raises(LedgerSchemaError, match=r"no ledger yet.*'moodle-coupling db upgrade'"):
        open_ledger(empty_url)


def test_an_older_schema_is_refused_and_the_command_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "head", lambda: "9999")
    with pytest.raises(LedgerSchemaError, match=r"needs 9999. Run 'moodle-coupling db upgrade'"):
        open_ledger(url)


def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    execute(url, "UPDATE moodle_coupling_version SET version_num = 'f00d'")
    with pytest.raises(LedgerSchemaError, match="newer version made it"):
        open_ledger(url)
    with pytest.raises(LedgerSchemaError, match="newer version made it"):
        schema.upgrade(url)
    assert schema.current(url) == "f00d"


def test_a_database_of_something_else_is_refused_and_left_alone(new_url: Callable[[], str]) -> None:
    url = new_url()
    schema.upgrade(url)
    schema.downgrade(url, "base")
    execute(url, "CREATE TABLE dag_run (id INTEGER)")
    with pytest.raises(LedgerSchemaError, match=r"dag_run.*database of its own"):
        schema.upgrade(url)
    assert schema.current(url) == ""


def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("the power went")

    schema.upgrade(empty_url)
    schema.downgrade(empty_url, "base")
    with monkeypatch.context() as broken:
        broken.setattr(MigrationContext, "_ensure_version_table", lambda *_a, **_k: None)
        broken.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
        with pytest.raises(RuntimeError):
            schema.upgrade(empty_url)
    assert schema.upgrade(empty_url) == schema.head()


def test_two_that_upgrade_at_once_do_so_one_after_the_other(empty_url: str) -> None:
    assert in_processes(schema.upgrade, [(empty_url,)] * 2) == [schema.head()] * 2
    open_ledger(empty_url).close()
