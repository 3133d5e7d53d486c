"""Persons from a database: a table or a query, everyone or who changed since."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.sources.contract import Mode, seal, unseal
from moodle_coupling.sources.database.session import reading
from moodle_coupling.sources.headings import find_headings
from moodle_coupling.sources.persons import only
from moodle_coupling.sources.records import Records, add_chunk
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.sources.contract import Extract, Wanted
    from moodle_coupling.sources.database.session import Session
    from moodle_coupling.sources.database.settings import SqlSource


# ---- When rows changed, by a column of a database: the latest moment that has come, and what is dated later than now.
#
# A watermark beyond now would hide every change until then. So a value counts only once its moment has come, by our
# clock or by the database's; a value that is no moment (a row version, a text that only sorts) always counts.

READ: Final[dict[str, Callable[[str], Any]]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "int": int,
    "Decimal": decimal.Decimal,
    "str": str,
}
"""Kinds of value, by the name of their Python type, and how they are read back from a watermark."""

_SKEW: Final = dt.timedelta(minutes=15)
"""Two clocks may differ so much before a row counts as dated later than now."""
_EASTERNMOST: Final = dt.timedelta(hours=14)
"""Without a time zone a moment may be that much later than UTC's, and be now."""
SET_BACK: Final = dt.timedelta(hours=2)
"""A clock without a time zone is set back by an hour in autumn; two, where summer time was two."""
_TEXT: Final = re.compile(
    r"(?P<day>[12]\d{3}-[01]\d-[0-3]\d|[12]\d{3}[01]\d[0-3]\d(?!\d{7}))"
    r"(?:[T ]?(?P<time>\d\d:?\d\d(?::?\d\d)?)(?:[.,]\d+)?\s*(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?\Z"
)
_SAMPLE: Final = 200
_FIRST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _by_digits(form: str, digits: int) -> Callable[[int], dt.datetime | None]:
    def read(number: int) -> dt.datetime | None:
        if len(str(number)) != digits:  # strptime takes a month or day of one digit too
            return None
        try:
            return dt.datetime.strptime(str(number), form)  # noqa: DTZ007  # the zone is not known
        except ValueError:
            return None

    return read


def _by_seconds(parts: int) -> Callable[[int], dt.datetime | None]:
    def read(number: int) -> dt.datetime | None:
        try:
            return dt.datetime.fromtimestamp(number / parts, dt.UTC)
        except (ValueError, OverflowError, OSError):
            return None

    return read


_UNITS: Final[tuple[Callable[[int], dt.datetime | None], ...]] = (
    _by_digits("%Y%m%d", 8),
    _by_digits("%Y%m%d%H%M%S", 14),
    _by_seconds(1),
    _by_seconds(1_000),
    _by_seconds(1_000_000),
)
"""What a number can be: a day or second written in digits, or seconds, thousandths or millionths since 1970."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When a reading began: ``now`` by us, in UTC, and ``there`` by the database, None where it does not say."""

    now: dt.datetime
    there: dt.datetime | None = None

    def lateness(self, moment: dt.datetime | dt.date) -> dt.timedelta:
        """Tell how much later than now a moment is; nothing or less when it has come. Days count from their beginning."""
        return min(_aware(moment) - limit for limit in self._limits(moment))

    def is_far(self, moment: dt.datetime | dt.date) -> bool:
        """Tell whether a moment is later than now in every time zone it may be meant in, and by more than clocks differ."""
        zoned = isinstance(moment, dt.datetime) and moment.tzinfo is not None
        return self.lateness(moment) > (_SKEW if zoned else _SKEW + _EASTERNMOST)

    def _limits(self, moment: dt.datetime | dt.date) -> list[dt.datetime]:
        if self.there is None:
            return [self.now]
        zoned = isinstance(moment, dt.datetime) and moment.tzinfo is not None
        return [
            self.now,
            self.there.astimezone(dt.UTC) if zoned and self.there.tzinfo else _aware_as_it_stands(self.there),
        ]


