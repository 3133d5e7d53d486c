"""Access to cohorts and courses in a run: what was planned and what came of it, by target and row by row."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.columns import ACCESS_WRITES, WAITING, AccessAction, AccessCode
from moodle_coupling.contract.frames import ACCESS_PLAN
from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.errors import SettingError
from moodle_coupling.ledger.access import AccessFilter, access_page, access_table
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.page_queries import Page, matching_rows
from moodle_coupling.web.base.words import Word, foreign, say
from moodle_coupling.web.runs.rows import code_word
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.web.base.access import Access
    from moodle_coupling.web.runs.rows import Filters
    from moodle_coupling.words.sentence import Texts

ACTIONS: Final = {
    "give": Word("access.action.give", Tone.GOOD),
    "extend": Word("access.action.extend", Tone.INFO),
    "take_back": Word("access.action.take_back", Tone.WARN),
    "none": Word("access.action.none"),
    "reject": Word("access.action.reject", Tone.BAD),
}
COLUMNS: Final = {
    "give": (say("given"), say("to give")),
    "extend": (say("changed"), say("to change")),
    "take_back": (say("taken back"), say("to take back")),
    "waits": (say("waits"), say("waits")),
    "failed": (say("failed"), say("failed")),
    "rejected": (say("rejected"), say("rejected")),
    "none": (say("as it was"), say("as it is")),
}
"""Columns of the table by cohort and course: what came of it, and what would come of a plan that is not loaded."""
MOST_TARGETS: Final = 25
"""Cohorts and courses that stand in that table by name; most written ones first."""
_CODES: Final = frozenset(AccessCode)
_WRITES: Final = [str(action) for action in ACCESS_WRITES]
_WAITING: Final = frozenset(str(code) for code in WAITING)
_TROUBLE: Final = frozenset({"failed", "unknown"})
Target = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True)
class AccessHead:
    """``cells``: target and column (of COLUMNS) → number of persons."""

    cells: Mapping[tuple[Target, str], int]

    @cached_property
    def targets(self) -> list[Target]:
        """Give the cohorts and courses, those first where most is written."""
        written: Counter[Target] = Counter()
        for (target, column), number in self.cells.items():
            written[target] += 0 if column == "none" else number
        return sorted(written, key=lambda target: (-written[target], target))

    def number(self, target: Target, column: str) -> int:
        """Give one number."""
        return self.cells.get((target, column), 0)

    def of_column(self, column: str, *, but: int = 0) -> int:
        """Give a column's total, of all targets or of those after the first so many."""
        some = set(self.targets[but:])
        return sum(number for (target, one), number in self.cells.items() if one == column and target in some)


def read_access_plan(folder: ObjectStoragePath | None) -> pd.DataFrame | None:
    """Give a run's plan of access (ACCESS_PLAN); None when there is none (any more)."""
    from moodle_coupling.orchestration import staging

    if folder is None:
        return None
    try:
        return staging.read_frame(folder, ACCESS_PLAN.name) if staging.has_frame(folder, ACCESS_PLAN.name) else None
    except (SettingError, OSError, ValueError, ImportError):
        return None


class RunAccess:
    """A run's part about access; each thing is asked for when it is shown."""

    def __init__(self, ledger: Ledger, run: Run, folder: ObjectStoragePath | None) -> None:
        self._ledger = ledger
        self._run = run
        self._folder = folder

    @cached_property
    def plan(self) -> pd.DataFrame | None:
        """Give its plan; None when there is none (any more)."""
        return read_access_plan(self._folder)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Count what came of it (ledger.access.access_table); no rows when nothing was loaded."""
        return access_table(self._ledger, self._run.id)

    @property
    def is_loaded(self) -> bool:
        """Tell whether some of it has an outcome."""
        return len(self.table) > 0

    @property
    def is_there(self) -> bool:
        """Tell whether the run has to do with access."""
        return self.is_loaded or (self.plan is not None and len(self.plan) > 0)

    @cached_property
    def head(self) -> AccessHead:
        """Count by cohort and course: what came of it, and of the rest what the plan says."""
        cells: Counter[tuple[Target, str]] = Counter()
        ended: Counter[Target] = Counter()
        for one in records(self.table):
            target, number = (one["kind"], one["target"]), int(one["number"])
            cells[target, _column(one["action"], one["status"], one["code"])] += number
            ended[target] += number
        if self.plan is not None:
            kinds = zip(self.plan["kind"], self.plan["target"], self.plan["action"], self.plan["code"], strict=True)
            for kind, name, action, code in kinds:
                cells[(kind, name), _planned_column(action, code, loaded=self.is_loaded)] += 1
            for target, number in ended.items():
                cells[target, "open"] -= number
            for target, _ in [key for key in cells if key[1] == "open"]:
                cells[target, "waits"] += max(0, cells.pop((target, "open")))
        return AccessHead({key: number for key, number in cells.items() if number})

    @property
    def codes(self) -> list[str]:
        """Give the codes that its rows can be filtered by."""
        found = set(self.table["code"]) if self.is_loaded else set()
        if self.plan is not None:
            found |= set(self.plan["code"])
        return sorted(found - {""})

    def page(self, filters: Filters, limit: int) -> Page | None:
        """Give one page of the rows that are asked for; None when the plan is not there (any more)."""
        chosen = AccessFilter(
            filters.status, filters.action, filters.kind, filters.target, filters.code, text=filters.text
        )
        if filters.of == "access" and self.is_loaded:
            return access_page(
                self._ledger,
                self._run.id,
                chosen,
                descending=filters.descending,
                offset=filters.offset,
                limit=limit,
            )
        if self.plan is None:
            return None
        kept = self.plan[_meant(self.plan, chosen)]
        kept = kept.iloc[::-1] if filters.descending else kept
        return Page(kept.iloc[filters.offset : filters.offset + limit], len(kept))


def _column(action: str, status: str, code: str) -> str:
    if status == "done":
        return action
    if status in _TROUBLE:
        return "failed"
    if code in _WAITING:
        return "waits"
    return "rejected" if status == "rejected" else "none"


def _planned_column(action: str, code: str, *, loaded: bool) -> str:
    """Give the column of a plan's row; of a loaded one 'open' where the ledger keeps an outcome of it."""
    if action in _WRITES:
        return "open" if loaded else action
    if action == AccessAction.REJECT and loaded:
        return "open"
    if code in _WAITING:
        return "waits"
    return "rejected" if action == AccessAction.REJECT else "none"


