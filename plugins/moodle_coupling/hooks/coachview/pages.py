"""Reading a part of a list page by page, so that what comes out is whole or an error.

Three things prove a part whole: every page says how many rows there are in all (``RowCount``) and says the same, every page
has exactly the rows it should have, and a page begins with the row the page before it ended with. If one of them fails,
rows came, went or moved between two pages: the part is read again, a few times.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from moodle_coupling.errors import (
    CoachviewAnswerUnreadable,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewTimedOut,
)
from moodle_coupling.hooks.coachview.calls import ORDER, Ask
from moodle_coupling.hooks.coachview.windows import Ids, impossible

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from moodle_coupling.hooks.coachview.answers import Listing
    from moodle_coupling.hooks.coachview.windows import Part

log = logging.getLogger(__name__)

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
    """A reading that did not come out; the text says why."""


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
                f"{self._of.endpoint}: {found} rows come for {impossible()}, when nothing can have changed, so Coachview does "
                "not obey the filter on change dates. Set 'full_read' in the connection to 'pages'.",
                endpoint=self._of.endpoint,
            )

    def _until_whole(self, part: Part) -> Iterator[Slice]:
        said = ""
        for reading in range(1, READINGS + 1):
            try:
                yield from self._without_doubles(part)
            except _NotWhole as reason:
                said = str(reason)
                log.info("%s, %s: %s (reading %s of %s)", self._of.endpoint, part, said, reading, READINGS)
            else:
                return
        raise CoachviewIncomplete(
            f"{self._of.endpoint}, {part}: {said}, {READINGS} times over. Nothing of it counts as read. Run again; if it stays, "
            "look whether people are being imported in Coachview at this moment.",
            endpoint=self._of.endpoint,
        )

    def _without_doubles(self, part: Part) -> Iterator[Slice]:
        ids: set[str] = set()
        had = 0
        for piece in self._once(part):
            ids.update(_id_of(row, self._of.endpoint) for row in piece.rows)
            had += len(piece.rows)
            if len(ids) != had:
                raise _NotWhole("a row came twice")
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
                raise _NotWhole(
                    f"{counted} rows are said to follow the first {had} of {count} (a high skip times out, so it was read on "
                    "by id)"
                )
            self._check(rows, counted, 0)
            had, last = had + len(rows), rows[-1]
            yield Slice(rows, part, ends=had == count)

    # ---- one page ----------------------------------------------------------------------------------------------------

    def _page(self, where: str, skip: int, *, take: int = 0, patient: bool = True) -> _Page:
        size = take or self._of.page_size
        listing = self._ask(Ask.page(self._of.endpoint, skip, size, where, more=self._of.params, patient=patient))
        if listing.count is None:
            raise CoachviewAnswerUnreadable(
                f"{self._of.endpoint}: the answer has no header RowCount, though Count=true was asked for, so nobody can tell "
                "whether everyone came. Look whether a proxy on the way drops headers.",
                endpoint=self._of.endpoint,
                status=200,
            )
        return listing.count, listing.rows

    def _check(self, rows: list[dict[str, Any]], count: int, skip: int) -> None:
        wanted = max(0, min(self._of.page_size, count - skip))
        if len(rows) != wanted:
            hint = ""
            if 0 < len(rows) < wanted:
                hint = f" (if {len(rows)} is the most Coachview gives at a time, make that the connection's page size)"
            raise _NotWhole(f"{len(rows)} rows came where {wanted} were announced, after {skip} of {count} rows{hint}")

    def _check_next(
        self, before: dict[str, Any], page: list[dict[str, Any]], skip: int, count: int, counted: int
    ) -> None:
        if counted != count:
            raise _NotWhole(f"there were {count} rows, and a page later {counted}")
        self._check(page, count, skip)
        if _id_of(page[0], self._of.endpoint) != _id_of(before, self._of.endpoint):
            raise _NotWhole(f"the rows moved between two pages, after {skip} of {count}")


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
            f"{endpoint}: a row has no id. Keys on it: {', '.join(str(key)[:40] for key in row)[:400]}.",
            endpoint=endpoint,
            status=200,
        )
    return str(found)
