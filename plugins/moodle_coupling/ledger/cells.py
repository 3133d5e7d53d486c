"""Cells as the ledger keeps them: kinds of column that mean the same on both databases, what is cleaned and checked, keys and digests."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, DateTime, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Dialect

SQLITE_TIME: Final = "%Y-%m-%d %H:%M:%S.%f"
"""How times stand in SQLite: fixed width and UTC, so that text order is time order."""
BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A running number; SQLite counts only an INTEGER PRIMARY KEY."""


class StoredText(TypeDecorator[str]):
    """Text as both databases can hold it, whatever it is given (:func:`moodle_coupling.ledger.cells.clean`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Take out what PostgreSQL refuses."""
        return None if value is None else clean(value)


PrefixText = StoredText().with_variant(StoredText(collation="C"), "postgresql")
"""Text that is searched by its beginning: an index serves that only where the order is that of the bytes."""


class Lowered(FunctionElement[str]):
    """A text in small letters as an index has it, for looking up how it begins: PostgreSQL's in the order of the bytes."""

    type = Text()
    inherit_cache = True


@compiles(Lowered)
def _lowered(element: Lowered, compiler: Any, **how: Any) -> str:
    lowered = f"lower({compiler.process(element.clauses, **how)})"
    return f'({lowered} COLLATE "C")' if compiler.dialect.name == "postgresql" else lowered


class Unindexed(FunctionElement[str]):
    """A text column by which SQLite shall not look rows up: without statistics it takes any index for one that leaves ten rows."""

    type = Text()
    inherit_cache = True


@compiles(Unindexed)
def _unindexed(element: Unindexed, compiler: Any, **how: Any) -> str:
    return ("+" if compiler.dialect.name == "sqlite" else "") + str(compiler.process(element.clauses, **how))


class UtcTime(TypeDecorator[dt.datetime]):
    """A moment: aware datetimes in, aware datetimes in UTC out. A naive datetime is refused (ValueError)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give the database UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "the ledger takes times with a zone only"
            raise ValueError(msg)
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Give the caller UTC, whatever zone the session is in."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def frame_of(rows: Sequence[Any], columns: Sequence[Any]) -> pd.DataFrame:
    """Give rows as a frame: numbers as Int64 (missing allowed), times in UTC, yes and no as bool, the rest as str."""
    import pandas as pd

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame(
        {
            column.name: pd.Series(list(values[position]), dtype=_dtype(column.type))
            for position, column in enumerate(columns)
        }
    )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a frame's rows with None for what is missing."""
    plain = frame.astype(object)
    found: list[dict[str, Any]] = plain.where(plain.notna(), None).to_dict("records")  # type: ignore[assignment]
    return found


def _dtype(kind: Any) -> Any:
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, (BigInteger, Integer)):
        return "Int64"
    return "datetime64[us, UTC]" if isinstance(kind, UtcTime) else "str"


KEY_LENGTH: Final = 255
"""Texts that are looked up are cut at this many characters.

PostgreSQL refuses an index entry above 2704 bytes, and a rejected person may well bring an e-mail address of 5000.
"""
_OF_A_PLAN: Final = ("row", "person_id", "extern_id", "idnumber", "account_id", "action", "username", "changes")


def clean(text: str) -> str:
    """Give a text that a database can hold: without NUL (PostgreSQL) and lone surrogates (neither)."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def key_text(text: str) -> str:
    """Give a text as it is stored in a column that is looked up."""
    return clean(text)[:KEY_LENGTH]


def email_key(text: str) -> str:
    """Give an e-mail address as it is looked up: letter case does not count."""
    return key_text(text.strip().lower())


def name_key(lastname: str, firstname: str) -> str:
    """Give a name as it is looked up: last name, first name, in small letters without accents."""
    return key_text(folded(f"{lastname} {firstname}".strip()))


def folded(text: str) -> str:
    """Give a text in small letters, without accents."""
    return without_accents(clean(text))


def texts(frame: pd.DataFrame, name: str, *, default: str = "") -> list[str]:
    """Give a text column as it is stored; absent values, or an absent column, become ``default``."""
    if name not in frame.columns:
        return [default] * len(frame)
    return [clean(str(value)) for value in _present(frame[name], default)]


def keys(frame: pd.DataFrame, name: str) -> list[str]:
    """Give a text column that is looked up."""
    return [text[:KEY_LENGTH] for text in texts(frame, name)]


def integers(frame: pd.DataFrame, name: str) -> list[int | None]:
    """Give a number column; absent values, or an absent column, become None."""
    if name not in frame.columns:
        return [None] * len(frame)
    return [None if value is None else int(value) for value in _present(frame[name], None)]


def booleans(frame: pd.DataFrame, name: str) -> list[bool]:
    """Give a column of yes and no; absent values, or an absent column, become False."""
    if name not in frame.columns:
        return [False] * len(frame)
    return [bool(value) for value in _present(frame[name], default=False)]


def moments(frame: pd.DataFrame, name: str, *, default: dt.datetime) -> list[dt.datetime]:
    """Give a column of times with a zone; absent values, or an absent column, become ``default``."""
    if name not in frame.columns:
        return [default] * len(frame)
    import pandas as pd

    # Microseconds are what both databases keep.
    series = pd.to_datetime(frame[name], utc=True).dt.floor("us")
    times: list[Any] = list(series)
    return [default if pd.isna(value) else value.to_pydatetime() for value in times]


def row_keys(frame: pd.DataFrame) -> list[str]:
    """Give the key of each row of a plan or of outcomes: the row in the source, or 'account N' for an orphan.

    Raises ValueError for a row that has neither.
    """
    return keys_of(integers(frame, "row"), integers(frame, "account_id"))


def keys_of(rows: Sequence[int | None], accounts: Sequence[int | None]) -> list[str]:
    """Give the keys of rows of which these are the numbers; raises as ``row_keys`` does."""
    found: list[str] = []
    for row, account in zip(rows, accounts, strict=True):
        if row is None and account is None:
            msg = "a row has neither a row number nor an account id: it cannot be told from another"
            raise ValueError(msg)
        found.append(str(row) if row is not None else f"account {account}")
    return found


def refuse_doubles(values: Sequence[object], what: str) -> None:
    """Raise ValueError when a value stands in a list twice."""
    if len(set(values)) != len(values):
        msg = f"{what} must be there once each; {len(values) - len(set(values))} are doubles"
        raise ValueError(msg)


def _present(series: pd.Series, default: object) -> list[Any]:
    values = series.astype(object)
    return list(values.where(values.notna(), default))


def facts_digest(facts: str | Mapping[str, Any]) -> str:
    """Name what a mismatch stands on; the order of keys and the spacing of the JSON do not count."""
    value = json.loads(facts) if isinstance(facts, str) else facts
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def plan_digest(plan: pd.DataFrame) -> str:
    """Name a plan (PLAN_COLUMNS of matching/frames.py) by all that it would write, to whom, in which row.

    An approval and the intentions hold for exactly the plan of that name.
    """
    text = plan[[name for name in _OF_A_PLAN if name in plan.columns]].to_csv(index=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
