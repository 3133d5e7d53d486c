"""How people, free fields and categories stand in an answer, and one page of them, with what faults make of it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

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
from moodle_coupling.sandbox.coachview.refusals import Fault, FaultKind, Refusal, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moodle_coupling.sandbox.coachview.fields import FreeFields
    from moodle_coupling.sandbox.coachview.people import People
    from moodle_coupling.sandbox.coachview.settings import ServerSettings


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


def record_row(record: Row, wanted: Wanted, free_fields: FreeFields, keys: Sequence[str]) -> Row:
    """Return a row of another list than Personen; ``keys`` are those that any row of it has."""
    row = _without_empty(record)
    if wanted.empty != "absent":
        nothing = None if wanted.empty == "null" else ""
        row = {key: row.get(key, nothing) for key in keys}
    if wanted.free:
        row.update(_free_fields(record.get(FREE, {}), wanted, free_fields))
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


_INSERTED = "00000000-0000-0000-0000-"
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What a request asks of a list; parameter names look themselves up without letter case."""

    params: dict[str, str]

    def text(self, name: str) -> str:
        """Return a parameter, '' where it is not there."""
        return self.params.get(name.lower(), "")

    def yes(self, name: str) -> bool:
        """Return a parameter that is true or false. Raises :class:`Refusal`."""
        word = self.text(name).lower()
        if word not in ("", "true", "false"):
            raise bad_request(f"{name} is true or false, not '{word}'.")
        return word == "true"

    def number(self, name: str, default: int, least: int) -> int:
        """Return a parameter that is a whole number. Raises :class:`Refusal`."""
        text = self.text(name) or str(default)
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
            raise bad_request(f"{name} is a whole number from {least}, not '{text}'.")
        return int(text)


@dataclass(frozen=True)
class Page:
    """A page: the rows themselves, how many were skipped, and how many there are in all (None: that is not told)."""

    rows: Sequence[Any]
    skipped: int
    count: int | None


def page_of(items: Sequence[T], asked: Asked, settings: ServerSettings) -> tuple[Sequence[T], int, int]:
    """Return the items of the page asked for, its skip and its take.

    Raises :class:`Refusal`: 500 where the skip is too deep, 400 for what is no skip or take.
    """
    skip = asked.number("skip", 0, 0)
    take = asked.number("take", settings.take_default, 1)
    if take > settings.take_maximum:
        if settings.take_over_maximum == "refused":
            raise bad_request(f"take is at most {settings.take_maximum}, not {take}.")
        take = settings.take_maximum
    if skip > settings.deep_skip:
        raise Refusal(
            500, "Execution Timeout Expired. The timeout period elapsed prior to completion of the operation."
        )
    return items[skip : skip + take], skip, take


def damaged(page: Page, before: Any, faults: Iterable[Fault]) -> Page:
    """Return the page with faults in it; ``before`` is the row that stands in front of it, None on the first page."""
    for fault in faults:
        if fault.kind is FaultKind.SHORT_PAGE:
            page = replace(page, rows=page.rows[: max(0, len(page.rows) - fault.rows)])
        elif fault.kind is FaultKind.DUPLICATE_ROW and page.rows:
            page = replace(page, rows=_with_double(list(page.rows), before))
        elif fault.kind is FaultKind.WRONG_ROW_COUNT and page.count is not None:
            page = replace(page, count=max(0, page.count + fault.rows))
        elif fault.kind is FaultKind.NO_ROW_COUNT:
            page = replace(page, count=None)
    return page


def _with_double(rows: list[Any], before: Any) -> list[Any]:
    """Repeat a row in the place of the one after it: the number of rows stays right, and one is lost."""
    if before is not None:
        return [before, *rows[1:]]
    return [rows[0], rows[0], *rows[2:]]


def change_after(page: Page, people: People, faults: Iterable[Fault]) -> None:
    """Change the people as somebody else would between this page and the next; ``page`` holds persons.

    Who is inserted has an id in front of all others.
    """
    for fault in faults:
        if fault.kind is FaultKind.INSERT_PERSON:
            people.add([{"id": f"{_INSERTED}{secrets.token_hex(6)}", "achternaam": "Tussendoor", "voornaam": "Tom"}])
            continue
        person_id = fault.person or (page.rows[0]["id"] if page.rows else "")
        if fault.kind is FaultKind.EDIT_PERSON and people.get(person_id):
            people.change(person_id, {})
        elif fault.kind is FaultKind.REMOVE_PERSON:
            people.remove([person_id])
