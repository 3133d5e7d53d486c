"""The words of names, each with the names it is part of: what a search by any part of a name goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, false, or_, text

from moodle_coupling.ledger.models import MismatchRow, NameWordRow, OutcomeRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Table

_WORDS: Any = NameWordRow.__table__
_NAMED: Final[tuple[Any, ...]] = (OutcomeRow.__table__, MismatchRow.__table__)
"""The tables of which the names are looked for by their words."""
_PARTS: Final = {
    "sqlite": "json_each('[' || replace(json_quote(name_key), ' ', '\",\"') || ']') AS part",
    "postgresql": "unnest(string_to_array(name_key, ' ')) AS part(value)",
}
"""What splits a name at its spaces, in the words of each database."""


def add_names(connection: Connection, stage: Table) -> None:
    """Add the words of the staged names (``name_key``) that are not there yet."""
    words = f"SELECT DISTINCT part.value, name_key FROM {stage.name}, {_PARTS[connection.dialect.name]}"  # noqa: S608
    connection.execute(
        text(f"INSERT INTO name_words (word, name_key) {words} WHERE part.value <> '' ON CONFLICT DO NOTHING")
    )


def drop_names(connection: Connection, names: Collection[str] | None = None) -> None:
    """Remove the words of names that no row has any more: of these names, or (None) of all."""
    if connection.dialect.name == "postgresql":
        # Whoever adds the same name meanwhile waits, and adds its words anew: else the row would stay and its words be gone.
        connection.execute(text("LOCK TABLE name_words IN SHARE ROW EXCLUSIVE MODE"))
    unused = [~exists().where(table.c.name_key == _WORDS.c.name_key) for table in _NAMED]
    if names is not None:
        theirs = [and_(_WORDS.c.word.in_(name.split(" ")), _WORDS.c.name_key == name) for name in names]
        unused.append(or_(false(), *theirs))
    connection.execute(delete(_WORDS).where(*unused))
