"""Names are looked up without accents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from moodle_coupling.ledger.cells import folded

revision = "0009"
down_revision = "0008"

_ODD = {"sqlite": "name_key GLOB '*[^ -~]*'", "postgresql": "name_key ~ '[^ -~]'"}


def upgrade() -> None:
    """Make the keys anew of names that are not plain ASCII, each name once."""
    connection = op.get_bind()
    for table in ("outcomes", "mismatches"):
        odd = sa.text(f"SELECT DISTINCT name_key FROM {table} WHERE {_ODD[connection.dialect.name]}")  # noqa: S608
        names = connection.execute(odd).scalars().all()
        renewed = [{"was": name, "becomes": folded(name)[:255]} for name in names]
        if renewed:
            update = sa.text(f"UPDATE {table} SET name_key = :becomes WHERE name_key = :was")  # noqa: S608
            connection.execute(update, renewed)


def downgrade() -> None:
    """Leave them: they are found by what older versions look for as far as it has no accents."""
