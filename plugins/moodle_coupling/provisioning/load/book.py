"""The bookkeeping of a running load: outcomes, the journal of what is sent, and when a load stops itself."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from moodle_coupling.errors import CouplingError, TooManyFailures
from moodle_coupling.provisioning.load.rows import Outcome, OutcomeStatus
from moodle_coupling.words.sentence import Sentence, as_sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence

    from moodle_coupling.errors import MoodleRefused


ROW_OF_REFUSALS: Final = 100
"""So many persons refused alone, one after another, with one error and nobody accepted in between: then it is not the
persons but the site or the mapping (a database gone read-only, a language that is not installed). The stop rule sees
that only in the whole load's share, and only after a batch: too late where many went well before."""

FEW: Final = 3
"""So many database errors and nobody accepted at all: then too, though fewer may be chance."""

FRESH: Final = 1.0
"""Seconds for which a batch that was announced ahead may go out without being announced again: the journal says no to a run that
lost its environment meanwhile, or its ledger."""

_CERTAIN: Final = frozenset({OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED})
_MOST_FREQUENT: Final = 3
_WHERE_TO_LOOK: Final = Sentence("load.where_to_look")


@dataclass(frozen=True, slots=True)
class StopRule:
    """More than ``share`` (0 to 1) of at least ``minimum`` persons tried went wrong: the load stops itself.

    ``expected`` are positions of rows that were refused in an earlier run too: refused again they say nothing of the site, and on a
    quiet night they may be all there is.
    """

    share: float = 0.4
    minimum: int = 20
    expected: frozenset[int] = frozenset()


