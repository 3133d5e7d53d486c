"""One page of a list: which rows, out of how many, and what faults make of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from moodle_coupling.sandbox.coachview.faults import Fault, FaultKind
from moodle_coupling.sandbox.coachview.refusals import Refusal, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moodle_coupling.sandbox.coachview.people import People
    from moodle_coupling.sandbox.coachview.settings import ServerSettings

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
