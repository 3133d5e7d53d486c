"""The plan of a run, read from the run's folder in the staging area for as long as it is kept there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import SourceFacts
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.errors import SettingError
from moodle_coupling.ledger.page_queries import Page, matching_rows
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.web.runs.filters import LIMIT, Filters

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import ObjectStoragePath

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
