"""Reading persons: by days of change, by id, or everyone; typed, each version once, and counted at the end."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import logging
import math
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from moodle_coupling.errors import (
    CoachviewAnswerUnreadable,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewTimedOut,
    InputError,
)
from moodle_coupling.hooks.coachview.calls import ORDER, Ask
from moodle_coupling.hooks.coachview.rows import (
    PERSONS,
    CoachviewPerson,
    check_persons,
    is_free,
    lowered,
    person,
    text_at,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping

    from moodle_coupling.hooks.coachview.answers import Listing
    from moodle_coupling.hooks.coachview.rows import FreeFields


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


_EXTRA_FIELDS: Final = "extravelden."
_RELATIONS: Final = "directerelaties."


def fields_of_keys(keys: Iterable[str]) -> PersonFields:
    """Give what Coachview must put on the rows for these keys."""
    lower = [key.lower() for key in keys]
    return PersonFields(
        free=tuple(dict.fromkeys(key for key in keys if is_free(key))),
        extra_fields=any(key.startswith(_EXTRA_FIELDS) for key in lower),
        relations=any(key.startswith(_RELATIONS) for key in lower),
    )


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
            Sentence("coachview.persons.by_dates", what=PERSONS, part=part.said, have=have, counted=counted),
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
            Sentence("coachview.persons.deleted_meanwhile", what=PERSONS, part=part.said, have=have, counted=counted),
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
            Sentence("coachview.persons.strangers", what=PERSONS, n=strangers, key=part.key),
            endpoint=PERSONS,
        )


READINGS: Final = 3
"""How often a part is read before we say that it does not come whole."""
_COUNTED: Final = 2
"""Rows asked for where only their number matters: with one row, example rows could not be told apart."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a part, as they came; ``ends`` is whether the part is whole with them."""

    rows: list[dict[str, Any]]
    part: Part
    ends: bool


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list endpoint and how it is read: rows per page, pages at a time, and rows after which a part is cut smaller."""

    endpoint: str
    params: Mapping[str, bool]
    page_size: int
    most_rows: int
    at_a_time: int


A = TypeVar("A")
B = TypeVar("B")
_Page = tuple[int, list[dict[str, Any]]]
"""How many rows there are in all, and the rows of the page."""


class _NotWhole(Exception):
    """A reading that did not come out; ``said`` is why."""

    def __init__(self, said: Sentence) -> None:
        super().__init__(said)
        self.said = said


class _Cut(Exception):
    """The part is too large; ``parts`` is into how many it should be cut."""

    def __init__(self, parts: int) -> None:
        super().__init__(parts)
        self.parts = parts


class PageReader:
    """Reads parts of one list; ``was_cut`` is whether one was cut by days, so that its rows came at different moments."""

    def __init__(self, ask: Callable[[Ask], Listing], of: ListOf) -> None:
        self._ask = ask
        self._of = of
        self._most = max(of.most_rows, of.page_size)
        self.was_cut = False

    def read(self, part: Part) -> Iterator[Slice]:
        """Give the part's rows in slices, each sent on as soon as it is there; earlier windows before later ones.

        A row may come twice: where a part was read again or cut after some of it had come. Raises CoachviewIncomplete
        when it does not come whole, or any other CoachviewError.
        """
        todo: list[Part] = [part]
        while todo:
            now = todo.pop()
            try:
                yield from self._until_whole(now)
            except _Cut as cut:
                if not isinstance(now, Ids):
                    self._cut_by_days()
                todo.extend(reversed(now.cut(cut.parts)))

    def count(self, part: Part) -> int:
        """Ask how many rows a part has. Raises a CoachviewError."""
        return self._page(part.where, 0, take=_COUNTED)[0]

    def _cut_by_days(self) -> None:
        """Make sure, once, that Coachview obeys a filter on change dates; else everyone would come for every window."""
        found = 0 if self.was_cut else self.count(impossible())
        self.was_cut = True
        if found:
            raise CoachviewRefused(
                Sentence("coachview.list.filter_ignored", what=self._of.endpoint, n=found, part=impossible().said),
                endpoint=self._of.endpoint,
            )

    def _until_whole(self, part: Part) -> Iterator[Slice]:
        said = Sentence("coachview.list.row_twice")
        for reading in range(1, READINGS + 1):
            try:
                yield from self._without_doubles(part)
            except _NotWhole as reason:
                said = reason.said
                log.info("%s, %s: %s (reading %s of %s)", self._of.endpoint, part, said, reading, READINGS)
            else:
                return
        raise CoachviewIncomplete(
            Sentence("coachview.list.not_whole", what=self._of.endpoint, part=part.said, why=said, times=READINGS),
            endpoint=self._of.endpoint,
        )

    def _without_doubles(self, part: Part) -> Iterator[Slice]:
        ids: set[str] = set()
        had = 0
        for piece in self._once(part):
            ids.update(_id_of(row, self._of.endpoint) for row in piece.rows)
            had += len(piece.rows)
            if len(ids) != had:
                raise _NotWhole(Sentence("coachview.list.row_twice"))
            yield piece

    def _once(self, part: Part) -> Iterator[Slice]:
        try:
            count, rows = self._page(part.where, 0, patient=not part.is_divisible)
        except CoachviewTimedOut:
            if part.is_divisible:
                raise _Cut(2) from None
            raise
        if part.is_divisible and count > self._most:
            raise _Cut(math.ceil(1.5 * count / self._most))
        self._check(rows, count, 0)
        whole = len(rows) >= count
        yield Slice(rows, part, ends=whole)
        if not whole:
            yield from self._following(part, count, rows)

    def _following(self, part: Part, count: int, rows: list[dict[str, Any]]) -> Iterator[Slice]:
        """Give what comes after the first page. A page that times out means that its skip is too high."""
        step = self._of.page_size - 1
        skips = range(step, count - 1, step)
        had = len(rows)
        pages = ahead(lambda skip: self._page(part.where, skip, patient=False), skips, self._of.at_a_time)
        with contextlib.closing(pages):
            try:
                for skip, (counted, page) in zip(skips, pages, strict=True):
                    self._check_next(rows[-1], page, skip, count, counted)
                    rows, had = page, had + len(page) - 1
                    yield Slice(page[1:], part, ends=had == count)
            except CoachviewTimedOut:
                self._most = max(2 * self._of.page_size, min(self._most, had - 1))
            else:
                return
        if part.is_divisible:
            raise _Cut(math.ceil(1.5 * count / self._most))
        yield from self._by_last_id(part, count, rows[-1], had)

    def _by_last_id(self, part: Part, count: int, last: dict[str, Any], had: int) -> Iterator[Slice]:
        """Go on after the last id instead of with a skip: one day's rows, where the day has more than skip and take can do.

        Whether Coachview compares ids so is not known, but RowCount proves it: it must be what is left.
        """
        while had < count:
            where = ";".join(filter(None, [part.where, f"{ORDER}>{_id_of(last, self._of.endpoint)}"]))
            counted, rows = self._page(where, 0)
            if counted != count - had:
                raise _NotWhole(Sentence("coachview.list.follow", counted=counted, had=had, count=count))
            self._check(rows, counted, 0)
            had, last = had + len(rows), rows[-1]
            yield Slice(rows, part, ends=had == count)

    # ---- one page ----------------------------------------------------------------------------------------------------

    def _page(self, where: str, skip: int, *, take: int = 0, patient: bool = True) -> _Page:
        size = take or self._of.page_size
        listing = self._ask(Ask.page(self._of.endpoint, skip, size, where, more=self._of.params, patient=patient))
        if listing.count is None:
            raise CoachviewAnswerUnreadable(
                Sentence("coachview.list.no_row_count", what=self._of.endpoint),
                endpoint=self._of.endpoint,
                status=200,
            )
        return listing.count, listing.rows

    def _check(self, rows: list[dict[str, Any]], count: int, skip: int) -> None:
        wanted = max(0, min(self._of.page_size, count - skip))
        if len(rows) != wanted:
            cut = 0 < len(rows) < wanted
            code = "coachview.list.rows_missing_page" if cut else "coachview.list.rows_missing"
            raise _NotWhole(Sentence(code, have=len(rows), wanted=wanted, skip=skip, count=count))

    def _check_next(
        self, before: dict[str, Any], page: list[dict[str, Any]], skip: int, count: int, counted: int
    ) -> None:
        if counted != count:
            raise _NotWhole(Sentence("coachview.list.count_changed", count=count, counted=counted))
        self._check(page, count, skip)
        if _id_of(page[0], self._of.endpoint) != _id_of(before, self._of.endpoint):
            raise _NotWhole(Sentence("coachview.list.moved", skip=skip, count=count))


def ahead(ask: Callable[[A], B], of: Iterable[A], at_a_time: int) -> Generator[B]:
    """Ask for each of these, a few at a time, and give the answers in order; after an error no further one is begun."""
    if at_a_time == 1:
        yield from map(ask, of)
        return
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(at_a_time, thread_name_prefix="coachview") as pool:
        try:
            for one in of:
                waiting.append(pool.submit(ask, one))
                if len(waiting) > at_a_time:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _id_of(row: dict[str, Any], endpoint: str) -> str:
    found = row.get(ORDER)
    if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
        raise CoachviewAnswerUnreadable(
            Sentence("coachview.row.no_id", what=endpoint, keys=", ".join(str(key)[:40] for key in row)[:400]),
            endpoint=endpoint,
            status=200,
        )
    return str(found)


CHANGED: Final = "audittrail.gewijzigddatumtijd"
EARLIEST: Final = dt.date(1900, 1, 1)
_DAY: Final = dt.timedelta(days=1)
_LONGEST_FILTER: Final = 1500
"""Characters of an encoded filter: web servers take addresses of 2,048 characters or more."""


@dataclass(frozen=True, slots=True)
class Window:
    """The rows created or changed on the days from ``first`` up to, not including, ``until``."""

    first: dt.date
    until: dt.date

    @property
    def where(self) -> str:
        """The filter, as Coachview writes days."""
        return f"{CHANGED}={self.first:%d-%m-%Y},{self.until:%d-%m-%Y}"

    @property
    def is_divisible(self) -> bool:
        """Whether it can be cut: time of day in a filter is not known to work, so a day is the least."""
        return (self.until - self.first).days > 1

    def cut(self, parts: int) -> list[Window]:
        """Cut into at most so many windows that lie end to end, the earliest first."""
        days = (self.until - self.first).days
        parts = max(1, min(parts, days))
        edges = [self.first + dt.timedelta(days=days * part // parts) for part in range(parts + 1)]
        return [Window(first, until) for first, until in itertools.pairwise(edges)]

    @property
    def said(self) -> Sentence:
        """What it is called."""
        return Sentence("coachview.part.changed", first=str(self.first), last=str(self.until - _DAY))

    def __str__(self) -> str:
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Everything:
    """All rows, without a filter; cut into what is older than ``first_day`` and windows from there up to ``until``."""

    first_day: dt.date
    until: dt.date
    by_windows: bool = True

    @property
    def where(self) -> str:
        """No filter."""
        return ""

    @property
    def is_divisible(self) -> bool:
        """Whether it may be read by windows."""
        return self.by_windows

    def cut(self, parts: int) -> list[Window]:
        """Give the window of all that is old, and at most so many windows after it."""
        first = min(self.first_day, self.until - _DAY)
        return [Window(EARLIEST, first), *Window(first, self.until).cut(parts)]

    @property
    def said(self) -> Sentence:
        """What it is called."""
        return Sentence("coachview.part.everyone")

    def __str__(self) -> str:
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Ids:
    """The rows whose ``key`` is one of these values, letter case aside."""

    key: str
    values: tuple[str, ...]

    @property
    def where(self) -> str:
        """The filter: a list of values means one of them."""
        return f"{self.key}={','.join(self.values)}"

    @property
    def is_divisible(self) -> bool:
        """Whether there is more than one."""
        return len(self.values) > 1

    def cut(self, parts: int) -> list[Ids]:
        """Cut into at most so many shorter lists."""
        size = max(1, -(-len(self.values) // max(1, parts)))
        return [Ids(self.key, self.values[at : at + size]) for at in range(0, len(self.values), size)]

    @property
    def said(self) -> Sentence:
        """What it is called."""
        return Sentence("coachview.part.ids", n=len(self.values), key=self.key)

    def __str__(self) -> str:
        return str(self.said)


Part = Window | Everything | Ids


def impossible() -> Window:
    """Give a window in which no row can have changed: whoever gets rows for it is not obeyed."""
    return Window(EARLIEST, EARLIEST + _DAY)


def widened(first: dt.date, last: dt.date) -> Window:
    """Give the window that surely holds the days from ``first`` to ``last``, both included.

    Whether the ends of a period belong to it is not known, nor whose midnight counts: a day more on either side.
    """
    if last < first:
        raise InputError(Sentence("coachview.ask.days", last=str(last), first=str(first)))
    return Window(first - _DAY, last + 2 * _DAY)


def lists_of_ids(key: str, values: Collection[str], most: int) -> Iterator[Ids]:
    """Give lists of at most ``most`` ids that fit one address. Raises InputError for an id that a filter cannot hold."""
    now: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        if not re.fullmatch(r"[^,;<>=%&\x00-\x20\x7f](?:[^,;<>=%&\x00-\x1f\x7f]{0,98}[^,;<>=%&\x00-\x20\x7f])?", value):
            raise InputError(Sentence("coachview.ask.id", key=key, value=repr(value)))
        size = len(quote(value, safe="")) + 3
        if now and (len(now) >= most or length + size > _LONGEST_FILTER):
            yield Ids(key, tuple(now))
            now, length = [], 0
        now.append(value)
        length += size
    if now:
        yield Ids(key, tuple(now))
