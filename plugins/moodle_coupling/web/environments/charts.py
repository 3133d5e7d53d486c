"""Charts drawn by the server as SVG: stacked bars over time, with axes that end in round numbers."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.ledger import runs as ledger_trends
from moodle_coupling.web.base import words
from moodle_coupling.web.base.words import say
from moodle_coupling.words.meanings import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.words.sentence import Texts


WIDTH: Final = 720
HEIGHT: Final = 180
LEFT: Final = 48
"""Room for the numbers of the upright axis."""
BOTTOM: Final = 24
"""Room for the dates."""
_LEAST: Final = 1.5
"""Height of a part that is not nothing."""
_DATES: Final = 7
"""About so many dates below a chart."""


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing in a chart: its name for style sheets, its name in the reader's language, a number for each bucket."""

    kind: str
    label: str
    numbers: tuple[float, ...]

    @property
    def total(self) -> float:
        """Give all of it."""
        return sum(self.numbers)


@dataclass(frozen=True, slots=True)
class Rect:
    """One part of a bar."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    number: float = 0.0
    day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, laid out. ``adds`` is False where numbers of several days do not add up: open mismatches, minutes."""

    name: str
    title: str
    days: tuple[dt.date, ...]
    series: tuple[Series, ...]
    rects: tuple[Rect, ...]
    across: tuple[Tick, ...]
    upright: tuple[Tick, ...]
    adds: bool = True

    @property
    def rows(self) -> list[tuple[dt.date, list[float]]]:
        """Give the table's rows, latest first; a bucket in which nothing happened is left out."""
        every = zip(self.days, zip(*(one.numbers for one in self.series), strict=True), strict=True)
        return [(day, list(numbers)) for day, numbers in every if any(numbers)][::-1]

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing happened."""
        return not self.rows


def chart(
    name: str,
    title: str,
    days: Sequence[dt.date],
    found: Mapping[str, tuple[str, Sequence[float]]],
    *,
    adds: bool = True,
) -> Chart:
    """Lay out stacked bars, one for each of ``days``; ``found`` gives for each series its label and its numbers."""
    series = tuple(Series(kind, label, tuple(numbers)) for kind, (label, numbers) in found.items())
    top = _round_up(max((sum(column) for column in zip(*(one.numbers for one in series), strict=True)), default=0.0))
    step = (WIDTH - LEFT) / max(1, len(days))
    rects: list[Rect] = []
    for place in range(len(days)):
        ground = float(HEIGHT - BOTTOM)
        for one in series:
            if one.numbers[place]:
                height = max(_LEAST, one.numbers[place] / top * (HEIGHT - BOTTOM - 8))
                ground -= height
                rects.append(_rect(one.kind, LEFT + place * step, ground, step, height))
    upright = [Tick(round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 8), 2), top * share) for share in (0, 0.5, 1)]
    every = max(1, math.ceil(len(days) / _DATES))
    across = [Tick(round(LEFT + (place + 0.5) * step, 2), day=days[place]) for place in range(0, len(days), every)]
    return Chart(name, title, tuple(days), series, tuple(rects), tuple(across), tuple(upright), adds)


def _rect(kind: str, x: float, y: float, step: float, height: float) -> Rect:
    gap = min(2.0, step / 5)
    return Rect(kind, round(x + gap / 2, 2), round(max(0.0, y), 2), round(step - gap, 2), round(height, 2))


def _round_up(number: float) -> float:
    """Give the next number that reads well: 2, 4, 6, 10, 20, 40 …; half of it is a whole number too."""
    if number <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(number))
    return next(power * each for each in (1, 2, 4, 6, 8, 10, 20) if power * each >= number and power * each >= 2)


# ---- The trends of an environment: four charts over 90 days or a year, and the open mismatches by kind and age ----

SPANS: Final = {"90": (90, 1), "365": (364, 7)}
"""What can be chosen: for how many days, and how many of them are one bar."""
_WRITTEN: Final = {
    "created": (say("created"), frozenset({"create"})),
    "updated": (say("updated"), frozenset({"update", "link", "reactivate"})),
    "suspended": (say("suspended"), frozenset({"suspend"})),
}
_REASONS: Final = 5
"""So many reasons have a colour of their own."""
AGES: Final = (
    (1, say("since today")),
    (7, say("up to a week")),
    (30, say("up to a month")),
    (90, say("up to 3 months")),
)
OLDER: Final = say("longer")
MONTHS: Final = tuple(map(say, ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")))
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Buckets:
    """The bars of a chart: each begins at one of ``days`` (UTC) and lasts ``size`` days."""

    days: tuple[dt.date, ...]
    size: int

    @classmethod
    def up_to(cls, today: dt.date, span: int, size: int) -> Buckets:
        """Give the bars of ``span`` days, the last of which ends today."""
        first = today - dt.timedelta(days=span - 1)
        return cls(tuple(first + dt.timedelta(days=number) for number in range(0, span, size)), size)

    @property
    def since(self) -> dt.datetime:
        """Give when the first begins."""
        return dt.datetime.combine(self.days[0], dt.time(), dt.UTC)

    def of(self, at: dt.datetime) -> int:
        """Give the bar of a moment; one that is outside counts for the first or the last."""
        place = (at.astimezone(dt.UTC).date() - self.days[0]).days // self.size
        return min(max(place, 0), len(self.days) - 1)

    def add(self, found: Iterable[tuple[dt.datetime, float]], how: Callable[[float, float], float]) -> list[float]:
        """Put numbers into the bars of their moments: ``how`` says what two in one bar come to."""
        bars = [0.0] * len(self.days)
        for at, number in found:
            place = self.of(at)
            bars[place] = how(bars[place], number)
        return bars


@dataclass(frozen=True, slots=True)
class Trends:
    """What the page shows. ``ages``: open mismatches, kind → a number for each of AGES and one for older."""

    over: str
    charts: tuple[Chart, ...]
    ages: Mapping[str, tuple[int, ...]]


def trends(ledger: Ledger, environment: str, over: str, now: dt.datetime, texts: Texts) -> Trends:
    """Find out the trends of an environment over one of SPANS, up to ``now``. Raises LedgerUnavailable."""
    buckets = Buckets.up_to(now.astimezone(dt.UTC).date(), *SPANS[over])
    stays = ledger_trends.stays(ledger, environment, buckets.since)
    longest = buckets.add(
        ((one.at, one.seconds / _MINUTE) for one in ledger_trends.took(ledger, environment, buckets.since)), max
    )
    charts = (
        _written(ledger_trends.written(ledger, environment, buckets.since), buckets, texts),
        _rejected(ledger_trends.rejected(ledger, environment, buckets.since), buckets, texts),
        _open(stays, buckets, texts),
        chart(
            "took",
            texts("How long the longest run took, in minutes"),
            buckets.days,
            {"took": (texts("minutes"), [round(minutes, 1) for minutes in longest])},
            adds=False,
        ),
    )
    return Trends(over, charts, _ages(stays, now))


def _written(found: Sequence[ledger_trends.Written], buckets: Buckets, texts: Texts) -> Chart:
    series = {
        kind: (
            texts(label),
            buckets.add(((one.at, one.number) for one in found if one.action in actions), operator.add),
        )
        for kind, (label, actions) in _WRITTEN.items()
    }
    return chart("written", texts("Accounts written"), buckets.days, series)


def _groups(numbers: Iterable[tuple[str, int]]) -> list[tuple[str, frozenset[str]]]:
    """Give each of the most common kinds by itself, under its name, and all others together under ''."""
    sums: Counter[str] = Counter()
    for kind, number in numbers:
        sums[kind] += number
    named = [kind for kind, _ in sums.most_common(_REASONS)]
    others = frozenset(sums) - set(named)
    return [(kind, frozenset({kind})) for kind in named] + ([("", others)] if others else [])


def _rejected(found: Sequence[ledger_trends.Rejected], buckets: Buckets, texts: Texts) -> Chart:
    series = {
        f"s{place}": (
            in_words(texts, code) if code else texts("other reasons"),
            buckets.add(((one.at, one.number) for one in found if one.code in codes), operator.add),
        )
        for place, (code, codes) in enumerate(_groups((one.code, one.number) for one in found))
    } or {"s0": (texts("rejected"), [0.0] * len(buckets.days))}
    return chart("rejected", texts("Persons newly rejected, by reason"), buckets.days, series)


def _open(found: Sequence[ledger_trends.Stay], buckets: Buckets, texts: Texts) -> Chart:
    series = {
        f"s{place}": (
            texts(words.word(words.VERDICTS, kind).text) if kind else texts("other kinds"),
            _standing(found, kinds, buckets),
        )
        for place, (kind, kinds) in enumerate(_groups((one.kind, one.number) for one in found))
    } or {"s0": (texts("open"), [0.0] * len(buckets.days))}
    return chart("open", texts("Open mismatches, by kind"), buckets.days, series, adds=False)


def _standing(found: Sequence[ledger_trends.Stay], kinds: frozenset[str], buckets: Buckets) -> list[float]:
    """Count how many were open at the end of each bar."""
    bars = []
    for day in buckets.days:
        end = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(days=buckets.size)
        bars.append(
            float(
                sum(
                    one.number
                    for one in found
                    if one.kind in kinds and one.opened < end and (one.ended is None or one.ended >= end)
                )
            )
        )
    return bars


def _ages(found: Sequence[ledger_trends.Stay], now: dt.datetime) -> dict[str, tuple[int, ...]]:
    numbers: dict[str, list[int]] = {}
    for one in found:
        if one.ended is None:
            days = (now - one.opened).total_seconds() / 86400
            place = next((place for place, (most, _) in enumerate(AGES) if days <= most), len(AGES))
            numbers.setdefault(one.kind, [0] * (len(AGES) + 1))[place] += one.number
    return {kind: tuple(ages) for kind, ages in sorted(numbers.items(), key=lambda one: -sum(one[1]))}