def _meant(plan: pd.DataFrame, chosen: AccessFilter) -> pd.Series[bool]:
    meant = plan["action"].notna()
    for name in ("action", "kind", "target", "code"):
        if getattr(chosen, name):
            meant &= plan[name] == getattr(chosen, name)
    if chosen.text:
        meant &= matching_rows(plan, chosen.text)
    return meant


# ---- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessRow:
    """An outcome of access, or a row of its plan (then ``status`` is ''); ``ref`` leads to the person's page, '' where there is none.

    ``why`` says it in the reader's language, or (``foreign``) in Moodle's.
    """

    environment: str
    ref: str
    who: str
    person_id: str
    extern_id: str
    idnumber: str
    account_id: int | None
    kind: str
    target: str
    role: str
    begins: dt.datetime | None
    ends: dt.datetime | None
    suspended: bool
    action: str
    status: str
    code: str
    why: str
    foreign: bool = False
    run: str = ""
    at: dt.datetime | None = None

    @property
    def is_asked(self) -> bool:
        """Tell whether somebody decides, at Mismatches, what becomes of it."""
        return self.code in {AccessCode.TARGET_ELSEWHERE, AccessCode.TARGET_ASKED}


def access_rows(access: Access, texts: Texts, environment: str, frame: pd.DataFrame) -> list[AccessRow]:
    """Make rows of a plan (ACCESS_PLAN) or of outcomes (ledger.access.access_page) for one user."""
    return [access_row(access, texts, environment, one) for one in records(frame)]


def access_row(access: Access, texts: Texts, environment: str, one: Mapping[str, Any]) -> AccessRow:
    """Make one row; Moodle's own words may name somebody, and are shown to who may see names only."""
    sees, message, code = access.sees_names(environment), one.get("message", ""), one["code"]
    said = why(texts, code, one.get("value") or "…") if code else ""
    shown = bool(message) and sees
    if shown:
        # What is said of a code of ours says the code too.
        said = texts.say(message) if not said or code in _CODES else f"{said}: {texts.say(message)}"
    known = one["person_id"] or one["extern_id"] or one["idnumber"]
    account = one["account_id"]
    return AccessRow(
        environment=environment,
        ref=f"a{account}" if account else "",
        who=texts("Person {id}", id=known) if known else texts("Account {account}", account=account or "–"),
        person_id=one["person_id"],
        extern_id=one["extern_id"],
        idnumber=one["idnumber"],
        account_id=account,
        kind=one["kind"],
        target=one["target"],
        role=one["role"],
        begins=moment(one["timestart"]),
        ends=moment(one["timeend"]),
        suspended=bool(one["suspended"]),
        action=one["action"],
        status=one.get("status", ""),
        code=code,
        why=said,
        foreign=shown and foreign(texts, message),
        run=one.get("run", ""),
        at=one.get("at"),
    )


def why(texts: Texts, code: str, value: str = "…") -> str:
    """Give what a code of a row means."""
    return texts.say(Sentence(f"access.why.{code}", value=value)) if code in _CODES else code_word(texts, code)


def moment(seconds: int) -> dt.datetime | None:
    """Give a bound of a window as a moment; None where there is none."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds else None
