"""The report of a run: what Airflow and the ledger know of it, and its head table."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import RunCounts
from moodle_coupling.ledger import approvals, intentions
from moodle_coupling.ledger.outcomes import outcome_page, outcome_table
from moodle_coupling.ledger.page_queries import Page
from moodle_coupling.ledger.runs import progress_of
from moodle_coupling.ledger.words import DRY_RUN, UNDERWAY, RunState
from moodle_coupling.matching.safeguards import rows_behind, sample
from moodle_coupling.orchestration.outages import outages_of, said
from moodle_coupling.provisioning.load.outcomes import NOTHING_TO_DO, OutcomeStatus
from moodle_coupling.web.base.words import ACTIONS
from moodle_coupling.web.runs import plan as run_plan
from moodle_coupling.web.runs.access import RunAccess
from moodle_coupling.web.runs.filters import LIMIT, Filters
from moodle_coupling.web.runs.rows import HEAD, STATUSES
from moodle_coupling.words.sentence import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.ledger.approvals import Approval
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.words.sentence import Sentence

_ROW_OF: Final = {verdict: name for name, verdicts in HEAD.items() for verdict in verdicts}
_TROUBLE: Final = (OutcomeStatus.REJECTED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """A run of a DAG. ``kind`` is manual, scheduled, backfill or asset_triggered; ``by`` who started it, '' if nobody did."""

    state: str
    kind: str
    by: str
    run_after: dt.datetime

    @property
    def is_over(self) -> bool:
        """Tell whether Airflow is done with it."""
        return self.state in {"success", "failed"}


def airflow_run(dag_id: str, run_id: str) -> AirflowRun | None:
    """Give a run as Airflow has it; None when it does not have it (any more)."""
    from moodle_coupling.airflow_internals import facts_of_run

    found = facts_of_run(dag_id, run_id)
    return None if found is None else AirflowRun(*found)


def folder_of(run: Run, known: AirflowRun | None) -> ObjectStoragePath | None:
    """Give the run's folder in the staging area; None when Airflow does not know any more when the run was."""
    from moodle_coupling.orchestration import staging

    return None if known is None else staging.folder_of(run.environment, known.run_after, run.dag_id, run.run_id)


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


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that went wrong for the same reason."""

    status: str
    code: str
    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """How far a step of a run under way is; see ledger.progress.Progress."""

    name: str
    done: int
    total: int | None
    rate: float | None = None
    seconds_left: float | None = None


class Report:
    """What is known of a run; each part is asked for when it is shown."""

    def __init__(self, ledger: Ledger, run: Run) -> None:
        self._ledger = ledger
        self.run = run

    @property
    def is_underway(self) -> bool:
        """Tell whether the run has not ended."""
        return self.run.state in UNDERWAY

    @property
    def is_dry(self) -> bool:
        """Tell whether it was asked to write nothing."""
        return self.run.mode == DRY_RUN

    @property
    def is_loaded(self) -> bool:
        """Tell whether its plan was loaded, or has begun to be."""
        return self.run.plan_no > 0

    @cached_property
    def airflow(self) -> AirflowRun | None:
        """Give what Airflow knows of it."""
        return airflow_run(self.run.dag_id, self.run.run_id)

    @cached_property
    def plan(self) -> pd.DataFrame | None:
        """Give its plan; None when there is none (any more)."""
        return run_plan.read_plan(folder_of(self.run, self.airflow))

    @cached_property
    def access(self) -> RunAccess:
        """Give its part about access to cohorts and courses."""
        return RunAccess(self._ledger, self.run, folder_of(self.run, self.airflow))

    @cached_property
    def warnings(self) -> list[str]:
        """Give what its source gave to think about, as long as the run's folder is there."""
        return run_plan.read_warnings(folder_of(self.run, self.airflow))

    @cached_property
    def waits(self) -> Approval | None:
        """Give the question it waits with."""
        if self.run.state != RunState.WAITING_APPROVAL:
            return None
        asked = approvals.waiting(self._ledger, self.run.environment)
        return next((one for one in asked if one.run == self.run.id), None)

    @cached_property
    def away(self) -> Sentence | None:
        """Say what does not answer, since when, and when it is tried next; None when the run waits for nothing."""
        found = outages_of(self._ledger).get(self.run.environment) if self.is_underway else None
        return said(self.run.environment, found) if found is not None and found.run == self.run.id else None

    @cached_property
    def examples(self) -> list[tuple[str, int, pd.DataFrame]]:
        """Give, for each safeguard that the plan waits for, its code, how many rows are behind it, and at most ten of them."""
        if self.waits is None or self.plan is None:
            return []
        asked = [reason for one in self.waits.reasons if (reason := read(one)) is not None]
        codes = [one.code.removeprefix("safeguard.") for one in asked]
        found = [(code, len(rows_behind(self.plan, code)), sample(self.plan, code)) for code in codes]
        return [one for one in found if one[1]]

    @property
    def seconds(self) -> float:
        """Give how long it took, or has taken so far."""
        return ((self.run.ended or dt.datetime.now(dt.UTC)) - self.run.started).total_seconds()

    @cached_property
    def head(self) -> Head | None:
        """Give the head table: of the run's own counts, else of its outcomes so far, else of its plan."""
        # A run that is tried again, or failed, has the counts of an earlier end.
        counted = None if self.is_underway or self.run.state == RunState.FAILED else self.run.counts
        found = from_counts(counted) if counted else None
        if found is not None:
            return found
        if self.is_loaded:
            return from_outcomes(self._table)
        return from_plan(self.plan) if self.plan is not None and len(self.plan) else None

    @cached_property
    def groups(self) -> list[Group]:
        """Give what went wrong, or is rejected by the plan, by reason, the most frequent first."""
        found: Counter[tuple[str, str]] = Counter()
        if self.is_loaded:
            table = self._table[self._table["status"].isin([str(status) for status in _TROUBLE])]
            for status, code, number in zip(table["status"], table["code"], table["number"], strict=True):
                found[status, code] += int(number)
        elif self.plan is not None:
            found = run_plan.rejections_of(self.plan)
        return [Group(*key, number) for key, number in found.most_common()]

    @cached_property
    def codes(self) -> list[str]:
        """Give the codes that the outcomes can be filtered by."""
        if not self.is_loaded:
            return [group.code for group in self.groups]
        return sorted({code for code in self._table["code"] if code and code != NOTHING_TO_DO})

    @cached_property
    def drift(self) -> list[run_plan.Drift]:
        """Give what was changed by hand in Moodle, as far as the plan is still there."""
        return run_plan.drift_of(self.plan)

    @property
    def unseen(self) -> list[str]:
        """Give the fields that it left alone on existing accounts, because the service user may not see them."""
        return RunCounts(dict(self.run.counts or {})).unseen

    @cached_property
    def steps(self) -> list[Step]:
        """Give how far it is."""
        told = [Step(p.step, p.done, p.total, p.rate, p.seconds_left) for p in progress_of(self._ledger, self.run.id)]
        if self.is_loaded:
            states = intentions.count_states(self._ledger, self.run.id)
            known = sum(states.values())
            planned = run_plan.to_write(self.plan) if self.plan is not None else known
            told.append(Step("load", states["settled"], max(known, planned)))
        return told

    def shows(self, filters: Filters) -> str:
        """Tell which list is shown: 'outcomes' or 'plan', or of access 'access' or 'access_plan'."""
        if filters.of == "access" and not self.access.is_loaded:
            return "access_plan"
        return filters.of or ("outcomes" if self.is_loaded else "plan")

    def page(self, filters: Filters, limit: int = LIMIT) -> Page | None:
        """Give one page of the rows that are asked for; None when the plan is not there (any more)."""
        if (shown := self.shows(filters)).startswith("access"):
            return self.access.page(replace(filters, of=shown), limit)
        if shown == "plan":
            return None if self.plan is None else run_plan.plan_page(self.plan, filters, limit)
        return outcome_page(
            self._ledger,
            self.run.id,
            filters.for_ledger(),
            sort=filters.sort,
            descending=filters.descending,
            offset=filters.offset,
            limit=limit,
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        return outcome_table(self._ledger, self.run.id)
