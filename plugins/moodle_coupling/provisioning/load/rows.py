"""Rows of a plan as things to send: exactly the planned changes, and nothing that must never be sent."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.contract.frames import OUTCOMES
from moodle_coupling.contract.verdicts import MISMATCHES, Verdict
from moodle_coupling.errors import CouplingError
from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.reasons import reasons_of
from moodle_coupling.people.rules import RULE_BY_CODE, Blocks
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.words.sentence import ENGLISH, Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


# ---- What happened to each row of a plan: one outcome per row, always ----

NOTHING_TO_DO: Final = "nothing_to_do"
"""Code of the outcome of a row whose account is right already."""


NOT_KEPT: Final = "value_not_kept"
"""Code of a done row of which Moodle holds another value of a profile field than was sent."""
WITHHELD: Final = "value_withheld"
"""Code of a row without a profile field of which Moodle did not keep values before in the load."""
UNSEEN: Final = "value_unseen"
"""Code of a done row of which a profile field that was sent is not shown."""
NOT_WHOLE: Final = (NOT_KEPT, WITHHELD, UNSEEN)


class OutcomeStatus(StrEnum):
    """How a row of the plan ended.

    * done: Moodle holds what was planned.
    * rejected: the plan or Moodle said no to this person; trying again changes nothing.
    * failed: not done for a reason that is not the person's; try again.
    * skipped: there was nothing to do, or it must not be done.
    * unknown: sent, and neither Moodle's answer nor reading back told whether it was done; look, then try again.
    """

    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


OUTCOME_COLUMNS: Final = OUTCOMES.names
_NUMBERS: Final = ("row", "account_id")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one row of the plan. ``index`` is its position there; ``account_id`` None where there is none.

    ``said``: a sentence, one as JSON or a text from elsewhere, '' where nothing is said.
    """

    index: int
    status: OutcomeStatus
    code: str = ""
    said: Sentence | str = ""
    account_id: int | None = None
    at: dt.datetime | None = None

    @property
    def written(self) -> str:
        """What is said of it, as it is kept."""
        return self.said.written() if isinstance(self.said, Sentence) else self.said

    @property
    def message(self) -> str:
        """What is said of it, in English."""
        return ENGLISH.say(self.said)


class OutcomesIncomplete(CouplingError):
    """A load ended without exactly one outcome per row of its plan: a fault of this program, not of the data."""


def outcomes_frame(plan: pd.DataFrame, outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Give the outcomes as a frame (OUTCOME_COLUMNS), in the order of the plan.

    Raises OutcomesIncomplete unless there is exactly one outcome for every row of ``plan``.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.index)
    _check_complete(plan, ordered)
    frame = pd.DataFrame(
        {
            name: plan[name].reset_index(drop=True)
            for name in OUTCOME_COLUMNS
            if name in plan.columns and name not in _NUMBERS
        }
    )
    frame["row"] = plan["row"].reset_index(drop=True).astype("Int64")
    found = pd.Series([outcome.account_id for outcome in ordered], dtype="Int64")
    frame["account_id"] = found.fillna(plan["account_id"].reset_index(drop=True).astype("Int64"))
    for name in ("status", "code"):
        frame[name] = pd.Series([str(getattr(outcome, name)) for outcome in ordered], dtype="str")
    frame["message"] = pd.Series([outcome.written for outcome in ordered], dtype="str")
    now = dt.datetime.now(dt.UTC)
    frame["at"] = pd.Series([outcome.at or now for outcome in ordered], dtype="datetime64[us, UTC]")
    return frame[list(OUTCOME_COLUMNS)]


def merge_outcomes(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the outcomes of several parts of one plan together; for a row in two of them the later part counts."""
    filled = [part for part in parts if len(part)] or list(parts[:1])
    merged = pd.concat(filled, ignore_index=True)
    key = merged["row"].astype("string").fillna("account " + merged["account_id"].astype("string"))
    return merged[~key.duplicated(keep="last")].reset_index(drop=True)


def count_statuses(outcomes: pd.DataFrame) -> dict[str, int]:
    """Count the outcomes by status, every status named."""
    counts = outcomes["status"].value_counts()
    return {status.value: int(counts.get(status.value, 0)) for status in OutcomeStatus}


def _check_complete(plan: pd.DataFrame, ordered: list[Outcome]) -> None:
    if [outcome.index for outcome in ordered] != list(range(len(plan))):
        have = {outcome.index for outcome in ordered}
        missing = [index for index in range(len(plan)) if index not in have]
        raise OutcomesIncomplete(
            Sentence("load.incomplete", rows=len(plan), outcomes=len(ordered), missing=missing[:10])
        )


# ---- Rows of a plan as things to send ----

NEVER_EMPTY: Final = ("username", "firstname", "lastname", "email", "idnumber")
"""Without one of these a new account is refused or lost to matching; emptied by an update (which Moodle accepts for a
name) it locks its user out."""

GUARDED: Final = ("idnumber", "suspended")
"""Fields that say whose account it is and whether it is in use: changed only where they are still as the plan saw them."""

Wanting = TypeVar("Wanting", bound=Sendable)


@dataclass(frozen=True, slots=True)
class NewItem:
    """A person to create an account for; ``index`` is the row's position in the plan."""

    index: int
    idnumber: str
    username: str
    email: str
    wire: NewAccount


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """An account to change; ``index`` is the row's position in the plan.

    ``seen``: what the plan saw in those fields of GUARDED that it changes. ``had``: the profile fields among the changes that
    were filled.
    """

    index: int
    account_id: int
    wire: AccountChange
    seen: dict[str, Any] = field(default_factory=dict)
    had: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Work:
    """A plan taken apart: what to send, and the rows of which the outcome is known without sending anything."""

    creates: list[NewItem] = field(default_factory=list)
    changes: list[ChangeItem] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)


