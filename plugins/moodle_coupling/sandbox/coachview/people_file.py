"""Reads the people a sandbox starts with from a JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError, SourceError
from moodle_coupling.sandbox.coachview.definitions import DEFAULT_FREE_FIELDS, FreeField, free_field_from

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sandbox.coachview.fields import Person

_PEOPLE, _FREE_FIELDS = "personen", "vrijveldDefinities"


@dataclass(frozen=True)
class PeopleFile:
    """What a file holds: people, and the definitions of their free fields."""

    people: list[Person]
    free_fields: tuple[FreeField, ...] = DEFAULT_FREE_FIELDS


def read_people(path: Path) -> PeopleFile:
    """Return the people of a JSON file (UTF-8): a list of persons, or an object with ``personen`` and ``vrijveldDefinities``.

    A person has the keys of a row of Personen, and besides those ``vrijevelden`` (code → value), ``categorieen`` (names),
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
    if not isinstance(content, dict) or not set(content) <= {_PEOPLE, _FREE_FIELDS}:
        raise SourceError(
            f"The people file {path} must hold a list of persons, or an object with {_PEOPLE!r} and {_FREE_FIELDS!r}."
        )
    people = _persons(path, content.get(_PEOPLE))
    if _FREE_FIELDS not in content:
        return PeopleFile(people)
    try:
        return PeopleFile(people, tuple(free_field_from(values) for values in content[_FREE_FIELDS]))
    except SettingError as error:
        raise SourceError(f"The people file {path}, {_FREE_FIELDS}: {error}") from error


def _persons(path: Path, content: Any) -> list[Person]:
    if not isinstance(content, list) or not all(isinstance(person, dict) for person in content):
        raise SourceError(f"The people file {path}: persons must be a list of objects.")
    return content
