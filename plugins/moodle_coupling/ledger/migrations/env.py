"""Run by Alembic: migrates over the connection, and within the transaction, that the caller opened."""

from __future__ import annotations

from alembic import context

from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    # SQLite can undo a CREATE TABLE; a migration that fails half-way leaves nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