def sort_rows(plan: pd.DataFrame) -> Work:
    """Sort the rows of a plan (PLAN_COLUMNS) into creates, changes and those that need no call."""
    work = Work()
    for index, row in enumerate(plan_rows(plan)):
        changes: dict[str, Any] = json.loads(row["changes"] or "{}")
        found = _settled(index, row, changes) or _item(index, row, changes)
        if isinstance(found, Outcome):
            work.settled.append(found)
        elif isinstance(found, NewItem):
            work.creates.append(found)
        else:
            work.changes.append(found)
    _refuse_twice(work)
    return work


def plan_rows(plan: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the rows of a plan, None for what is missing; of plain lists, for a row of a frame at a time costs ten times as much."""
    names = list(plan.columns)
    columns = (plan[name].astype(object).where(plan[name].notna(), None).tolist() for name in names)
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _settled(index: int, row: dict[str, Any], changes: dict[str, Any]) -> Outcome | None:
    action, verdict = row["action"], row["verdict"]
    if action == Action.REJECT:
        code, said = _reasons(row)
        return Outcome(index, OutcomeStatus.REJECTED, code or verdict, said or evidence_of(row))
    if action in WRITING_ACTIONS and changes:
        return None
    if verdict in MISMATCHES:
        return Outcome(index, OutcomeStatus.SKIPPED, "mismatch", evidence_of(row))
    if verdict == Verdict.PROTECTED:
        return Outcome(index, OutcomeStatus.SKIPPED, "protected", evidence_of(row))
    return Outcome(index, OutcomeStatus.SKIPPED, NOTHING_TO_DO)


def _reasons(row: dict[str, Any]) -> tuple[str, Sentence | None]:
    reasons = reasons_of(row["reasons"])
    if not reasons:
        return "", None
    # A reason that stops the person comes before one that is only said.
    decisive = [reason for reason in reasons if _blocks(reason.code)] or reasons
    return decisive[0].code, in_turn(reason.said for reason in decisive)


def _blocks(code: str) -> bool:
    return code not in RULE_BY_CODE or RULE_BY_CODE[code].blocks != Blocks.NOTHING


def _seen(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: old for name, (old, _) in changes.items() if name in GUARDED}


def _had(changes: dict[str, Any]) -> frozenset[str]:
    filled = (name for name, (old, _) in changes.items() if old)
    return frozenset(name.removeprefix(PROFILE_PREFIX) for name in filled if name.startswith(PROFILE_PREFIX))


def _item(index: int, row: dict[str, Any], changes: dict[str, Any]) -> NewItem | ChangeItem | Outcome:
    fields: dict[str, Any] = {}
    profile: dict[str, Any] = {}
    for name, (_, value) in changes.items():
        if name.startswith(PROFILE_PREFIX):
            profile[name.removeprefix(PROFILE_PREFIX)] = value
        else:
            fields[name] = value
    creates = row["action"] == Action.CREATE
    blank = [name for name in NEVER_EMPTY if (creates or name in fields) and not str(fields.get(name) or "").strip()]
    if not creates and row["row"] is None and row["decision"] is not None:
        blank = [name for name in blank if name != "idnumber"]  # an analyst decided that another account keeps it
    if blank:
        return _rejected(index, f"{blank[0]}_empty", Sentence("load.left_empty", fields=blank))
    if creates:
        wire = NewAccount(fields, {name: value for name, value in profile.items() if value})
        return NewItem(index, fields["idnumber"], fields["username"], fields["email"], wire)
    if row["account_id"] is None:
        return _rejected(index, "account_missing", Sentence("load.account_missing", action=str(row["action"])))
    account_id = int(row["account_id"])
    return ChangeItem(index, account_id, AccountChange(account_id, fields, profile), _seen(changes), _had(changes))


def _rejected(index: int, code: str, said: Sentence) -> Outcome:
    return Outcome(index, OutcomeStatus.REJECTED, code, said)


def _refuse_twice(work: Work) -> None:
    """Refuse the second row for one account or one idnumber: two requests at a time would race (and Moodle takes both)."""
    _keep_first(work.creates, lambda item: item.idnumber, "idnumber_twice", work.settled)
    _keep_first(work.changes, lambda item: item.account_id, "account_twice", work.settled)


def _keep_first(items: list[Any], key: Any, code: str, settled: list[Outcome]) -> None:
    seen: set[object] = set()
    kept = []
    for item in items:
        if key(item) in seen:
            said = Sentence("load.written_twice", key=key(item))
            settled.append(_rejected(item.index, code, said))
        else:
            seen.add(key(item))
            kept.append(item)
    items[:] = kept


def split_shared(items: Sequence[Wanting]) -> tuple[list[Wanting], list[Wanting]]:
    """Split items into those that want a username and an e-mail address of their own, and those that share one.

    Moodle's check of an address is racy (two accounts with one address in 6 of 20 rounds of parallel creates), so the
    latter must be sent one call after another.
    """
    counts = Counter(key for item in items for key in _wanted_keys(item))
    free: list[Wanting] = []
    shared: list[Wanting] = []
    for item in items:
        (shared if any(counts[key] > 1 for key in _wanted_keys(item)) else free).append(item)
    return free, shared


def _wanted_keys(item: Sendable) -> set[str]:
    fields = item.wire.fields
    return {f"{name} {str(fields[name]).casefold()}" for name in ("username", "email") if name in fields}
