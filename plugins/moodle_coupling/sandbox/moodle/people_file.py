"""Reads the accounts a sandbox starts with from a CSV file."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SourceError
from moodle_coupling.sandbox.moodle.accounts import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = ("id", "suspended", "confirmed", "maildisplay", "mailformat")
_YES = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
_NEEDED = ("username", "email")
_PROFILE_PREFIX = "profile_field_"


def read_accounts(path: Path) -> list[dict[str, Any]]:
    """Return the accounts of a CSV file (UTF-8; comma or semicolon) as :meth:`SandboxMoodle.add_accounts` takes them.

    Columns: username and email, and any of Moodle's own (id, idnumber, firstname, lastname, auth, suspended, city,
    country, …) and ``profile_field_<shortname>``. Empty cells get Moodle's defaults.
    Raises :class:`SourceError` naming file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The accounts file {path} cannot be read as UTF-8: {error}.") from error
    lines = text.splitlines(keepends=True)
    header = lines[0] if lines else ""
    reader = csv.DictReader(lines, delimiter=";" if header.count(";") > header.count(",") else ",", restkey="")
    names = [name.strip() for name in reader.fieldnames or ()]
    _check_header(path, names)
    reader.fieldnames = names
    return [_account(path, reader.line_num, row) for row in reader]


def _check_header(path: Path, names: list[str]) -> None:
    unknown = [n for n in names if n not in COLUMNS and not n.startswith(_PROFILE_PREFIX)]
    missing = [n for n in _NEEDED if n not in names]
    if unknown or missing:
        what = f"has no column {missing[0]!r}" if missing else f"has a column {unknown[0]!r} that Moodle does not know"
        raise SourceError(f"{path}, line 1: the accounts file {what}. Columns it may have: {', '.join(COLUMNS)}.")


def _account(path: Path, line: int, row: dict[str, Any]) -> dict[str, Any]:
    account: dict[str, Any] = {}
    for name, value in row.items():
        if name == "":
            raise SourceError(f"{path}, line {line}: this row has more cells than the header has names.")
        if value not in ("", None):
            account[name] = _number(path, line, name, value) if name in _NUMBERS else value
    if "username" not in account:
        raise SourceError(f"{path}, line {line}: an account needs a username.")
    return account


def _number(path: Path, line: int, name: str, value: str) -> int:
    word = value.strip().lower()
    if word in _YES:
        return _YES[word]
    if word.isdigit():
        return int(word)
    raise SourceError(f"{path}, line {line}, column {name}: {value!r} is no whole number.")
