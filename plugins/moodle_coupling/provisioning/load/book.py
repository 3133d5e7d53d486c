"""The outcomes of a running load, written by several threads, and what they say about the site as a whole."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import TooManyFailures
from moodle_coupling.provisioning.load.outcomes import Outcome, OutcomeStatus
from moodle_coupling.provisioning.load.stop_rule import WHERE_TO_LOOK

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from moodle_coupling.errors import MoodleRefused

ROW_OF_REFUSALS: Final = 100
"""So many persons refused alone, one after another, with one error and nobody accepted in between: then it is not the
persons but the site or the mapping (a database gone read-only, a language that is not installed). The stop rule sees
that only in the whole load's share, and only after a batch: too late where many went well before."""

FEW: Final = 3
"""So many database errors and nobody accepted at all: then too, though fewer may be chance."""

_CERTAIN: Final = frozenset({OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED})


class Book:
    """One outcome per row; a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[int, Outcome] = {}
        self._unexplained: set[int] = set()
        self._accepted = 0
        self._row: list[int] = []
        self._row_code = ""
        self.extra_calls = 0

    def write(
        self, index: int, status: OutcomeStatus, code: str = "", message: str = "", account_id: int | None = None
    ) -> None:
        """Write down what happened to a row."""
        self.keep(Outcome(index, status, code, message, account_id))

    def keep(self, outcome: Outcome) -> None:
        """Take over an outcome; it happened now unless it says when."""
        with self._lock:
            self._outcomes[outcome.index] = replace(outcome, at=outcome.at or dt.datetime.now(dt.UTC))

    def accepted(self, index: int, account_id: int) -> None:
        """Write down that Moodle took a row just now: so its database can be written."""
        self.write(index, OutcomeStatus.DONE, account_id=account_id)
        with self._lock:
            self._accepted += 1
            self._row = []

    def refused(self, index: int, error: MoodleRefused, account_id: int | None = None) -> TooManyFailures | None:
        """Write down a refusal by Moodle that nothing about the person explains.

        Returns the error to stop the load with when so many were refused in a row that the person cannot be the reason.
        """
        code = error.errorcode or "refused"
        self.write(index, OutcomeStatus.REJECTED, code, str(error), account_id)
        with self._lock:
            self._unexplained.add(index)
            if code != self._row_code:
                self._row, self._row_code = [], code
            self._row.append(index)
            return _everyone_refused(code, len(self._row)) if len(self._row) >= ROW_OF_REFUSALS else None

    def count_extra(self, calls: int = 1) -> None:
        """Count calls that would not have been made had every batch gone well."""
        with self._lock:
            self.extra_calls += calls

    def status(self, index: int) -> OutcomeStatus | None:
        """Give a row's status so far."""
        outcome = self._outcomes.get(index)
        return outcome.status if outcome else None

    def known(self, indexes: Iterable[int]) -> list[Outcome]:
        """Give the outcomes so far of those of these rows that have one."""
        with self._lock:
            return [self._outcomes[index] for index in indexes if index in self._outcomes]

    def firm(self, indexes: Iterable[int]) -> list[Outcome]:
        """Give the outcomes that nothing later in the load can change.

        A refusal that nothing explains is not among them: should everyone be refused, it was the site's trouble.
        """
        return [
            outcome
            for outcome in self.known(indexes)
            if outcome.status in _CERTAIN and outcome.index not in self._unexplained
        ]

    def close(
        self, rows: int, *, code: str, message: str, stopped_itself: bool = False, in_doubt: Container[int] = ()
    ) -> list[Outcome]:
        """Give one outcome per row; a row without one was not reached and has failed with ``code`` and ``message``.

        ``stopped_itself``: the load stopped because too many went wrong. ``in_doubt``: rows that an earlier try sent; not
        reached, they stay unknown.
        """
        self._doubt_refusals(stopped_itself=stopped_itself)
        for index in range(rows):
            if index in self._outcomes:
                continue
            if index in in_doubt:
                doubt = f"An earlier try sent this, and what became of it was not looked up. {message}"
                self.write(index, OutcomeStatus.UNKNOWN, "answer_lost", doubt)
            else:
                self.write(index, OutcomeStatus.FAILED, code, message)
        return list(self._outcomes.values())

    def _doubt_refusals(self, *, stopped_itself: bool) -> None:
        """Make refusals that look like the site's own trouble failures, so that they are tried again."""
        database = self._row_code.startswith("dml")
        enough = FEW if database and not self._accepted else ROW_OF_REFUSALS
        doubtful = set(self._row) if len(self._row) >= enough else set()
        for index in self._unexplained if stopped_itself else doubtful:
            outcome = self._outcomes[index]
            message = f"{outcome.message} So many were refused around then: most likely it is not this person."
            self.write(index, OutcomeStatus.FAILED, outcome.code, message, outcome.account_id)


def _everyone_refused(code: str, count: int) -> TooManyFailures:
    return TooManyFailures(
        f"Moodle refused {count} persons one after another with '{code}' and accepted nobody in between, so the load stopped "
        f"itself. What was done is kept. {WHERE_TO_LOOK}",
        failed=count,
        attempted=count,
    )
