"""The site's user table, profile data and preferences, in SQLite: in memory, or in a file that survives a kill."""

from __future__ import annotations

import csv
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SourceError
from moodle_coupling.sandbox.moodle.database import POSTGRESQL, Database, collation_key, equality_key
from moodle_coupling.sandbox.moodle.site import SiteSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path


_TEXTS = (
    "username", "auth", "password", "idnumber", "firstname", "lastname", "email", "phone1", "phone2", "institution",
    "department", "address", "city", "country", "lang", "calendartype", "theme", "timezone", "lastnamephonetic",
    "firstnamephonetic", "middlename", "alternatename", "interests",
)  # fmt: skip
_NUMBERS = {
    "confirmed": 1, "suspended": 0, "deleted": 0, "policyagreed": 0, "mailformat": 1, "maildisplay": 2,
    "trackforums": 0, "firstaccess": 0, "lastaccess": 0, "timecreated": 0, "timemodified": 0, "descriptionformat": 1,
}  # fmt: skip
_DEFAULTS = {"auth": "manual", "lang": "en", "calendartype": "gregorian", "timezone": "99"}
COLUMNS = ("id", *_TEXTS, "description", *_NUMBERS)
_KEYED = ("username", "idnumber", "email")
# AUTOINCREMENT would forget the numbers a rolled back transaction took; MariaDB does not (see `Accounts.insert`).
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS user (
    id INTEGER PRIMARY KEY, {", ".join(f"{c} TEXT NOT NULL DEFAULT '{_DEFAULTS.get(c, '')}'" for c in _TEXTS)},
    description TEXT, {", ".join(f"{c} INTEGER NOT NULL DEFAULT {d}" for c, d in _NUMBERS.items())},
    {", ".join(f"{c}_key TEXT NOT NULL DEFAULT ''" for c in _KEYED)}
);
{"".join(f"CREATE INDEX IF NOT EXISTS user_{c}_as_mariadb ON user ({c}_key);" for c in _KEYED)}
{"".join(f"CREATE INDEX IF NOT EXISTS user_{c}_as_postgresql ON user ({c});" for c in _KEYED)}
DROP INDEX IF EXISTS user_username;
CREATE TABLE IF NOT EXISTS profile_data (
    userid INTEGER NOT NULL, shortname TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (userid, shortname)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS preference (
    userid INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (userid, name)
) WITHOUT ROWID;
"""
_CHUNK = 10_000


class UsernameTaken(Exception):
    """The table's unique index on the username refused a row."""


class Accounts:
    """All accounts of the site. Every method may be called from any thread; writes happen one transaction at a time.

    The site's ``database`` says which texts are equal, at every moment: it may be changed while accounts are there.
    """

    def __init__(self, path: Path | str = ":memory:", site: SiteSettings | None = None) -> None:
        self._site = site or SiteSettings()
        self.database = Database(path)
        self._lock, self._connection = self.database.lock, self.database.connection
        self._connection.executescript(_SCHEMA)
        self._last_id = self._connection.execute("SELECT COALESCE(MAX(id), 0) FROM user").fetchone()[0]

    def close(self) -> None:
        """Close the database; what was committed stays."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Run a block whole or not at all; inside another one it is undone alone."""
        return self.database.transaction()

    def reserve_ids(self, first: int) -> None:
        """Let new accounts start at id ``first``, or later."""
        with self._lock:
            self._last_id = max(self._last_id, first - 1)

    def insert(self, values: dict[str, Any]) -> int:
        """Add an account and return its id. Raises :class:`UsernameTaken`; even that uses up an id, as in MariaDB."""
        with self._lock:
            userid = int(values.get("id") or self._last_id + 1)
            self._last_id = max(self._last_id, userid)
            now = int(time.time())
            row = {"timecreated": now, "timemodified": now, **values, "id": userid}
            self._check_username(row)
            self._write("INSERT INTO user ({}) VALUES ({})", _with_keys(row))
            return userid

    def update(self, userid: int, values: dict[str, Any]) -> None:
        """Change columns of one account. Raises :class:`UsernameTaken`."""
        row = _with_keys(values)
        with self._lock:
            self._check_username({**values, "id": userid})
            sets = ", ".join(f"{name} = ?" for name in row)
            self._execute(f"UPDATE user SET {sets} WHERE id = ?", [*row.values(), userid])  # noqa: S608

    def remove(self, userids: Iterable[int]) -> None:
        """Take accounts out of the table as if they had never been there (Moodle itself only marks them)."""
        with self.transaction():
            for userid in userids:
                for table, column in (("user", "id"), ("profile_data", "userid"), ("preference", "userid")):
                    self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (userid,))  # noqa: S608

    def _check_username(self, row: dict[str, Any]) -> None:
        """Refuse a name that another account has, as the unique index of the site's database would."""
        if any(
            other["id"] != row["id"] for other in self.find("username", [row["username"]] if "username" in row else [])
        ):
            raise UsernameTaken(f"there is an account with username {row['username']!r}")

    def _write(self, statement: str, row: dict[str, Any]) -> None:
        self._execute(statement.format(", ".join(row), ", ".join("?" * len(row))), list(row.values()))

    def _execute(self, statement: str, values: list[Any]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.IntegrityError as error:
            raise UsernameTaken(str(error)) from error

    def get(self, userid: int) -> dict[str, Any] | None:
        """Return the account of that id, deleted or not."""
        return next(iter(self.find("id", [userid])), None)

    def find(self, field: str, values: Iterable[str | int]) -> list[dict[str, Any]]:
        """Return the accounts whose ``field`` equals one of ``values`` to the site's database, ordered by id."""
        database = self._site.database
        column = field if field == "id" or database == POSTGRESQL else f"{field}_key"
        return self._find(column, {v if field == "id" else equality_key(str(v), database) for v in values})

    def with_address(self, email: str) -> list[dict[str, Any]]:
        """Return the accounts with an address, letter case aside: what Moodle itself asks of every database."""
        return [row for row in self._find("email_key", {collation_key(email)}) if row["email"].lower() == email.lower()]

    def _find(self, column: str, values: set[str | int] | set[str]) -> list[dict[str, Any]]:
        keys = list(values)
        rows: list[dict[str, Any]] = []
        with self._lock:
            for start in range(0, len(keys), _CHUNK):
                chunk = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                rows += self._rows(f"SELECT * FROM user WHERE {column} IN ({marks})", chunk)  # noqa: S608
        return sorted(rows, key=lambda row: int(row["id"]))

    def all(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Return every account by id; deleted ones only if asked for."""
        with self._lock:
            return self._rows("SELECT * FROM user WHERE deleted <= ? ORDER BY id", [int(deleted)])

    def count(self) -> int:
        """Return how many accounts there are, deleted ones too."""
        with self._lock:
            return int(self._connection.execute("SELECT COUNT(*) FROM user").fetchone()[0])

    def column(self, *names: str) -> list[tuple[Any, ...]]:
        """Return the id and some columns of every account that is not deleted, by id; much less work than whole rows."""
        with self._lock:
            statement = f"SELECT {', '.join(('id', *names))} FROM user WHERE deleted = 0 ORDER BY id"  # noqa: S608
            return [tuple(row) for row in self._connection.execute(statement)]

    def _rows(self, statement: str, values: Iterable[Any]) -> list[dict[str, Any]]:
        return [{name: row[name] for name in COLUMNS} for row in self._connection.execute(statement, tuple(values))]

    def set_profile(self, userid: int, shortname: str, data: str) -> None:
        """Keep one profile field of an account."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO profile_data VALUES (?, ?, ?)", (userid, shortname, data))

    def profiles(self, userids: Iterable[int]) -> dict[int, dict[str, str]]:
        """Return the profile fields of many accounts: id → shortname → value."""
        wanted = list(userids)
        found: dict[int, dict[str, str]] = {userid: {} for userid in wanted}
        with self._lock:
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                statement = f"SELECT userid, shortname, data FROM profile_data WHERE userid IN ({marks})"  # noqa: S608
                for userid, shortname, data in self._connection.execute(statement, chunk):
                    found[userid][shortname] = data
        return found

    def set_preference(self, userid: int, name: str, value: str) -> None:
        """Keep one preference of an account."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO preference VALUES (?, ?, ?)", (userid, name, value))

    def preferences(self, userid: int) -> dict[str, str]:
        """Return the preferences of an account."""
        with self._lock:
            rows = self._connection.execute("SELECT name, value FROM preference WHERE userid = ?", (userid,))
            return dict(tuple(row) for row in rows)

    def forget_preference(self, userid: int, name: str) -> None:
        """Drop one preference of an account."""
        with self._lock:
            self._connection.execute("DELETE FROM preference WHERE userid = ? AND name = ?", (userid, name))


def _with_keys(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{f"{name}_key": collation_key(row[name]) for name in _KEYED if name in row}}


# ---- Reads the accounts a sandbox starts with from a CSV file ----

_WHOLE_NUMBERS = ("id", "suspended", "confirmed", "maildisplay", "mailformat")
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
            account[name] = _number(path, line, name, value) if name in _WHOLE_NUMBERS else value
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
