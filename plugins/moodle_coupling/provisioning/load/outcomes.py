"""What happened to each row of a plan: one outcome per row, always."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.frames import OUTCOMES
from moodle_coupling.errors import CouplingError
from moodle_coupling.words.sentence import ENGLISH, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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
