"""Reading persons: by days of change, by id, or everyone; typed, each version once, and counted at the end."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import CoachviewIncomplete, CoachviewRefused
from moodle_coupling.hooks.coachview.rows import PERSONS, CoachviewPerson, check_persons, lowered, person, text_at
from moodle_coupling.hooks.coachview.windows import Everything, Ids, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moodle_coupling.hooks.coachview.free import FreeFields
    from moodle_coupling.hooks.coachview.pages import PageReader, Slice
    from moodle_coupling.hooks.coachview.windows import Part

log = logging.getLogger(__name__)

_RECOUNTS: Final = 3


@dataclass(frozen=True, slots=True)
class PersonFields:
    """What is wanted of each person besides names, addresses and ids.

    ``free`` are codes of free fields; ``extra`` further keys of a row, with dots into objects (``geboorteplaats``,
    ``adres.postcode``). ``extra_fields`` and ``relations`` have Coachview put its extra fields and direct relations on the row.
    """

    free: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    extra_fields: bool = False
    relations: bool = False

    @property
    def params(self) -> Mapping[str, bool]:
        """The parameters that ask for it; nothing is asked for that is not wanted."""
        asked = {
            "InclusiefVrijevelden": bool(self.free),
            "InclusiefExtraVelden": self.extra_fields,
            "InclusiefDirecteRelaties": self.relations,
        }
        return {name: True for name, wanted in asked.items() if wanted}


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an earlier reading of everyone stopped: the days before ``after`` were read, and gave the persons ``ids``."""

    after: dt.date
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class PersonPage:
    """Some persons, each in the version that was read last.

    ``again`` are the ids of persons who were on an earlier page and have changed since: the later page stands.
    ``read_until`` is the day up to which, not included, everyone is in, for ``Resume``; None while that cannot be said. It
    is no watermark: the next reading of changes begins on the day this one began. ``confidential`` are the wanted free fields
    that are confidential: they were left out.
    """

    persons: tuple[CoachviewPerson, ...]
    again: frozenset[str] = frozenset()
    read_until: dt.date | None = None
    confidential: frozenset[str] = frozenset()


@dataclass(slots=True)
class PersonReading:
    """One reading of persons, of one part or of several lists of ids; ``today`` is the day it began."""

    reader: PageReader
    free: FreeFields
    fields: PersonFields
    person_id_key: str
    today: dt.date
    _versions: dict[str, int] = field(default_factory=dict)

    def read(self, part: Part, resume: Resume | None = None) -> Iterator[PersonPage]:
        """Give the persons of a part in pages, memory for one page at a time besides an id and a number per person.

        Raises CoachviewIncomplete when at the end there are more or fewer persons than Coachview counts, or another
        CoachviewError.
        """
        begin: Part = part
        if resume is not None and isinstance(part, Everything) and part.by_windows:
            self._versions = dict.fromkeys(resume.ids, 0)
            begin = Window(resume.after - dt.timedelta(days=1), part.until)
        yield from self._pages(begin)
        # A part that was read in one go has proved itself, page by page.
        if not isinstance(part, Ids) and (self.reader.was_cut or begin is not part):
            yield from self._until_counted(part, may_be_more=resume is not None)

    def _pages(self, part: Part) -> Iterator[PersonPage]:
        for piece in self.reader.read(part):
            page = self._page(piece)
            if page.persons or page.read_until:
                yield page

    def _page(self, piece: Slice) -> PersonPage:
        rows = [lowered(row) for row in piece.rows]
        _check_obeyed(rows, piece.part)
        check_persons(rows, self.person_id_key)
        now: list[CoachviewPerson] = []
        again: set[str] = set()
        for one in map(self._typed, rows):
            version, known = _version(one), self._versions.get(one.id)
            if version == known:
                continue
            if known is not None:
                again.add(one.id)
            self._versions[one.id] = version
            now.append(one)
        if rows:
            self.free.check_seen(rows[0].keys())
        until = piece.part.until if piece.ends and isinstance(piece.part, Window | Everything) else None
        return PersonPage(tuple(now), frozenset(again), until, self.free.confidential)

    def _typed(self, row: dict[str, Any]) -> CoachviewPerson:
        free = self.free.read(row, str(row.get("id") or "")) if self.fields.free else {}
        return person(row, person_id_key=self.person_id_key, free=free, extra=self.fields.extra)

    def _until_counted(self, part: Window | Everything, *, may_be_more: bool) -> Iterator[PersonPage]:
        """Compare with Coachview's own count of the whole part; who came in the meantime is read after all."""
        for more_tries in range(_RECOUNTS, -1, -1):
            counted, have = self.reader.count(part), len(self._versions)
            if have == counted:
                return
            if have > counted:
                self._too_many(have, counted, part, may_be_more=may_be_more)
                return
            if more_tries:
                log.info("%s: %s persons read, Coachview counts %s; reading what changed today.", part, have, counted)
                yield from self._pages(Window(self.today - dt.timedelta(days=1), part.until))
        raise CoachviewIncomplete(
            f"{PERSONS}, {part}: {have} persons were read by their change dates, and Coachview counts {counted}. Nothing of it "
            "counts as read. If it stays, persons without a change date exist: set 'full_read' in the connection to 'pages'.",
            endpoint=PERSONS,
        )

    def _too_many(self, have: int, counted: int, part: Part, *, may_be_more: bool) -> None:
        if may_be_more:
            log.warning(
                "%s: %s persons were read over two days, Coachview counts %s now; the difference was deleted in between.",
                part,
                have,
                counted,
            )
            return
        raise CoachviewIncomplete(
            f"{PERSONS}, {part}: {have} persons were read, and Coachview counts {counted}: some were deleted meanwhile. Nothing of it "
            "counts as read; run again.",
            endpoint=PERSONS,
        )


def _version(one: CoachviewPerson) -> int:
    """Give a number that differs when anything of a person differs; never 0."""
    texts = tuple(getattr(one, name) for name in CoachviewPerson.__slots__ if name not in ("free", "extra"))
    return hash((texts, tuple(one.free.items()), tuple(one.extra.items()))) or 1


def _check_obeyed(rows: list[dict[str, Any]], part: Part) -> None:
    """Make sure that only persons came who were asked for by id. Raises CoachviewRefused."""
    if not isinstance(part, Ids):
        return
    asked = {value.lower() for value in part.values}
    strangers = sum(text_at(row, part.key).strip().lower() not in asked for row in rows)
    if strangers:
        raise CoachviewRefused(
            f"{PERSONS}: {strangers} rows came whose {part.key} was not asked for, so Coachview does not obey a filter on it (or gives "
            "example rows, for want of the scope Personen.Lezen).",
            endpoint=PERSONS,
        )