class Journal(Protocol):
    """Where a load puts on record what it is about to do and what came of it; called by several threads.

    What it raises of errors.py, and any OSError, stops the load; nothing is sent that could not be announced.
    """

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        """Record that these rows (positions in the plan) go out now, in the call that ``batch`` names (a fresh uuid).

        Called before every call that writes, at most FRESH seconds before it, also when a refused batch is sent again in parts.
        """

    def withdrawn(self, indexes: Sequence[int]) -> None:
        """Record that these rows did not go out after all: the load ended between their record and their call."""

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes that stand: once at the start for rows that need no call, after each batch, and at the end."""


class JournalFailed(CouplingError):
    """The journal of the load cannot be kept (a full disk, a file that is gone); nothing more was sent."""


class Book:
    """The one book of a load, for several threads: outcomes, what was announced and told to the journal, and counts.

    There is one outcome per row; a later one replaces an earlier one. ``journal`` is told of each outcome once. Whether the
    ``rule`` ends the load is judged by whole batches, because a batch that is taken apart says who was refused before it
    says who was not; rows that the plan itself rejects or that need no call are in no batch.
    """

    def __init__(self, journal: Journal | None = None, rule: StopRule | None = None) -> None:
        self._journal = journal
        self._rule = rule
        self._lock = threading.Lock()
        self._announced: set[int] = set()
        self._ahead: dict[tuple[int, ...], float] = {}
        self._told: set[int] = set()
        self._done = 0
        self._wrong: Counter[str] = Counter()
        self._outcomes: dict[int, Outcome] = {}
        self._unexplained: set[int] = set()
        self._accepted = 0
        self._row: list[int] = []
        self._row_code = ""
        self.extra_calls = 0

    def write(
        self,
        index: int,
        status: OutcomeStatus,
        code: str = "",
        said: Sentence | str = "",
        account_id: int | None = None,
    ) -> None:
        """Write down what happened to a row."""
        self.keep(Outcome(index, status, code, said, account_id))

    def keep(self, outcome: Outcome) -> None:
        """Take over an outcome; it happened now unless it says when."""
        with self._lock:
            self._outcomes[outcome.index] = replace(outcome, at=outcome.at or dt.datetime.now(dt.UTC))

    def accepted(self, index: int, account_id: int | None = None) -> None:
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
        self.write(index, OutcomeStatus.REJECTED, code, error.said, account_id)
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

    # ---- the journal -------------------------------------------------------------------------------------------------

    def announce_ahead(self, indexes: Sequence[int]) -> None:
        """Put on record that these rows go out next, while others are on their way; raises as ``announce`` does."""
        if self._journal is None:
            return
        with self._lock:
            self._ahead[tuple(indexes)] = time.monotonic()
        with _translated():
            self._journal.sending(indexes, str(uuid.uuid4()))

    def announce(self, indexes: Sequence[int]) -> None:
        """Put on record that these rows go out now, unless that was done ahead; raises what the journal raises, and JournalFailed for an OSError."""
        if self._journal is None:
            return
        with self._lock:
            ahead = self._ahead.get(tuple(indexes))
        if ahead is None or time.monotonic() - ahead > FRESH:
            with _translated():
                self._journal.sending(indexes, str(uuid.uuid4()))
        with self._lock:
            self._ahead.pop(tuple(indexes), None)
            self._announced.update(indexes)

    def withdraw(self, in_doubt: Collection[int] = ()) -> None:
        """Put on record that what was announced ahead did not go out; what an earlier try sent stays in doubt. Raises as ``announce`` does."""
        with self._lock:
            ahead = {index for indexes in self._ahead for index in indexes}.difference(
                self._announced, self._told, in_doubt
            )
            self._ahead.clear()
        if ahead and self._journal is not None:
            with _translated():
                self._journal.withdrawn(sorted(ahead))

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Put outcomes on record that are not there yet; raises as ``announce`` does, and then they count as not told."""
        if self._journal is None:
            return
        with self._lock:
            new = [outcome for outcome in outcomes if outcome.index not in self._told]
        if not new:
            return
        with _translated():
            self._journal.settled(new)
        with self._lock:
            self._told.update(outcome.index for outcome in new)

    def was_announced(self, index: int) -> bool:
        """Tell whether a call with this row was announced."""
        return index in self._announced

    # ---- when a load stops itself ------------------------------------------------------------------------------------

    def count(self, indexes: Iterable[int]) -> TooManyFailures | None:
        """Count what became of a batch; gives the reason to stop when there is one."""
        if self._rule is None:
            return None
        outcomes = self.known(indexes)
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
            Sentence(
                "load.too_many_failures",
                failed=failed,
                attempted=attempted,
                codes=codes,
                share=f"{rule.share:.0%}".removesuffix("%"),
                look=_WHERE_TO_LOOK,
            ),
            failed=failed,
            attempted=attempted,
        )

    # ---- the end -----------------------------------------------------------------------------------------------------

    def close(
        self,
        rows: Iterable[int],
        *,
        code: str,
        said: Sentence,
        stopped_itself: bool = False,
        in_doubt: Container[int] = (),
    ) -> list[Outcome]:
        """Give one outcome per row (by index); a row without one was not reached and has failed with ``code`` and ``said``.

        ``stopped_itself``: the load stopped because too many went wrong. ``in_doubt``: rows that an earlier try sent; not
        reached, they stay unknown.
        """
        self._doubt_refusals(stopped_itself=stopped_itself)
        for index in rows:
            if index in self._outcomes:
                continue
            if index in in_doubt:
                doubt = Sentence("load.doubt", why=said)
                self.write(index, OutcomeStatus.UNKNOWN, "answer_lost", doubt)
            else:
                self.write(index, OutcomeStatus.FAILED, code, said)
        return list(self._outcomes.values())

    def _doubt_refusals(self, *, stopped_itself: bool) -> None:
        """Make refusals that look like the site's own trouble failures, so that they are tried again."""
        database = self._row_code.startswith("dml")
        enough = FEW if database and not self._accepted else ROW_OF_REFUSALS
        doubtful = set(self._row) if len(self._row) >= enough else set()
        for index in self._unexplained if stopped_itself else doubtful:
            outcome = self._outcomes[index]
            said = in_turn([as_sentence(outcome.said), Sentence("load.site_trouble")])
            self.write(index, OutcomeStatus.FAILED, outcome.code, said, outcome.account_id)


def _everyone_refused(code: str, count: int) -> TooManyFailures:
    return TooManyFailures(
        Sentence("load.everyone_refused", n=count, code=code, look=_WHERE_TO_LOOK),
        failed=count,
        attempted=count,
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalFailed(Sentence("load.journal_failed", error=str(error))) from error
