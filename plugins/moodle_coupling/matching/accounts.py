"""The accounts frame: made from accounts as read back, or from a CSV file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.contract.frames import ACCOUNTS
from moodle_coupling.errors import InputError, SettingError
from moodle_coupling.people.frames import empty
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from moodle_coupling.contract.account import Account

REQUIRED: Final = ("id", "username", "email", "idnumber")
ALWAYS_PROTECTED: Final = ("admin", "guest")

_TRUE: Final = frozenset({"1", "true", "yes", "ja", "y", "j", "waar", "suspended"})
_FALSE: Final = frozenset({"", "0", "false", "no", "nee", "n", "onwaar", "active"})
_OTHER_HEADINGS: Final = {"userid": "id", "emailaddress": "email", "mail": "email"}
_KNOWN: Final = frozenset({"id", "suspended", *TEXT_FIELDS})


def accounts_frame(accounts: Iterable[Account]) -> pd.DataFrame:
    """Give the accounts frame of accounts as read back: ``id``, the text columns, ``suspended`` and profile fields.

    An absent profile field is ''. Raises SettingError when not one account shows its e-mail address: hidden is not
    empty, and everyone would look new.
    """
    rows = list(accounts)
    if rows and all(account.email is None for account in rows):
        raise SettingError(Sentence("accounts.no_addresses"))
    frame = pd.DataFrame({"id": pd.Series([account.id for account in rows], dtype="int64")})
    for name in TEXT_FIELDS:
        frame[name] = pd.Series([account.value(name) or "" for account in rows], dtype="str")
    frame["suspended"] = pd.Series([account.suspended is True for account in rows], dtype="bool")
    shortnames = sorted({name for account in rows for name in account.profile})
    for shortname in shortnames:
        values = [account.profile.get(shortname, "") for account in rows]
        frame[PROFILE_PREFIX + shortname] = pd.Series(values, dtype="str")
    return frame.sort_values("id", ignore_index=True)


def no_accounts() -> pd.DataFrame:
    """Give the accounts frame of an empty Moodle."""
    return empty(ACCOUNTS)


def read_accounts_csv(path: Path) -> pd.DataFrame:
    """Read accounts from a CSV (any usual delimiter; UTF-8, else cp1252) with at least ``REQUIRED`` as headings.

    A heading that is no account field is a profile field, with or without ``profile_field_`` in front. A field that the
    file does not have is left out of the frame: matching then knows that it is not known, which is not the same as empty.
    Raises InputError that names the file and the line.
    """
    header, rows = _read_rows(path)
    columns = _columns(path, header)
    width = len(header)
    for number, row in rows:
        if len(row) != width:
            raise InputError(Sentence("accounts.width", file=str(path), line=number, values=len(row), headings=width))
    frame = pd.DataFrame(
        {
            name: pd.Series([row[at] for _, row in rows], dtype="str")
            for at, name in enumerate(columns)
            if name not in ("id", "suspended")
        }
    )
    frame.insert(0, "id", pd.Series(_ids(path, rows, columns.index("id")), dtype="int64"))
    frame["suspended"] = pd.Series(_suspended(path, rows, columns), dtype="bool")
    return frame.sort_values("id", ignore_index=True)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(Sentence("accounts.unreadable", file=str(path), why=why)) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(value.strip() for value in row)]
    except csv.Error as error:
        said = Sentence("accounts.no_csv", file=str(path), line=reader.line_num, why=str(error))
        raise InputError(said) from error
    if not rows:
        raise InputError(Sentence("accounts.empty", file=str(path), headings=list(REQUIRED)))
    return [heading.strip() for heading in rows[0][1]], rows[1:]


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [_column(heading) for heading in header]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputError(Sentence("accounts.no_column", file=str(path), missing=missing, there=header))
    double = sorted({name for name in columns if columns.count(name) > 1})
    if double:
        raise InputError(Sentence("accounts.column_twice", file=str(path), columns=double))
    return columns


def _column(heading: str) -> str:
    """Core fields whatever their letter case; the shortname of a profile field keeps it, as Moodle tells them apart."""
    plain = "".join(char for char in heading.lower() if char not in " -_.")
    plain = _OTHER_HEADINGS.get(plain, plain)
    if plain in _KNOWN:
        return plain
    if heading.lower().startswith(PROFILE_PREFIX):
        return PROFILE_PREFIX + heading[len(PROFILE_PREFIX) :]
    return PROFILE_PREFIX + heading


def _ids(path: Path, rows: list[tuple[int, list[str]]], at: int) -> list[int]:
    ids: dict[int, int] = {}
    for number, row in rows:
        text = row[at].strip()
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise InputError(Sentence("accounts.no_number", file=str(path), line=number, id=text))
        if int(text) in ids:
            before = ids[int(text)]
            raise InputError(Sentence("accounts.twice", file=str(path), line=number, id=text, before=before))
        ids[int(text)] = number
    return list(ids)


def _suspended(path: Path, rows: list[tuple[int, list[str]]], columns: list[str]) -> list[bool]:
    if "suspended" not in columns:
        return [False] * len(rows)
    at = columns.index("suspended")
    flags = []
    for number, row in rows:
        text = row[at].strip().lower()
        if text not in _TRUE | _FALSE:
            raise InputError(Sentence("accounts.suspended", file=str(path), line=number, value=text))
        flags.append(text in _TRUE)
    return flags
