"""The head table of a run, as midPoint's reconciliation has it: what was found, and what came of it, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import RunCounts
from moodle_coupling.web.base.words import ACTIONS
from moodle_coupling.web.runs.words import HEAD, STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

_ROW_OF: Final = {verdict: name for name, verdicts in HEAD.items() for verdict in verdicts}


@dataclass(frozen=True, slots=True)
class Head:
    """``cells``: row (of HEAD) and column → number; a row and a column that nobody is in may be missing.

    ``columns`` are statuses, or of a plan that was not loaded actions. ``whole`` is False while those of whom there was
    nothing to do are not among them.
    """

    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], int]
    whole: bool = True

    @property
    def rows(self) -> list[str]:
        """Give the rows, in order."""
        return list(HEAD)

    def number(self, row: str, column: str) -> int:
        """Give one number."""
        return self.cells.get((row, column), 0)

    def of_row(self, row: str) -> int:
        """Give a row's total."""
        return sum(number for (one, _), number in self.cells.items() if one == row)

    def of_column(self, column: str) -> int:
        """Give a column's total."""
        return sum(number for (_, one), number in self.cells.items() if one == column)

    @property
    def total(self) -> int:
        """Give all of them together."""
        return sum(self.cells.values())


def from_counts(counts: Mapping[str, int]) -> Head | None:
    """Make the table of what a run counted at its end; None when it counted no outcomes."""
    found = _summed(RunCounts(dict(counts)).by_verdict)
    return Head(tuple(STATUSES), found) if found else None


def from_outcomes(table: pd.DataFrame) -> Head:
    """Make the table of the outcomes there are so far (outcome_pages.outcome_table)."""
    rows = zip(table["verdict"], table["status"], table["number"], strict=True)
    return Head(
        tuple(STATUSES), _summed((verdict, status, int(number)) for verdict, status, number in rows), whole=False
    )


def from_plan(plan: pd.DataFrame) -> Head:
    """Make the table of a plan: what would be done."""
    pairs = Counter(zip(plan["verdict"], plan["action"], strict=True))
    return Head(tuple(ACTIONS), _summed((verdict, action, number) for (verdict, action), number in pairs.items()))


def _summed(triples: Iterable[tuple[str, str, int]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for verdict, column, number in triples:
        found[_ROW_OF.get(verdict, "rejected"), column] += number
    return found
