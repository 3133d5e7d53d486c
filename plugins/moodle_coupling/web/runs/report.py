"""The report of a run: what Airflow and the ledger know of it, and its head table."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import RunCounts, SourceFacts
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.errors import SettingError
from moodle_coupling.ledger import approvals, intentions
from moodle_coupling.ledger.outcomes import outcome_page, outcome_table
from moodle_coupling.ledger.page_queries import Page, matching_rows
from moodle_coupling.ledger.runs import progress_of
from moodle_coupling.ledger.words import DRY_RUN, UNDERWAY, RunState
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.safeguards import rows_behind, sample
from moodle_coupling.orchestration.outages import outages_of, said
from moodle_coupling.provisioning.load.rows import NOTHING_TO_DO, OutcomeStatus
from moodle_coupling.web.base.words import ACTIONS
from moodle_coupling.web.runs.access import RunAccess
from moodle_coupling.web.runs.rows import HEAD, LIMIT, STATUSES, Filters
from moodle_coupling.words.sentence import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.ledger.approvals import Approval
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.words.sentence import Sentence


# ---- The plan of a run, read from the run's folder in the staging area for as long as it is kept there ----

_ORDERS: Final = {"name": ["lastname", "firstname"], "verdict": ["verdict"], "action": ["action"]}


@dataclass(frozen=True, slots=True)
class Drift:
    """How often a field was changed by hand in Moodle, and what comes of it."""

    field: str
    repaired: int
    reported: int


def read_plan(folder: ObjectStoragePath | None) -> pd.DataFrame | None:
    """Give the plan (contract.frames.PLAN); None when it was never made, was swept, or cannot be reached from here."""
    from moodle_coupling.orchestration import staging

    if folder is None:
        return None
    try:
        return staging.read_frame(folder, PLAN.name)
    except (SettingError, OSError, ValueError, ImportError):
        return None


def read_warnings(folder: ObjectStoragePath | None) -> list[str]:
    """Give what the run's source gave to think about; nothing when it cannot be reached from here."""
    from moodle_coupling.orchestration import staging

    if folder is None:
        return []
    try:
        told = staging.find_facts(folder, SourceFacts)
        return list(told.warnings) if told else []
    except (SettingError, OSError, ValueError, ImportError):
        return []


def plan_page(plan: pd.DataFrame, filters: Filters, limit: int = LIMIT) -> Page:
    """Give one page of the plan's rows that are asked for."""
    kept = plan[_meant(plan, filters)]
    if filters.sort in _ORDERS:
        order = _ORDERS[filters.sort]
        kept = kept.sort_values(order, ascending=not filters.descending, kind="stable", key=_folded)
    elif filters.descending:
        kept = kept.iloc[::-1]
    return Page(kept.iloc[filters.offset : filters.offset + limit], len(kept))


def drift_of(plan: pd.DataFrame | None) -> list[Drift]:
    """Count by field what was changed by hand in Moodle, the most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for text in [] if plan is None else plan.loc[plan["drift"] != "{}", "drift"]:
        found.update((field, str(what)) for field, (_, _, what) in json.loads(text).items())
    fields = {field for field, _ in found}
    rows = [Drift(field, found[field, "repaired"], found[field, "reported"]) for field in fields]
    return sorted(rows, key=lambda row: (-row.repaired - row.reported, row.field))


def rejections_of(plan: pd.DataFrame) -> Counter[tuple[str, str]]:
    """Count the rows that the plan rejects, by status and by the code of their first reason."""
    reasons = plan.loc[plan["action"] == Action.REJECT, "reasons"]
    return Counter(("rejected", first_code(text)) for text in reasons)


def first_code(reasons: str) -> str:
    """Give the code of the first reason of a plan's row; '' when it has none."""
    found = json.loads(reasons or "[]")
    return str(found[0]["code"]) if found else ""


def to_write(plan: pd.DataFrame) -> int:
    """Count the rows that write."""
    return int(plan["action"].isin([str(action) for action in WRITING_ACTIONS]).sum())


def _folded(column: pd.Series[str]) -> pd.Series[str]:
    return column.str.lower()


def _meant(plan: pd.DataFrame, filters: Filters) -> pd.Series[bool]:
    meant = plan["action"].notna()
    if filters.action:
        meant &= plan["action"] == filters.action
    if filters.verdicts:
        meant &= plan["verdict"].isin(filters.verdicts)
    if filters.drift:
        meant &= plan["drift"] != "{}"
    if filters.code:
        meant &= plan["reasons"].map(first_code) == filters.code
    if filters.text:
        meant &= matching_rows(plan, filters.text)
    return meant


# ---- The report of a run ----

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
        return read_plan(folder_of(self.run, self.airflow))

    @cached_property
    def access(self) -> RunAccess:
        """Give its part about access to cohorts and courses."""
        return RunAccess(self._ledger, self.run, folder_of(self.run, self.airflow))

    @cached_property
    def warnings(self) -> list[str]:
        """Give what its source gave to think about, as long as the run's folder is there."""
        return read_warnings(folder_of(self.run, self.airflow))

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
            found = rejections_of(self.plan)
        return [Group(*key, number) for key, number in found.most_common()]

    @cached_property
    def codes(self) -> list[str]:
        """Give the codes that the outcomes can be filtered by."""
        if not self.is_loaded:
            return [group.code for group in self.groups]
        return sorted({code for code in self._table["code"] if code and code != NOTHING_TO_DO})

    @cached_property
    def drift(self) -> list[Drift]:
        """Give what was changed by hand in Moodle, as far as the plan is still there."""
        return drift_of(self.plan)

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
            planned = to_write(self.plan) if self.plan is not None else known
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
            return None if self.plan is None else plan_page(self.plan, filters, limit)
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
