"""When a load stops itself: too many of those it tried went wrong."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import TooManyFailures
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.provisioning.load.outcomes import Outcome

_MOST_FREQUENT: Final = 3
WHERE_TO_LOOK: Final = "Look at what all of them share in the mapping file (auth, lang, theme, password) and at the site's database and disk."


@dataclass(frozen=True, slots=True)
class StopRule:
    """More than ``share`` (0 to 1) of at least ``minimum`` persons tried went wrong: the load stops itself.

    ``expected`` are positions of rows that were refused in an earlier run too: refused again they say nothing of the site, and on a
    quiet night they may be all there is.
    """

    share: float = 0.4
    minimum: int = 20
    expected: frozenset[int] = frozenset()


class Tally:
    """Counts the persons tried, batch by batch; rows that the plan itself rejects or that need no call never come here.

    Counted are whole batches, because a batch that is taken apart says who was refused before it says who was not.
    """

    def __init__(self, rule: StopRule | None = None) -> None:
        self._rule = rule
        self._lock = threading.Lock()
        self._done = 0
        self._wrong: Counter[str] = Counter()

    def add(self, outcomes: Iterable[Outcome]) -> TooManyFailures | None:
        """Count what became of a batch; gives the reason to stop when there is one."""
        if self._rule is None:
            return None
        with self._lock:
            for outcome in outcomes:
                if outcome.status is OutcomeStatus.DONE:
                    self._done += 1
                elif outcome.status is not OutcomeStatus.SKIPPED and not self._was_expected(outcome):
                    self._wrong[outcome.code] += 1
            return self._judge(self._rule)

    def _was_expected(self, outcome: Outcome) -> bool:
        expected = self._rule.expected if self._rule else frozenset()
        return outcome.status is OutcomeStatus.REJECTED and outcome.index in expected

    def _judge(self, rule: StopRule) -> TooManyFailures | None:
        failed = self._wrong.total()
        attempted = self._done + failed
        if attempted < rule.minimum or failed <= rule.share * attempted:
            return None
        codes = ", ".join(f"'{code}' {count}" for code, count in self._wrong.most_common(_MOST_FREQUENT))
        return TooManyFailures(
            f"{failed} of the {attempted} persons tried went wrong (most often {codes}), more than {rule.share:.0%}, so the load "
            f"stopped itself. What was done is kept. {WHERE_TO_LOOK}",
            failed=failed,
            attempted=attempted,
        )
