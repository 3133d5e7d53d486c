"""The trends of an environment: four charts over 90 days or a year, and the open mismatches by kind and age."""

from __future__ import annotations

import datetime as dt
import operator
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.ledger import trends as ledger_trends
from moodle_coupling.web.base import words
from moodle_coupling.web.base.languages import say
from moodle_coupling.web.environments.charts import Chart, chart
from moodle_coupling.words.meanings import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.words.sentence import Texts

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
