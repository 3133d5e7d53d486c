"""Persons from a database: a table or a query, everyone or who changed since."""

from __future__ import annotations

import datetime as dt
import decimal
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.sources.chunks import add_chunk
from moodle_coupling.sources.contract import Mode
from moodle_coupling.sources.headings import find_headings
from moodle_coupling.sources.records import Records
from moodle_coupling.sources.selecting import only
from moodle_coupling.sources.sql_session import reading
from moodle_coupling.sources.statements import changed as changed_since
from moodle_coupling.sources.statements import count_changed, count_everyone, everyone
from moodle_coupling.sources.watermark import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.mapping import SqlSource
    from moodle_coupling.sources.contract import Wanted
    from moodle_coupling.sources.extract import Extract
    from moodle_coupling.sources.sql_session import Session

_READ: Final[dict[str, Callable[[str], Any]]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "int": int,
    "Decimal": decimal.Decimal,
    "str": str,
}
"""Kinds of changed_column, by the name of their Python type, and how they are read back from a watermark."""


@dataclass(frozen=True)
class SqlReader:
    """A table or a query of a database."""

    settings: SqlSource
    where: str
    kind: str = "sql"

    @property
    def incremental(self) -> bool:
        """Whether there is a column that says what changed."""
        return bool(self.settings.changed_column)

    def extract(self, wanted: Wanted) -> Extract:
        """Read everyone, who changed since the watermark, or (read as everyone, then chosen) some.

        Raises:
            SourceError: the connection, the rights or the SQL is wrong, no id among the columns, or fewer rows than counted.
            SourceUnavailable: the database cannot be reached, is busy, or broke off.

        """
        last = unseal(self.settings, wanted.since) if self.incremental else {}
        changed = wanted.mode is Mode.CHANGED and bool(last)
        since = self._look_back(_READ[last["kind"]](last["at"])) if changed else None
        with reading(self.settings.connection, self.where) as session:
            count = (count_changed if changed else count_everyone)(self.settings)
            query = (changed_since if changed else everyone)(self.settings)
            announced = session.number(count, since) if count else 0
            with closing(session.chunks(query, since, self.settings.chunk_size)) as chunks:
                names, chunk = next(chunks)
                rows = _Rows(self.settings, self.where, names)
                rows.add(chunk)
                for _, chunk in chunks:
                    rows.add(chunk)
            if count:
                _check(session, rows.read, announced, lambda: session.number(count, since))
        found = replace(
            rows.extract(),
            complete=not changed,
            # A database that was put back to an earlier state begins anew with the next full read.
            watermark=self._watermark(rows.latest, last if changed else {}),
        )
        return only(found, wanted.ids) if wanted.mode is Mode.IDS else found

    def _look_back(self, since: Any) -> Any:
        overlap = dt.timedelta(minutes=self.settings.overlap_minutes)
        if isinstance(since, dt.datetime):
            return since - overlap
        return since - dt.timedelta(days=1) if isinstance(since, dt.date) and overlap else since

    def _watermark(self, latest: Any, last: dict[str, str]) -> str:
        if latest is None:
            return seal(self.settings, last) if last else ""
        kind = type(latest).__name__
        if last.get("kind") == kind:
            # An overlap may have read only older rows; the watermark never moves back.
            latest = _later(latest, _READ[kind](last["at"]))
        at = latest.isoformat() if isinstance(latest, dt.date) else str(latest)
        return seal(self.settings, {"kind": kind, "at": at})


def _check(session: Session, read: int, announced: int, again: Callable[[], int]) -> None:
    """Raise when fewer rows came than were counted; where the view is not steady, rows may have gone meanwhile."""
    if read == announced or (not session.steady and read >= min(announced, again())):
        return
    msg = f"{announced} rows were counted and {read} came: half a read is no read. Nothing was taken from it."
    raise SourceError(msg)


class _Rows:
    """Rows on their way to an extract; ``latest`` is the greatest changed_column seen, None without any."""

    def __init__(self, settings: SqlSource, where: str, names: Sequence[str]) -> None:
        self._settings = settings
        self._records = Records(find_headings(names, settings.columns, where, _CURE))
        self._changed_at = self._find_changed(names)
        self.read = 0
        self.latest: Any = None

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        values = list(zip(*rows, strict=True))
        positions = self._records.headings.positions
        add_chunk(self._records, self.read + 1, {name: values[position] for name, position in positions.items()})
        if self._changed_at >= 0 and (moments := [value for value in values[self._changed_at] if value is not None]):
            self._note(moments)
        self.read += len(rows)

    def extract(self) -> Extract:
        return self._records.extract({"rows": str(self.read)})

    def _find_changed(self, names: Sequence[str]) -> int:
        wanted = self._settings.changed_column
        if not wanted:
            return -1
        places = [position for position, name in enumerate(names) if name.casefold() == wanted.casefold()]
        if not places:
            hint = did_you_mean(wanted, names) or "."
            msg = f"the result has no column '{wanted}' (source.changed_column){hint} It has: {', '.join(names)}."
            raise SourceError(msg)
        return places[0]

    def _note(self, values: Sequence[Any]) -> None:
        wrong = {type(value).__name__ for value in values} - _READ.keys()
        if wrong:
            msg = (
                f"source.changed_column '{self._settings.changed_column}' is of type {', '.join(sorted(wrong))}; it must be a "
                "time, a date, a number without fraction or a text that sorts by time."
            )
            raise SourceError(msg)
        try:
            self.latest = max(values) if self.latest is None else max(self.latest, *values)
        except TypeError:
            msg = f"source.changed_column '{self._settings.changed_column}' holds values that cannot be compared."
            raise SourceError(msg) from None


_CURE: Final = "Name it so in the query (SELECT nr AS person_id …)."


def _later(one: Any, other: Any) -> Any:
    try:
        return max(one, other)
    except TypeError:  # with and without a time zone: the column has become another
        return one
