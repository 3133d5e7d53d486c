"""The small chart of an environment's last runs: what each did, as bars for an SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import RunCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moodle_coupling.ledger.runs import Run

RUNS: Final = 30
WIDTH: Final = 300
HEIGHT: Final = 56
"""Of the drawing, in its own units; a bar takes WIDTH / RUNS, so that a bar stays as wide whatever the number of runs."""
_LEAST: Final = 2.0
"""Height of a part that is not nothing: one person among thousands must still be seen."""
_GROUND: Final = 1.0
"""Height of the line for a run that wrote nothing."""

SEGMENTS: Final = ("created", "updated", "rejected", "failed")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run did, or on a dry run would do, in numbers of persons."""

    created: int
    updated: int
    rejected: int
    failed: int

    @property
    def total(self) -> int:
        """Give all of them together."""
        return self.created + self.updated + self.rejected + self.failed


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: ``kind`` is one of SEGMENTS or 'nothing'."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One run: where its bar stands and what it is made of; ``run`` for its link and title."""

    run: Run
    figures: Figures
    x: float
    width: float
    parts: tuple[Part, ...]


def figures_of(run: Run) -> Figures:
    """Count what a run did; where nothing was to be written (a dry run), what it would have done."""
    counts = RunCounts(dict(run.counts))
    number = counts.done if counts.loaded else counts.planned
    updated = sum(map(number, ("update", "link", "suspend", "reactivate")))
    rejected = counts.ended("rejected") if counts.loaded else counts.planned("reject")
    return Figures(number("create"), updated, rejected, counts.ended("failed") + counts.ended("unknown"))


def bars(runs: Sequence[Run]) -> list[Bar]:
    """Lay out the runs (latest first) from right to left; at most RUNS, the highest bar is as high as the chart."""
    shown = [(run, figures_of(run)) for run in runs[:RUNS]]
    highest = max((figures.total for _, figures in shown), default=0)
    step = WIDTH / RUNS
    return [
        Bar(run, figures, WIDTH - (number + 1) * step + 1, step - 2, tuple(_stack(figures, highest)))
        for number, (run, figures) in enumerate(shown)
    ][::-1]


def totals(runs: Sequence[Run]) -> Mapping[str, int]:
    """Add the figures of the runs shown, by segment."""
    shown = [figures_of(run) for run in runs[:RUNS]]
    return {kind: sum(getattr(figures, kind) for figures in shown) for kind in SEGMENTS}


def _stack(figures: Figures, highest: int) -> list[Part]:
    if not figures.total:
        return [Part("nothing", HEIGHT - _GROUND, _GROUND)]
    numbers = {kind: getattr(figures, kind) for kind in SEGMENTS if getattr(figures, kind)}
    heights = {kind: max(_LEAST, number / highest * HEIGHT) for kind, number in numbers.items()}
    squeeze = min(1.0, HEIGHT / sum(heights.values()))
    parts, top = [], float(HEIGHT)
    for kind, height in heights.items():
        top -= height * squeeze
        parts.append(Part(kind, round(top, 2), round(height * squeeze, 2)))
    return parts
