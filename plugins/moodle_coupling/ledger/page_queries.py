"""What the pages' lists have in common: a page with its total, the text that is looked for, and a stable order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, false, func, literal, or_, select, text, union_all

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.cells import Lowered
from moodle_coupling.ledger.models import MismatchRow, NameWordRow, OutcomeRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd
    from sqlalchemy import Connection, Table


# ---- The words of names, each with the names it is part of: what a search by any part of a name goes by ----

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


# ---- What the pages' lists have in common ----

_NAME_WORDS: Any = NameWordRow.__table__
_IDS: Final = ("person_id", "extern_id", "idnumber")
_MOST_DIGITS: Final = 18
"""More do not fit in a number of the database."""
_COMMON: Final = 10_000
"""A word that more names have is common."""
_AFTER_EVERY_LETTER: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and how many rows the whole list has."""

    rows: pd.DataFrame
    total: int


def matching(table: Any, text: str, *, by_name: bool = True) -> list[Any]:
    """Give the conditions for rows in which someone is found by what was typed; none when nothing was.

    By how an id, a username or an e-mail address begins, by words with which parts of the name begin, in any order ('anna
    vr', 'Vries, Anna'), or by the account's number. Letter case does not count, nor do accents in names; ``%`` and ``_`` are letters like any other. Without ``by_name`` only
    by ids and numbers: who may not see names learns none by looking for them.
    Each row is looked through: for rows that are few, or chosen by something else. :func:`searching` is for all rows of a table.
    """
    wanted = cells.key_text(text.strip())
    if not wanted:
        return []
    ways = [table.c[name].istartswith(wanted, autoescape=True) for name in _looked_up(by_name=by_name)]
    words = _words(wanted) if by_name else []
    if words:
        ways.append(and_(*(_in_name(table, word) for word in words)))
    if is_number(wanted):
        ways.append(table.c.account_id == int(wanted))
    return [or_(*ways)]


def searching(connection: Connection, table: Any, text: str, *, by_name: bool = True) -> list[Any]:
    """Give the conditions of :func:`matching` for a table that has an index for each way (MismatchRow).

    A word that very many names have is looked for in each row by PostgreSQL: it reads all of them once in less time than so many one by one.
    """
    wanted = cells.key_text(text.strip())
    if not wanted:
        return []
    if by_name and connection.dialect.name == "postgresql" and _is_common(connection, wanted):
        return matching(table, text, by_name=by_name)
    ways = [begins(Lowered(table.c[name]), Lowered(literal(wanted))) for name in _looked_up(by_name=by_name)]
    ways += named(table, wanted) if by_name else []
    if is_number(wanted):
        ways.append(table.c.account_id == int(wanted))
    return [table.c.id.in_(union_all(*(select(table.c.id).where(way) for way in ways)))]


def _is_common(connection: Connection, text: str) -> bool:
    if not (words := _words(text)):
        return False
    names = _names_with(max(words, key=len)).limit(_COMMON + 1).subquery()
    return bool(connection.execute(select(func.count()).select_from(names)).scalar_one() > _COMMON)


def matching_rows(frame: pd.DataFrame, text: str) -> pd.Series[bool]:
    """Tell which rows of a frame, such as a plan, are found by what was typed: the rules of :func:`matching`, for what no table has.

    A frame without names, or without the other texts, is looked through by what it has.
    """
    wanted = cells.key_text(text.strip())
    found = (frame["account_id"] == (int(wanted) if is_number(wanted) else -1)).fillna(value=False).astype("bool")
    if not wanted:
        return found | ~found
    small, words = wanted.lower(), _words(wanted)
    for name in (*_IDS, "username", "email"):
        if name in frame:
            found |= frame[name].str.lower().str.startswith(small)
    if words and "lastname" in frame:
        whole = frame["lastname"].str.cat(frame["firstname"], sep=" ")
        begins = {name: f" {cells.name_key(name, '')}" for name in set(whole)}
        found |= whole.map(lambda name: all(f" {word}" in begins[name] for word in words)).astype("bool")
    return found


def named(table: Any, text: str) -> list[Any]:
    """Give the condition that each word of a text begins a part of the name, in any order; none for a text without words.

    Names come from the index of their words (name_words), by the longest word that was typed, as fewest have that.
    """
    words = sorted(_words(text), key=len)
    if not words:
        return []
    return [and_(table.c.name_key.in_(_names_with(words.pop())), *(_in_name(table, word) for word in words))]


def _names_with(word: str) -> Any:
    """Select the names of which a part begins with a word, from the index of words."""
    return select(_NAME_WORDS.c.name_key).where(begins(_NAME_WORDS.c.word, literal(word)))


def _looked_up(*, by_name: bool) -> tuple[str, ...]:
    return (*_IDS, "username", "email_key") if by_name else _IDS


def begins(indexed: Any, wanted: Any) -> Any:
    """Give the condition that a column begins with a text, which an index in the order of the bytes answers."""
    return and_(indexed >= wanted, indexed < wanted.concat(_AFTER_EVERY_LETTER))


def _in_name(table: Any, word: str) -> Any:
    name = table.c.name_key
    return or_(name.startswith(word, autoescape=True), name.contains(f" {word}", autoescape=True))


def is_number(text: str) -> bool:
    """Tell whether what was typed can be an account's number."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _words(text: str) -> list[str]:
    return cells.folded(text).replace(",", " ").split()


def sort_key(columns: Mapping[str, Any], sort: str) -> Any:
    """Give the column to sort by; raises ValueError when ``sort`` is none of ``columns``."""
    if sort not in columns:
        msg = f"there is no order by '{sort}'; choose of {', '.join(sorted(columns))}"
        raise ValueError(msg)
    return columns[sort]


def in_order(key: Any, tie: Any, *, descending: bool) -> tuple[Any, Any]:
    """Give an order; what is missing comes last either way, and rows that are equal are in the order of ``tie``."""
    return (key.desc() if descending else key.asc()).nulls_last(), tie.asc()


def after(key: Any, tie: Any, value: Any, number: int, *, descending: bool) -> Any:
    """Give the condition for what comes after a row in that order; the row has this value and number, whether or not it is in the list."""
    if value is None:
        return and_(key.is_(None), tie > number)
    return or_(key < value if descending else key > value, and_(key == value, tie > number), key.is_(None))


def before(key: Any, tie: Any, value: Any, number: int, *, descending: bool) -> Any:
    """Give the condition for what comes before a row in that order."""
    if value is None:
        return or_(key.is_not(None), tie < number)
    return or_(key > value if descending else key < value, and_(key == value, tie < number))


def backwards(key: Any, tie: Any, *, descending: bool) -> tuple[Any, Any]:
    """Give that order from its end."""
    return (key.asc() if descending else key.desc()).nulls_first(), tie.desc()
