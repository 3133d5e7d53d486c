"""Cells as the ledger keeps them: cleaned and checked, keys to look up by, and digests of what must stay the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pandas as pd

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
