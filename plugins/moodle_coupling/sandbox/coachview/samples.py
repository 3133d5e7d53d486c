"""The people a sandbox starts with: from a JSON file, or invented, the same ones for the same seed."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError, SourceError
from moodle_coupling.sandbox.coachview.fields import (
    AUDIT,
    CATEGORIES,
    CHANGED,
    CREATED,
    DEFAULT_FREE_FIELDS,
    FREE,
    FreeField,
    free_field_from,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moodle_coupling.sandbox.coachview.fields import Person
    from moodle_coupling.sandbox.coachview.people import Record


_PEOPLE, _PARTS, _ENROLMENTS, _FREE_FIELDS = (
    "personen",
    "opleidingsonderdelen",
    "opleidingsvragen",
    "vrijveldDefinities",
)
_LISTS = (_PEOPLE, _PARTS, _ENROLMENTS)


@dataclass(frozen=True)
class PeopleFile:
    """What a file holds: people, the parts of trainings, who is enrolled, and the definitions of free fields."""

    people: list[Person]
    free_fields: tuple[FreeField, ...] = DEFAULT_FREE_FIELDS
    parts: list[Record] = field(default_factory=list)
    enrolments: list[Record] = field(default_factory=list)


def read_people(path: Path) -> PeopleFile:
    """Return what a JSON file (UTF-8) holds: a list of persons, or an object with ``personen`` and what else is known.

    That is ``vrijveldDefinities``, ``opleidingsonderdelen`` and ``opleidingsvragen`` (rows as they are to be answered). A person has the keys of a row of Personen, and besides those ``vrijevelden`` (code → value), ``categorieen`` (names),
    ``extraVelden`` and ``directeRelaties`` (as they are to be answered). Raises :class:`SourceError` naming the file and
    what is wrong with its form; the persons themselves are looked at when they are added.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The people file {path} cannot be read as UTF-8: {error}.") from error
    except ValueError as error:
        raise SourceError(f"The people file {path} is no JSON: {error}.") from error
    if isinstance(content, list):
        return PeopleFile(_persons(path, content))
    if not isinstance(content, dict) or not set(content) <= {*_LISTS, _FREE_FIELDS}:
        keys = ", ".join(repr(key) for key in (*_LISTS[1:], _FREE_FIELDS))
        raise SourceError(
            f"The people file {path} must hold a list of persons, or an object with {_PEOPLE!r} and any of {keys}."
        )
    people, parts, enrolments = (_persons(path, content.get(key, None if key == _PEOPLE else [])) for key in _LISTS)
    if _FREE_FIELDS not in content:
        return PeopleFile(people, parts=parts, enrolments=enrolments)
    try:
        free_fields = tuple(free_field_from(values) for values in content[_FREE_FIELDS])
    except SettingError as error:
        raise SourceError(f"The people file {path}, {_FREE_FIELDS}: {error}") from error
    return PeopleFile(people, free_fields, parts, enrolments)


def _persons(path: Path, content: Any) -> list[Person]:
    if not isinstance(content, list) or not all(isinstance(person, dict) for person in content):
        raise SourceError(f"The people file {path}: persons must be a list of objects.")
    return content


_FIRST = ("Jan", "Zoë", "Anne-Marie", "Jürgen", "Şule", "Łukasz", "Ελένη", "小明", "Fatima", "José", "Noor", "Søren")
_LAST = (
    ("", "Jansen"), ("de", "Vries"), ("van den", "Berg"), ("van der", "Meer"), ("'t", "Hart"), ("", "Müller"), ("", "Yılmaz"),
    ("", "Kowalski"), ("", "Παπαδόπουλος"), ("", "王"), ("", "El Amrani"), ("", "O'Brien"), ("in 't", "Veld"), ("", "Visser"),
)  # fmt: skip
_TOWNS = tuple(
    {"plaats": town, "landCode": country}
    for town, country in (
        ("Utrecht", "NL"),
        ("'s-Hertogenbosch", "NL"),
        ("Zwolle", "NL"),
        ("Köln", "DE"),
        ("Gent", "BE"),
    )
)
_GROUPS = tuple(f"Groep {number}" for number in range(1, 31))
FIRST_DAY, LAST_DAY = dt.date(2018, 1, 1), dt.date(2025, 12, 31)


def generate_people(
    number: int, *, seed: int = 1, first_day: dt.date = FIRST_DAY, last_day: dt.date = LAST_DAY
) -> Iterator[Person]:
    """Give invented people, created and changed in office hours from ``first_day`` up to and including ``last_day``.

    One in fifty is inactive. Names are few and externIds and addresses unique, as many a person is called alike.
    """
    rng = random.Random(seed)  # noqa: S311 - invented people
    days = [(first_day + dt.timedelta(days=day)).isoformat() for day in range((last_day - first_day).days + 1)]
    for count in range(1, number + 1):
        first = _FIRST[rng.getrandbits(16) % len(_FIRST)]
        infix, last = _LAST[rng.getrandbits(16) % len(_LAST)]
        born = rng.getrandbits(30) % len(days)
        changed = born + rng.getrandbits(30) % (len(days) - born)
        created_at, changed_at = _moment(days[born], rng), _moment(days[changed], rng)
        bits = f"{rng.getrandbits(128):032x}"
        person: Person = {
            "id": f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}",
            "voorletters": f"{first[0]}.",
            "voornaam": first,
            "tussenvoegsels": infix,
            "achternaam": last,
            "inactief": count % 50 == 0,
            "adres": _TOWNS[count % len(_TOWNS)],
            "email1": f"persoon{count}@example.org",
            "externId": f"GEN-{count:07}",
            "externSource": "Generator",
            AUDIT: {
                CREATED: min(created_at, changed_at),
                "aangemaaktDoor": "Import",
                CHANGED: max(created_at, changed_at),
                "gewijzigdDoor": "Import",
            },
            FREE: {"Vrijveld1": _GROUPS[count % len(_GROUPS)], "VrijveldNotitie": "Vertrouwelijk"},
            CATEGORIES: ["Cursist"],
        }
        yield person


def _moment(day: str, rng: random.Random) -> str:
    minute = 8 * 60 + rng.getrandbits(20) % (10 * 60)
    return f"{day}T{minute // 60:02}:{minute % 60:02}:{rng.getrandbits(20) % 60:02}"
