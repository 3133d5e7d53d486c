"""Accounts from a CSV file, for a preview without a Moodle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.errors import InputError
from moodle_coupling.matching.frames import REQUIRED
from moodle_coupling.sources.files.csv_file import DELIMITERS, decode, read_cells
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pathlib import Path

_TRUE: Final = frozenset({"1", "true", "yes", "ja", "y", "j", "waar", "suspended"})
_FALSE: Final = frozenset({"", "0", "false", "no", "nee", "n", "onwaar", "active"})
_OTHER_HEADINGS: Final = {"userid": "id", "emailaddress": "email", "mail": "email"}
_KNOWN: Final = frozenset({"id", "suspended", *TEXT_FIELDS})


def read_accounts_csv(path: Path) -> pd.DataFrame:
    """Read accounts from a CSV (any usual delimiter and encoding) with at least ``REQUIRED`` as headings.

    A heading that is no account field is a profile field, with or without ``profile_field_`` in front. A field that the
    file does not have is left out of the frame: matching then knows that it is not known, which is not the same as empty.
    Raises InputError that names the file and the line, and the column where it is no text or a quote is wrong.
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
    text, _ = decode(raw, "auto", str(path))
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    rows = [(line, cells) for line, cells in read_cells(text, delimiter, str(path)) if any(map(str.strip, cells))]
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
