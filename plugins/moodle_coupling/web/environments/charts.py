"""Charts drawn by the server as SVG: stacked bars over time, with axes that end in round numbers."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