def _aware(moment: dt.datetime | dt.date) -> dt.datetime:
    """Give a moment in UTC; a day is its beginning, and what has no time zone is taken as it stands."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _aware_as_it_stands(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


@dataclass
class Moments:
    """The values of one reading's column of changes.

    ``latest`` is the greatest whose moment has come, None without any; ``furthest`` the greatest that is dated later than now
    beyond doubt, of ``ahead`` rows. ``last`` is the value of the last watermark, None without one.
    """

    clock: Clock
    last: Any = None
    latest: Any = None
    furthest: Any = None
    ahead: int = 0
    _unit: Callable[[int], dt.datetime | None] | None = field(default=None, init=False)
    _learned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.last is not None:
            self._learn([self.last])

    @property
    def last_has_come(self) -> bool:
        """Whether the last watermark is not later than now; one that is was made of a row dated wrongly."""
        return self.last is None or self._late(self.last) <= dt.timedelta()

    @property
    def last_was_set_back(self) -> bool:
        """Whether the last watermark is later than now by no more than a clock without a time zone is set back."""
        return isinstance(self.last, dt.datetime) and self.last.tzinfo is None and self._late(self.last) <= SET_BACK

    def note(self, values: Sequence[Any]) -> None:
        """Take values in; raises TypeError when they cannot be compared."""
        self._learn(values)
        self._learned = True
        newest = max(values)
        if self._late(newest) > dt.timedelta():
            late = [value for value in values if self._late(value) > dt.timedelta()]
            far = [value for value in late if (moment := self.moment(value)) and self.clock.is_far(moment)]
            self.ahead += len(far)
            self.furthest = max([*far, *self._known(self.furthest)], default=None)
            values = [value for value in values if self._late(value) <= dt.timedelta()]
        self.latest = max([*values, *self._known(self.latest)], default=None)

    def moment(self, value: Any) -> dt.datetime | dt.date | None:
        """Give the moment that a value means; None when it means none that is known."""
        if isinstance(value, dt.date):
            return value
        if isinstance(value, str):
            return _in_text(value)
        return self._unit(int(value)) if self._unit is not None else None

    def _late(self, value: Any) -> dt.timedelta:
        moment = self.moment(value)
        return dt.timedelta() if moment is None else self.clock.lateness(moment)

    def _learn(self, values: Sequence[Any]) -> None:
        """Find out, once, what numbers mean: a time, when most of them are moments from 2000 until now."""
        sample = values[:_SAMPLE]
        if self._learned or not all(isinstance(value, int | decimal.Decimal) for value in sample):
            return
        for unit in _UNITS:
            moments = [moment for value in sample if (moment := unit(int(value))) is not None and self._is_past(moment)]
            if 2 * len(moments) > len(sample):
                self._unit = unit
                return

    def _is_past(self, moment: dt.datetime) -> bool:
        return _aware(moment) >= _FIRST and self.clock.lateness(moment) <= dt.timedelta()

    @staticmethod
    def _known(value: Any) -> list[Any]:
        return [] if value is None else [value]


def _in_text(text: str) -> dt.datetime | dt.date | None:
    found = _TEXT.match(text.strip())
    if found is None:
        return None
    try:
        if not found["time"]:
            return dt.date.fromisoformat(found["day"])
        return dt.datetime.fromisoformat(f"{found['day']}T{found['time']}{found['zone'] or ''}")
    except ValueError:
        return None


# ---- Persons from a database ----


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class SqlReader:
    """A table or a query of a database."""

    settings: SqlSource
    where: Sentence
    now: Callable[[], dt.datetime] = _now
    kind: str = "sql"

    @property
    def incremental(self) -> bool:
        """Whether there is a column that says what changed."""
        return bool(self.settings.changed_column)

    def extract(self, wanted: Wanted) -> Extract:
        """Read everyone, who changed since the watermark, or (read as everyone, then chosen) some.

        A row dated later than now moves no watermark: it is read on every run, with a warning.

        Raises:
            SourceError: the connection, the rights or the SQL is wrong, no id among the columns, or fewer rows than counted.
            SourceUnavailable: the database cannot be reached, is busy, or broke off.

        """
        last = unseal(self.settings, wanted.since) if self.incremental else {}
        with reading(self.settings.connection, self.where) as session:
            moments = Moments(
                Clock(self.now(), session.clock() if self.incremental else None),
                READ[last["kind"]](last["at"]) if last else None,
            )
            since = self._since(moments) if wanted.mode is Mode.CHANGED else None
            found, moments = self._read(session, since, moments)
        found = replace(
            found,
            complete=since is None,
            # A database that was put back to an earlier state begins anew with the next full read.
            watermark=self._watermark(moments, last if since is not None and moments.last_has_come else {}),
            warnings=(*found.warnings, *self._warnings(moments, wanted)),
        )
        return only(found, wanted.ids) if wanted.mode is Mode.IDS else found

    def _read(self, session: Session, since: Any, moments: Moments) -> tuple[Extract, Moments]:
        changed = since is not None
        count = (_count_changed if changed else _count_everyone)(self.settings)
        query = (_changed_since if changed else _everyone)(self.settings)
        announced = session.number(count, since) if count else 0
        with closing(session.chunks(query, since, self.settings.chunk_size)) as chunks:
            names, chunk = next(chunks)
            rows = _Rows(self.settings, self.where, names, moments)
            rows.add(chunk)
            for _, chunk in chunks:
                rows.add(chunk)
        if count:
            _check(session, rows.read, announced, lambda: session.number(count, since))
        return rows.extract(), moments

    def _since(self, moments: Moments) -> Any:
        """Give from when on rows are read; None for all of them: what a watermark beyond now hid is not known otherwise."""
        if moments.last is None or moments.last_has_come:
            return self._look_back(moments.last)
        return self._look_back(moments.last - SET_BACK) if moments.last_was_set_back else None

    def _look_back(self, since: Any) -> Any:
        overlap = dt.timedelta(minutes=self.settings.overlap_minutes)
        if isinstance(since, dt.datetime):
            return since - overlap
        return since - dt.timedelta(days=1) if isinstance(since, dt.date) and overlap else since

    def _watermark(self, moments: Moments, last: dict[str, str]) -> str:
        latest = moments.latest
        if latest is None:
            return seal(self.settings, last) if last else ""
        kind = type(latest).__name__
        if last.get("kind") == kind:
            # An overlap may have read only older rows; the watermark never moves back.
            latest = _later(latest, READ[kind](last["at"]))
        at = latest.isoformat() if isinstance(latest, dt.date) else str(latest)
        return seal(self.settings, {"kind": kind, "at": at})

    def _warnings(self, moments: Moments, wanted: Wanted) -> list[Sentence]:
        found = []
        if moments.ahead:
            found.append(
                Sentence(
                    "sources.database.dated_ahead",
                    where=self.where,
                    n=moments.ahead,
                    column=self.settings.changed_column,
                    furthest=str(moments.furthest)[:32],
                )
            )
        if wanted.mode is Mode.CHANGED and not moments.last_has_come and not moments.last_was_set_back:
            last = str(moments.last)[:32]
            found.append(Sentence("sources.database.watermark_ahead", where=self.where, last=last))
        return found


def _check(session: Session, read: int, announced: int, again: Callable[[], int]) -> None:
    """Raise when fewer rows came than were counted; where the view is not steady, rows may have gone meanwhile."""
    if read == announced or (not session.steady and read >= min(announced, again())):
        return
    raise SourceError(Sentence("sources.database.rows_missing", announced=announced, read=read))


class _Rows:
    """Rows on their way to an extract; their changed_column goes into ``moments``."""

    def __init__(self, settings: SqlSource, where: Sentence, names: Sequence[str], moments: Moments) -> None:
        self._settings = settings
        self._records = Records(find_headings(names, settings.columns, where, _CURE))
        self._changed_at = self._find_changed(names)
        self._moments = moments
        self.read = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        values = list(zip(*rows, strict=True))
        positions = self._records.headings.positions
        add_chunk(self._records, self.read + 1, {name: values[position] for name, position in positions.items()})
        if self._changed_at >= 0 and (changes := [value for value in values[self._changed_at] if value is not None]):
            self._note(changes)
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
            raise SourceError(
                Sentence("sources.database.no_changed_column", column=wanted, hint=hint, there=", ".join(names))
            )
        return places[0]

    def _note(self, values: Sequence[Any]) -> None:
        column = self._settings.changed_column
        wrong = {type(value).__name__ for value in values} - READ.keys()
        if wrong:
            types = ", ".join(sorted(wrong))
            raise SourceError(Sentence("sources.database.changed_column_type", column=column, types=types))
        try:
            self._moments.note(values)
        except TypeError:
            raise SourceError(Sentence("sources.database.not_comparable", column=column)) from None


_CURE: Final = Sentence("sources.headings.cure_query")


def _later(one: Any, other: Any) -> Any:
    try:
        return max(one, other)
    except TypeError:  # with and without a time zone: the column has become another
        return one


_ALIAS: Final = "persons"


def _everyone(settings: SqlSource) -> str:
    """Give the statement that reads everyone."""
    return settings.query or f"SELECT * FROM {settings.table}"  # noqa: S608  # a plain name


def _changed_since(settings: SqlSource) -> str:
    """Give the statement that reads who changed since ``:since``."""
    return settings.changed_query or f"SELECT * FROM {_changed_part(settings)}"  # noqa: S608  # plain names


def _count_everyone(settings: SqlSource) -> str:
    """Give the statement that counts whom :func:`_everyone` reads, '' when there is none."""
    table = f"SELECT count(*) FROM {settings.table}" if settings.table else ""  # noqa: S608  # a plain name
    return settings.count or table


def _count_changed(settings: SqlSource) -> str:
    """Give the statement that counts whom :func:`_changed_since` reads, '' when there is none."""
    if settings.changed_query or not settings.table:
        return ""
    return f"SELECT count(*) FROM {_changed_part(settings)}"  # noqa: S608  # plain names


def _changed_part(settings: SqlSource) -> str:
    # Who has no time of change is looked at each time.
    column = f"{_ALIAS}.{settings.changed_column}"
    whole = f"({settings.query})" if settings.query else settings.table
    return f"{whole} {_ALIAS} WHERE {column} >= :since OR {column} IS NULL"
