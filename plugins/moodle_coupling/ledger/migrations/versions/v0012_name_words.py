"""A search goes by indexes: of the words of names, and of how ids and addresses begin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_BEGINS = ("person_id", "extern_id", "idnumber", "username", "email_key")
_LOWER = {"sqlite": "lower({})", "postgresql": '(lower({}) COLLATE "C")'}
_PARTS = {
    "sqlite": "json_each('[' || replace(json_quote(name_key), ' ', '\",\"') || ']') AS part",
    "postgresql": "unnest(string_to_array(name_key, ' ')) AS part(value)",
}
_COUNTED = ["environment", "status", "verdict", "proposal", "assigned_to"]


def upgrade() -> None:
    """Make the table and the indexes, and take the words of the names that are there."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    op.create_table(
        "name_words",
        sa.Column("word", _TEXT, nullable=False),
        sa.Column("name_key", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("word", "name_key", name="pk_name_words"),
        sqlite_with_rowid=False,
    )
    names = "(SELECT name_key FROM outcomes UNION SELECT name_key FROM mismatches) AS names"
    words = f"SELECT DISTINCT part.value, name_key FROM {names}, {_PARTS[dialect]} WHERE part.value <> ''"  # noqa: S608
    connection.execute(sa.text(f"INSERT INTO name_words (word, name_key) {words} ORDER BY 1, 2"))
    op.create_index("ix_mismatches_account_id", "mismatches", ["account_id"])
    op.create_index("ix_mismatches_counted", "mismatches", _COUNTED)
    for column in _BEGINS:
        op.create_index(f"ix_mismatches_{column}_begins", "mismatches", [sa.text(_LOWER[dialect].format(column))])


def downgrade() -> None:
    """Remove them: a search then looks through every row."""
    for column in _BEGINS:
        op.drop_index(f"ix_mismatches_{column}_begins", "mismatches")
    op.drop_index("ix_mismatches_counted", "mismatches")
    op.drop_index("ix_mismatches_account_id", "mismatches")
    op.drop_table("name_words")
