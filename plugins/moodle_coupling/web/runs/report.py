"""The report of one run: what its page tells besides the rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from moodle_coupling.ledger import approvals, intentions
from moodle_coupling.ledger.outcomes import outcome_page, outcome_table
from moodle_coupling.ledger.page_queries import Page
from moodle_coupling.ledger.runs import progress_of
from moodle_coupling.ledger.words import UNDERWAY, RunState
from moodle_coupling.provisioning.load.outcomes import NOTHING_TO_DO, OutcomeStatus
from moodle_coupling.web.runs import head as run_head
from moodle_coupling.web.runs import plan as run_plan
from moodle_coupling.web.runs.airflow import AirflowRun, airflow_run, folder_of
from moodle_coupling.web.runs.filters import LIMIT, Filters

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.ledger.approvals import Approval
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run

_TROUBLE: Final = (OutcomeStatus.REJECTED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)
DRY: Final = "dry run"


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
        return self.run.mode == DRY

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

    @property
    def seconds(self) -> float:
        """Give how long it took, or has taken so far."""
        return ((self.run.ended or dt.datetime.now(dt.UTC)) - self.run.started).total_seconds()

    @cached_property
    def head(self) -> run_head.Head | None:
        """Give the head table: of the run's own counts, else of its outcomes so far, else of its plan."""
        # A run that is tried again, or failed, has the counts of an earlier end.
        counted = None if self.is_underway or self.run.state == RunState.FAILED else self.run.counts
        found = run_head.from_counts(counted) if counted else None
        if found is not None:
            return found
        if self.is_loaded:
            return run_head.from_outcomes(self._table)
        return run_head.from_plan(self.plan) if self.plan is not None and len(self.plan) else None

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
        return [name.removeprefix("unseen_") for name in self.run.counts or {} if name.startswith("unseen_")]

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
        """Tell which list is shown: 'outcomes' or 'plan'."""
        return filters.of or ("outcomes" if self.is_loaded else "plan")

    def page(self, filters: Filters) -> Page | None:
        """Give one page of the rows that are asked for; None when the plan is not there (any more)."""
        if self.shows(filters) == "plan":
            return None if self.plan is None else run_plan.plan_page(self.plan, filters)
        return outcome_page(
            self._ledger,
            self.run.id,
            filters.for_ledger(),
            sort=filters.sort,
            descending=filters.descending,
            offset=filters.offset,
            limit=LIMIT,
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        return outcome_table(self._ledger, self.run.id)
