"""Writes one user record the way Moodle's ``user_create_user`` and ``user_update_user`` do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from moodle_coupling.contract.fields import COUNTRIES
from moodle_coupling.sandbox.moodle.accounts import COLUMNS, UsernameTaken
from moodle_coupling.sandbox.moodle.exceptions import MoodleException, write_failed
from moodle_coupling.sandbox.moodle.php import to_text
from moodle_coupling.sandbox.moodle.user_fields import SMALL_NUMBERS, WIDTHS

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.site import SiteSettings

_READ_ONLY = "The MariaDB server is running with the --read-only option so it cannot execute this statement"
_CALENDARS = ("", "gregorian")


def insert_user(context: Context, user: dict[str, Any]) -> int:
    """Add a user and return the id. Raises Moodle's database error where a value is too long or the name is taken."""
    now = int(time.time())
    # In the order in which Moodle lists the columns in its debug texts.
    defaults = {
        "maildisplay": 2, "mailformat": 1, "maildigest": 0, "autosubscribe": 1, "trackforums": 0,
        "city": context.site.defaultcity, "country": context.site.country,
    }  # fmt: skip
    row = {**user, "confirmed": 1, "mnethostid": 1}
    row |= {name: value for name, value in defaults.items() if name not in row}
    row |= {"timecreated": now, "timemodified": now}
    row = _without_excess_spaces(_with_choices(row, context.site))
    _check_row(row, context.site, _insert_statement(row))
    try:
        return context.accounts.insert(_columns(row))
    except UsernameTaken as error:
        raise _duplicate(row, _insert_statement(row)) from error


def update_user(context: Context, userid: int, changes: dict[str, Any]) -> None:
    """Change a user's columns; the time of modification moves even where nothing differs (seen on 4.5 and 5.1)."""
    changes = dict(changes)
    if not changes.get("calendartype"):
        changes.pop("calendartype", None)
    row = _without_excess_spaces(_with_choices({**changes, "timemodified": int(time.time())}, context.site))
    statement = _update_statement(row, userid)
    _check_row(row, context.site, statement)
    try:
        context.accounts.update(userid, _columns(row))
    except UsernameTaken as error:
        raise _duplicate(row, statement) from error


def check_writable(site: SiteSettings, statement: str = "") -> None:
    """Raise the database's refusal on a site whose database is read-only."""
    if site.db_read_only:
        raise write_failed(f"{_READ_ONLY}\n{statement}")


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, bool) else value
        for name, value in row.items()
        if name in COLUMNS and name not in ("id", "interests")
    }


def _with_choices(row: dict[str, Any], site: SiteSettings) -> dict[str, Any]:
    """Replace a choice Moodle does not know by its default. An unknown country becomes ``0``: no country, on any site."""
    choices = {
        "country": (("", *COUNTRIES), site.country or "0"),
        "calendartype": (_CALENDARS, "gregorian"),
        "lang": (("", *site.langs), site.lang),
        "theme": (("", *site.themes), "boost"),
    }
    result = dict(row)
    for name, (known, default) in choices.items():
        if result.get(name) and result[name] not in known:
            result[name] = default
    return result


def _without_excess_spaces(row: dict[str, Any]) -> dict[str, Any]:
    """Cut spaces at the end that do not fit: the one excess MariaDB drops without an error."""
    return {
        name: value[: WIDTHS[name]]
        if name in WIDTHS and isinstance(value, str) and not value[WIDTHS[name] :].strip(" ")
        else value
        for name, value in row.items()
    }


def _check_row(row: dict[str, Any], site: SiteSettings, statement: str) -> None:
    check_writable(site, statement)
    for name, value in row.items():
        if len(to_text(value)) > WIDTHS.get(name, len(to_text(value))):
            raise write_failed(f"Data too long for column '{name}' at row 1\n{statement}")
        low, high = SMALL_NUMBERS.get(name, (value, value))
        if isinstance(value, int) and not low <= value <= high:
            raise write_failed(f"Out of range value for column '{name}' at row 1\n{statement}")


def _duplicate(row: dict[str, Any], statement: str) -> MoodleException:
    return write_failed(f"Duplicate entry '1-{row.get('username')}' for key 'mdl_user_mneuse_uix'\n{statement}")


def _insert_statement(row: dict[str, Any]) -> str:
    written = {name: value for name, value in row.items() if _in_sql(name)}
    marks = ",".join("?" * len(written))
    return f"INSERT INTO mdl_user ({','.join(written)}) VALUES({marks})\n{_var_export(list(written.values()))}"


def _update_statement(row: dict[str, Any], userid: int) -> str:
    written = {name: value for name, value in row.items() if _in_sql(name)}
    sets = ",".join(f"{name} = ?" for name in written)
    return f"UPDATE mdl_user SET {sets} WHERE id=?\n{_var_export([*written.values(), userid])}"  # noqa: S608


def _in_sql(name: str) -> bool:
    return (name in COLUMNS and name != "interests") or name in ("mnethostid", "maildigest", "autosubscribe")


def _var_export(values: list[Any]) -> str:
    rows = "".join(f"  {n} => {_exported(value)},\n" for n, value in enumerate(values))
    return f"[array (\n{rows})]"


def _exported(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return to_text(int(value) if isinstance(value, bool) else value)
