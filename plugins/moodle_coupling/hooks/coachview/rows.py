"""Rows of Coachview as frozen dataclasses: what the coupling needs of a person, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import CoachviewAnswerUnreadable
from moodle_coupling.people.flags import read_flag

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSONS: Final = "Personen"
TEXTS: Final[Mapping[str, str]] = {
    "extern_id": "externId",
    "extern_source": "externSource",
    "initials": "voorletters",
    "firstname": "voornaam",
    "infix": "tussenvoegsels",
    "lastname": "achternaam",
    "email1": "email1",
    "email2": "email2",
    "email3": "email3",
    "city": "adres.plaats",
    "country": "adres.landCode",
    "changed": "auditTrail.gewijzigdDatumTijd",
}
"""Our name → the key on a row, with dots into what stands in it."""
UNPROVEN: Final = ("email2", "email3", "externId", "externSource", "auditTrail")
"""Keys whose spelling on a person's row is likely and not proven; the connection check says whether they are there."""


@dataclass(frozen=True, slots=True)
class CoachviewPerson:
    """One person as read, texts as they came and '' where there is none.

    ``id`` is Coachview's public id, ``person_id`` what the connection says is the person id (the same by default).
    ``inactive_unread`` is what stood in ``inactief`` when it was neither true nor false. ``changed`` is local time without a zone.
    ``free`` maps the wanted codes of free fields to their values, ``extra`` the wanted further keys.
    """

    id: str
    person_id: str
    extern_id: str = ""
    extern_source: str = ""
    initials: str = ""
    firstname: str = ""
    infix: str = ""
    lastname: str = ""
    email1: str = ""
    email2: str = ""
    email3: str = ""
    inactive: bool = False
    inactive_unread: str = ""
    city: str = ""
    country: str = ""
    changed: str = ""
    free: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


def lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row with its keys in lower case, as Coachview's names match without case."""
    return {str(key).lower(): value for key, value in row.items()}


def person(
    row: Mapping[str, Any], *, person_id_key: str, free: Mapping[str, str], extra: tuple[str, ...] = ()
) -> CoachviewPerson:
    """Read one row of Personen, its keys in lower case.

    Raises CoachviewAnswerUnreadable naming the key, never a value, for a row without id or a value that is no text.
    """
    record_id = text_at(row, "id")
    if not record_id.strip():
        raise _unreadable(f"a row has no id. Keys on it: {_keys(row)}.")
    inactive, unread = _inactive(row.get("inactief"))
    return CoachviewPerson(
        id=record_id,
        person_id=text_at(row, person_id_key),
        inactive=inactive,
        inactive_unread=unread,
        free=free,
        extra={key: text_at(row, key) for key in extra},
        **{name: text_at(row, key) for name, key in TEXTS.items()},
    )


def text_at(row: Mapping[str, Any], path: str) -> str:
    """Give the text at a key, '' where there is none; dots lead into objects. Raises CoachviewAnswerUnreadable."""
    value: object = row
    for key in path.lower().split("."):
        if value is None or value == "":
            return ""
        if not isinstance(value, dict):
            raise _unreadable(f"'{path}' leads into something that is no object.")
        value = value.get(key) if key in value else lowered(value).get(key)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _unreadable(f"'{path}' is a {'list' if isinstance(value, list) else 'group'}, where a text was expected.")


def check_persons(rows: list[dict[str, Any]], person_id_key: str) -> None:
    """Make sure that rows, their keys in lower case, are of persons and have a person id at all.

    One person may lack either, and is then judged by itself; where all of several do, something is wrong with all. Raises
    CoachviewAnswerUnreadable naming the keys that came.
    """
    if len(rows) < 2:
        return
    if not any("achternaam" in row for row in rows):
        raise _unreadable(f"no row has 'achternaam', so they are no persons. Keys on them: {_keys(rows[0])}.")
    if not any(text_at(row, person_id_key).strip() for row in rows):
        raise _unreadable(
            f"no row has '{person_id_key}', the connection's person_id_key. Keys on them: {_keys(rows[0])}."
        )


def _inactive(value: object) -> tuple[bool, str]:
    text = "" if value is None else str(value)
    flag = read_flag(text)
    return flag is True, text if flag is None else ""


def _keys(row: Mapping[str, Any]) -> str:
    return ", ".join(str(key)[:40] for key in sorted(row))[:600]


def _unreadable(what: str) -> CoachviewAnswerUnreadable:
    return CoachviewAnswerUnreadable(f"{PERSONS}: {what}", endpoint=PERSONS, status=200)


def category_names(rows: list[dict[str, Any]], endpoint: str) -> tuple[str, ...]:
    """Give the names of one person's categories, in the order they came. Raises CoachviewAnswerUnreadable."""
    names = []
    for row in map(lowered, rows):
        name = row.get("naam")
        if not isinstance(name, str) or not name.strip():
            raise CoachviewAnswerUnreadable(
                f"{endpoint}: a category has no 'naam'. Keys on it: {_keys(row)}.", endpoint=endpoint, status=200
            )
        names.append(name)
    return tuple(dict.fromkeys(names))
