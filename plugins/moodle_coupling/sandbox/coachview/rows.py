"""How people, free fields and categories stand in an answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.coachview.fields import (
    CATEGORIES,
    EXTRA,
    FREE,
    FURTHER,
    PERSON_FIELDS,
    RELATIONS,
    Field,
    Kind,
    Person,
)

if TYPE_CHECKING:
    from moodle_coupling.sandbox.coachview.definitions import FreeFields

Row = dict[str, Any]
_EXAMPLE_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_EXAMPLES = {
    Kind.TEXT: "string",
    Kind.GUID: _EXAMPLE_ID,
    Kind.YES_NO: True,
    Kind.DAY: "2019-08-24",
    Kind.MOMENT: "2019-08-24T14:15:22",
}
_MOST_EXAMPLES = 5
_CATEGORY_SPACE = uuid.UUID("5b1c2f0e-7a57-4d0c-9a3e-6f3f3a1d2c4b")


@dataclass(frozen=True)
class Wanted:
    """What a request wants on its rows, and how the server writes it."""

    free: bool = False
    extra: bool = False
    relations: bool = False
    empty: str = "absent"
    free_shape: str = "list"


def person_row(person: Person, wanted: Wanted, free_fields: FreeFields) -> Row:
    """Return a person as a row of Personen."""
    row = _without_empty(person) if wanted.empty == "absent" else _with_empty(person, null=wanted.empty == "null")
    if wanted.free:
        free = person.get(FREE, {})
        row.update(_free_fields(free, wanted, free_fields))
    if wanted.extra:
        row[EXTRA] = person.get(EXTRA, {})
    if wanted.relations:
        row[RELATIONS] = person.get(RELATIONS, [])
    return row


def _without_empty(person: Person) -> Row:
    row: Row = {}
    for key, value in person.items():
        kept = _filled(value) if isinstance(value, dict) else value
        if key not in FURTHER and kept not in ("", None, {}):
            row[key] = kept
    return row


def _filled(part: Row) -> Row:
    return {key: value for key, value in part.items() if value not in ("", None)}


def _with_empty(person: Person, *, null: bool) -> Row:
    row: Row = {}
    for field in PERSON_FIELDS:
        value = field.of(person)
        if value is None and field.kind is Kind.TEXT and not null:
            value = ""
        _put(row, field, value)
    return row


def _put(row: Row, field: Field, value: Any) -> None:
    for key in field.path[:-1]:
        row = row.setdefault(key, {})
    row[field.path[-1]] = value


def _free_fields(free: Row, wanted: Wanted, free_fields: FreeFields) -> Row:
    """Return the free fields in one of the shapes that are possible; only the list tells which are confidential."""
    if wanted.free_shape == "list":
        return {FREE: free_fields.with_definitions(free)}
    values = free_fields.by_code(free, also_empty=wanted.empty == "null")
    return {FREE: values} if wanted.free_shape == "object" else values


def category_rows(person: Person, *, with_person: bool) -> list[Row]:
    """Return a person's categories; ``with_person``: whose they are stands on each."""
    whose = {"persoonId": person["id"]} if with_person else {}
    return [{**_category(name), **whose} for name in person.get(CATEGORIES, ())]


def all_categories(people: list[Person]) -> list[Row]:
    """Return every category that somebody is in, once."""
    names = dict.fromkeys(name for person in people for name in person.get(CATEGORIES, ()))
    return [_category(name) for name in names]


def _category(name: str) -> Row:
    return {"id": str(uuid.uuid5(_CATEGORY_SPACE, name)), "naam": name}


def example_rows(endpoint: str, take: int) -> list[Row]:
    """Return what comes without the endpoint's scope: rows as of a Swagger page, all with the same id."""
    if endpoint == "Personen":
        row: Row = {}
        for field in PERSON_FIELDS:
            _put(row, field, _EXAMPLES[field.kind])
    else:
        row = {"id": _EXAMPLE_ID, "naam": "string"}
    return [row] * min(take, _MOST_EXAMPLES)
