"""The outcomes of a running load, written by several threads, and what they say about the site as a whole."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Final

from moodle_coupling.errors import MoodleParameterRefused, MoodleRefused
from moodle_coupling.provisioning.outcomes import Outcome, OutcomeStatus

ROW_OF_REFUSALS: Final = 100
"""So many persons refused alone, one after another, with one error and nobody accepted in between: then it is not the
persons but the site or the mapping (a database gone read-only, a language that is not installed)."""

FEW: Final = 3
"""So many database errors and nobody accepted at all: then too, though fewer may be chance."""


class Book:
    """One outcome per row; a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[int, Outcome] = {}
        self._accepted = 0
        self._row: list[Outcome] = []
        self._row_code = ""
        self.extra_calls = 0

    def write(
        self, index: int, status: OutcomeStatus, code: str = "", message: str = "", account_id: int | None = None
    ) -> None:
        """Write down what happened to a row."""
        outcome = Outcome(index, status, code, message, account_id, dt.datetime.now(dt.UTC))
        with self._lock:
            self._outcomes[index] = outcome

    def accepted(self, index: int, account_id: int) -> None:
        """Write down that Moodle took a row just now: so its database can be written."""
        self.write(index, OutcomeStatus.DONE, account_id=account_id)
        with self._lock:
            self._accepted += 1
            self._row = []

    def keep(self, outcome: Outcome) -> None:
        """Take over an outcome as it is."""
        with self._lock:
            self._outcomes[outcome.index] = outcome

    def refused(self, index: int, error: MoodleRefused, account_id: int | None = None) -> MoodleRefused | None:
        """Write down a refusal by Moodle that nothing about the person explains.

        Returns the error to stop the load with when so many were refused in a row that the person cannot be the reason.
        """
        code = error.errorcode or "refused"
        self.write(index, OutcomeStatus.REJECTED, code, str(error), account_id)
        with self._lock:
            if code != self._row_code:
                self._row, self._row_code = [], code
            self._row.append(self._outcomes[index])
            return _everyone_refused(error, len(self._row)) if len(self._row) >= ROW_OF_REFUSALS else None

    def count_extra(self, calls: int = 1) -> None:
        """Count calls that would not have been made had every batch gone well."""
        with self._lock:
            self.extra_calls += calls

    def status(self, index: int) -> OutcomeStatus | None:
        """Give a row's status so far."""
        outcome = self._outcomes.get(index)
        return outcome.status if outcome else None

    def close(self, rows: int, *, code: str, message: str) -> list[Outcome]:
        """Give one outcome per row; a row without one was not reached and has failed with ``code`` and ``message``."""
        self._doubt_refusals()
        for index in range(rows):
            if index not in self._outcomes:
                self.write(index, OutcomeStatus.FAILED, code, message)
        return list(self._outcomes.values())

    def _doubt_refusals(self) -> None:
        """Make refusals that look like the site's own trouble failures, so that they are tried again."""
        database = self._row_code.startswith("dml")
        enough = FEW if database and not self._accepted else ROW_OF_REFUSALS
        if len(self._row) < enough:
            return
        for outcome in self._row:
            message = f"{outcome.message} Everyone sent around then was refused so: most likely it is not this person."
            self.write(outcome.index, OutcomeStatus.FAILED, outcome.code, message, outcome.account_id)


def _everyone_refused(error: MoodleRefused, count: int) -> MoodleRefused:
    where = (
        "Look at what all new accounts share in the mapping file: auth, lang, theme, password."
        if isinstance(error, MoodleParameterRefused)
        else "Look at the site's database and disk."
    )
    return type(error)(
        f"Moodle refused {count} persons one after another with '{error.errorcode}' and accepted nobody in between, so "
        f"the load was stopped. {where}",
        function=error.function,
        errorcode=error.errorcode,
        debuginfo=error.debuginfo,
    )
