"""Loading a plan of access into Moodle: in batches, one outcome for each row, and nothing sent that was not planned."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from moodle_coupling.contract.columns import ACCESS_GIVES, AccessAction, AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_OUTCOMES, ACCESS_PLAN
from moodle_coupling.errors import (
    AnswerLost,
    CouplingError,
    MoodleError,
    MoodleRefused,
    MoodleRequestTooLarge,
)
from moodle_coupling.hooks.moodle.access_records import (
    GONE,
    Enrolment,
    MemberOutcome,
    Membership,
    NewCohort,
    Unenrolment,
    is_of_one_target,
)
from moodle_coupling.hooks.moodle.records import CONTROL_VARIABLES
from moodle_coupling.people.table import made
from moodle_coupling.provisioning.access.targets import AccessMoodle, read_members
from moodle_coupling.provisioning.load.book import Book, StopRule
from moodle_coupling.provisioning.load.loader import Records, closed, guarded
from moodle_coupling.provisioning.load.rows import Outcome, OutcomeStatus, plan_rows
from moodle_coupling.provisioning.lookups import CREATE_SIZE
from moodle_coupling.provisioning.wire import InFlight, Places, Wire
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import pandas as pd

ADD_SIZE: Final = 200
"""Members per call: each is on its own, so that a large batch costs nothing when one is refused."""
ENROL_SIZE: Final = 100
"""Enrolments per call: all or nothing, so that a batch with a bad row in it is sent in parts."""
_COHORT, _COURSE = TargetKind.COHORT.value, TargetKind.COURSE.value
_GIVES: Final = frozenset(action.value for action in ACCESS_GIVES)
_TAKE_BACK: Final = AccessAction.TAKE_BACK.value
_CODES: Final = frozenset(code.value for code in AccessCode)
_AS_PLANNED: Final = tuple(name for name in ACCESS_OUTCOMES.names if name in ACCESS_PLAN.names)
"""Columns that an outcome has from its row of the plan."""
_VARIABLES: Final = 6
"""Form variables that one row takes at most."""
_GONE: Final = GONE | {"invaliduser"}
"""Error codes of an account or a cohort that is not there."""


class AccessJournal(Protocol):
    """Where a load of access puts on record what it is about to do and what came of it; called by several threads."""

    def sending(self, positions: Sequence[int], batch: str) -> None:
        """Record that these rows go out now; nothing is sent when it raises."""

    def withdrawn(self, positions: Sequence[int]) -> None:
        """Record that these rows did not go out after all."""

    def settled(self, outcomes: pd.DataFrame) -> None:
        """Record outcomes (ACCESS_OUTCOMES) that stand."""


@dataclass(frozen=True)
class AccessLoad:
    """How a load ended: one outcome per row (ACCESS_OUTCOMES), why it ended before its end (None when it did not), and how many
    requests were in flight at a time.
    """  # noqa: D205

    outcomes: pd.DataFrame
    stopped: CouplingError | None = None
    in_flight: InFlight = field(default_factory=lambda: Places(1).said)


def load_access(
    plan: pd.DataFrame,
    hook: AccessMoodle,
    journal: AccessJournal,
    *,
    settled: pd.DataFrame | None = None,
    in_doubt: Collection[int] = (),
    stop: StopRule | None = None,
) -> AccessLoad:
    """Write what a plan of access (ACCESS_PLAN, its accounts filled in) intends into Moodle, and nothing else.

    Several batches go at once, as many as the site bears (provisioning.in_flight). Who is in the targets is read once more first:
    an approval may have waited for hours. Whoever has access by then without us is left as found, and whoever has lost it
    already need not lose it again. ``settled`` are final outcomes of an earlier try, which are not sent again; ``in_doubt``
    positions of rows that an earlier try sent without learning what became of them: found done, they count as done by us.
    ``stop`` says when too many failures end the load; what is the trouble of one course or role does not count.

    Raises nothing of what errors.py knows: that is the result's ``stopped``.
    """
    load = _Load(plan.reset_index(drop=True), hook, journal, frozenset(in_doubt), stop)
    load.take_over(settled)
    guarded(load.wire, load.decide)
    if load.wire.stopped is None:
        load.run()
    return load.close()


@lru_cache(maxsize=1024)
def _why(code: str, value: str) -> str:
    return Sentence(f"access.why.{code}", value=value).written()


class _Rows:
    """The journal of a book, told in rows of outcomes of access (ACCESS_OUTCOMES)."""

    def __init__(self, rows: list[dict[str, Any]], journal: AccessJournal) -> None:
        self._rows = rows
        self._journal = journal

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        """Record that these rows go out now."""
        self._journal.sending(indexes, batch)

    def withdrawn(self, indexes: Sequence[int]) -> None:
        """Record that these rows did not go out after all."""
        self._journal.withdrawn(indexes)

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes that stand; of whom nothing was intended none is kept."""
        told = [self.row(one) for one in outcomes if self._rows[one.index]["action"] != AccessAction.NONE]
        if told:
            self._journal.settled(made(ACCESS_OUTCOMES, told))

    def row(self, outcome: Outcome) -> dict[str, Any]:
        """Give an outcome as a row of the frame."""
        row = self._rows[outcome.index]
        said = outcome.written
        if not said and outcome.code in _CODES:
            said = _why(outcome.code, row["value"])
        return {name: row[name] for name in _AS_PLANNED} | {
            "position": outcome.index,
            "status": str(outcome.status),
            "code": outcome.code,
            "message": said,
            "at": outcome.at or dt.datetime.now(dt.UTC),
        }


class _Load:
    """A load under way: the rows, and the outcome of each so far."""

    def __init__(
        self,
        plan: pd.DataFrame,
        hook: AccessMoodle,
        journal: AccessJournal,
        in_doubt: frozenset[int],
        stop: StopRule | None,
    ) -> None:
        self.rows = list(plan_rows(plan))
        self.hook = hook
        self.wire = Wire(hook)
        self.told = _Rows(self.rows, journal)
        self.book = Book(self.told, stop)
        self.in_doubt = in_doubt
        self._earlier: dict[int, dict[str, Any]] = {}
        self._closed: dict[tuple[int, int, bool], MoodleError] = {}
        self._lock = threading.Lock()

    # ---- outcomes ----

    def take_over(self, settled: pd.DataFrame | None) -> None:
        """Take what an earlier try settled as it is."""
        for outcome in settled.to_dict("records") if settled is not None else ():
            self._earlier[int(outcome["position"])] = {str(name): value for name, value in outcome.items()}

    def open(self, positions: Iterable[int]) -> list[int]:
        """Give the rows that have no outcome yet."""
        return [at for at in positions if at not in self._earlier and self.book.status(at) is None]

    def announce_ahead(self, positions: Sequence[int]) -> None:
        """Put on record that this batch is sent next."""
        self.book.announce_ahead(positions)

    def tell(self, positions: Sequence[int]) -> None:
        """Put on record what became of a batch."""
        self.book.tell(self.book.firm(positions))

    def close(self) -> AccessLoad:
        """Give every row its outcome; what was sent and of which nobody knows is unknown, what was not reached failed."""
        positions = [at for at in range(len(self.rows)) if at not in self._earlier]
        outcomes = closed(self.book, self.wire, positions, self.in_doubt)
        rows = self._earlier | {outcome.index: self.told.row(outcome) for outcome in outcomes}
        frame = made(ACCESS_OUTCOMES, [rows[at] for at in range(len(self.rows))])
        return AccessLoad(frame, self.wire.stopped, self.wire.places.said)

    # ---- what need not be sent ----

    def decide(self) -> None:
        """Settle the rows that write nothing, and those that are as intended by now."""
        mine = self.open(range(len(self.rows)))
        for at in mine:
            row = self.rows[at]
            if row["action"] == AccessAction.NONE:
                self.book.write(at, OutcomeStatus.SKIPPED, row["code"])
            elif row["action"] == AccessAction.REJECT:
                self.book.write(at, OutcomeStatus.REJECTED, row["code"])
            elif row["account_id"] is None:
                self.book.write(at, OutcomeStatus.REJECTED, AccessCode.NO_ACCOUNT.value)
        open_ = self.open(mine)
        self._make_cohorts(open_)
        open_ = self.open(open_)
        there = self._members(open_)
        for at in self.open(open_):
            self._as_intended(at, there=self._key(at) in there)
        self.book.tell(self.book.known(mine))

    def _as_intended(self, at: int, *, there: bool) -> None:
        action, doubtful = self.rows[at]["action"], at in self.in_doubt
        if action == AccessAction.GIVE and there:
            if doubtful:
                self.book.write(at, OutcomeStatus.DONE)
            else:
                self.book.write(at, OutcomeStatus.SKIPPED, AccessCode.ALREADY_THERE.value)
        elif action == _TAKE_BACK and not there:
            self.book.write(at, OutcomeStatus.DONE, "" if doubtful else AccessCode.GONE_ALREADY.value)

    def _key(self, at: int) -> tuple[str, str, int]:
        row = self.rows[at]
        return row["kind"], row["target"], int(row["account_id"])

    def _members(self, positions: Sequence[int], *, alone: bool = False) -> set[tuple[str, str, int]]:
        numbers = {
            (self.rows[at]["kind"], self.rows[at]["target"]): int(self.rows[at]["target_id"]) for at in positions
        }
        read = read_members(self.hook, numbers, alone=alone)
        for at in positions:
            if (self.rows[at]["kind"], self.rows[at]["target"]) in read.closed:
                self.book.write(at, OutcomeStatus.REJECTED, AccessCode.TARGET_MISSING.value)
        return set(read.frame[["kind", "target", "account_id"]].itertuples(index=False, name=None))

    def _make_cohorts(self, positions: Sequence[int]) -> None:
        """Make the cohorts that the plan wants and that are not there; an earlier try may have made them."""
        waiting = [at for at in positions if self.rows[at]["target_id"] is None]
        names = list(dict.fromkeys(self.rows[at]["target"] for at in waiting))
        if not names:
            return
        there = {cohort.idnumber: cohort.id for cohort in self.hook.cohorts()}
        for name in names:
            if name in there:
                continue
            try:
                there[name] = self.hook.create_cohorts([NewCohort(name=name, idnumber=name)])[0].id
            except AnswerLost:
                found = {cohort.idnumber: cohort.id for cohort in self.hook.cohorts()}
                if name not in found:
                    raise
                there[name] = found[name]
            except MoodleRefused as error:
                for at in waiting:
                    if self.rows[at]["target"] == name:
                        self.book.write(at, OutcomeStatus.REJECTED, error.errorcode or "refused", error.said)
        for at in waiting:
            self.rows[at]["target_id"] = there.get(self.rows[at]["target"])

    # ---- sending ----

    def run(self) -> None:
        """Take back first, so that a course that is full has room; then give."""
        take_backs = frozenset({_TAKE_BACK})
        turns = (
            (take_backs, _COHORT, self._take_out, ENROL_SIZE),
            (take_backs, _COURSE, self._unenrol, ENROL_SIZE),
            (_GIVES, _COHORT, self._add, ADD_SIZE),
            (_GIVES, _COURSE, self._enrol, ENROL_SIZE),
        )
        with Records(self) as records:
            for actions, kind, send, usual in turns:
                mine = [
                    at
                    for at in self.open(range(len(self.rows)))
                    if self.rows[at]["kind"] == kind and self.rows[at]["action"] in actions
                ]
                # By target: a refusal that is about one course then stands alone soonest.
                mine.sort(key=lambda at: (int(self.rows[at]["target_id"]), int(self.rows[at]["role_id"]), at))
                size = self._size(usual)
                batches = [mine[start : start + size] for start in range(0, len(mine), size)]
                records.send(partial(self._try, send), ([batch] for batch in batches))

    def _size(self, usual: int) -> int:
        settings = self.hook.settings
        fits = (settings.max_input_vars - CONTROL_VARIABLES) // _VARIABLES
        return max(1, min(settings.batch_size * usual // CREATE_SIZE, fits))

    def judge(self, positions: Sequence[int]) -> None:
        """Stop the load where, with this batch, too many went wrong."""
        reason = self.book.count([at for at in positions if self._group(at) not in self._closed])
        if reason is not None:
            self.wire.stop(reason)

    def _group(self, at: int) -> tuple[int, int, bool]:
        """Give what a refusal of one target is about: the course or cohort, the role, and whether it was given or taken back."""
        row = self.rows[at]
        return int(row["target_id"]), int(row["role_id"]), row["action"] == _TAKE_BACK

    def _try(self, send: Callable[[Sequence[int]], None], positions: Sequence[int]) -> None:
        """Send rows in one call; refused as a whole they are taken apart until the culprit stands alone."""
        positions = self._not_closed(positions)
        if not positions:
            return
        self.wire.refuse_when_stopped()
        self.book.announce(positions)
        try:
            send(positions)
        except AnswerLost as error:
            for at in positions:
                lost = Sentence("load.answer_lost", error=error.said)
                self.book.write(at, OutcomeStatus.UNKNOWN, "answer_lost", lost)
            self._read_back(positions)
            raise
        except MoodleError as error:
            if not (isinstance(error, MoodleRefused | MoodleRequestTooLarge) or is_of_one_target(error)):
                raise  # Moodle said no to us, and did nothing
            self._refused(send, positions, error)

    def _not_closed(self, positions: Sequence[int]) -> list[int]:
        """Give the rows of targets that have not refused everybody so far; the others are refused for the same reason."""
        for at in positions:
            error = self._closed.get(self._group(at))
            if error is not None:
                self._refuse(at, error)
        return [at for at in positions if self._group(at) not in self._closed]

    def _refused(self, send: Callable[[Sequence[int]], None], positions: Sequence[int], error: MoodleError) -> None:
        groups: dict[tuple[int, int, bool], list[int]] = {}
        for at in positions:
            groups.setdefault(self._group(at), []).append(at)
        if len(groups) > 1:
            for group in groups.values():
                self._try(send, group)
        elif is_of_one_target(error):
            with self._lock:
                self._closed[next(iter(groups))] = error
            for at in positions:
                self._refuse(at, error)
        elif len(positions) == 1:
            self._refuse(positions[0], error)
        else:
            half = len(positions) // 2
            self._try(send, positions[:half])
            self._try(send, positions[half:])

    def _refuse(self, at: int, error: MoodleError) -> None:
        gone = error.errorcode in _GONE
        if gone and self.rows[at]["action"] == _TAKE_BACK:
            # The account, or the whole cohort, is not there any more: nor is what was given.
            self.book.write(at, OutcomeStatus.DONE, AccessCode.GONE_ALREADY.value)
        elif gone or is_of_one_target(error) or not isinstance(error, MoodleRefused):
            code = "account_gone" if gone else error.errorcode or "refused"
            self.book.write(at, OutcomeStatus.REJECTED, code, error.said)
        else:
            reason = self.book.refused(at, error)
            if reason is not None:
                self.wire.stop(reason)

    def _read_back(self, positions: Sequence[int]) -> None:
        """After a lost answer: what is as intended counts as done; of the rest nobody knows, for Moodle may be at it still."""
        try:
            there = self._members(positions, alone=True)
        except CouplingError:
            return  # the line is down: the next try looks
        for at in positions:
            action, is_there = self.rows[at]["action"], self._key(at) in there
            if (action == AccessAction.GIVE and is_there) or (action == _TAKE_BACK and not is_there):
                self.book.write(at, OutcomeStatus.DONE)

    def _memberships(self, positions: Sequence[int]) -> list[Membership]:
        return [Membership(int(self.rows[at]["target_id"]), int(self.rows[at]["account_id"])) for at in positions]

    def _done(self, positions: Sequence[int]) -> None:
        for at in positions:
            self.book.accepted(at)

    def _add(self, positions: Sequence[int]) -> None:
        rows = self._memberships(positions)
        results, _ = self.wire.timed("add", len(rows), lambda: self.hook.add_cohort_members(rows))
        for at, result in zip(positions, results, strict=True):
            if result.is_member:
                self.book.accepted(at)
            else:
                gone = result.outcome is MemberOutcome.NO_ACCOUNT
                said = Sentence("load.warned", message=result.message)
                self.book.write(
                    at, OutcomeStatus.REJECTED, "account_gone" if gone else AccessCode.TARGET_MISSING.value, said
                )

    def _take_out(self, positions: Sequence[int]) -> None:
        rows = self._memberships(positions)
        self.wire.timed("take out", len(rows), lambda: self.hook.delete_cohort_members(rows))
        self._done(positions)

    def _enrol(self, positions: Sequence[int]) -> None:
        rows = [self.rows[at] for at in positions]
        enrolments = [
            Enrolment(
                course_id=int(row["target_id"]),
                account_id=int(row["account_id"]),
                role_id=int(row["role_id"]),
                timestart=int(row["timestart"]),
                timeend=int(row["timeend"]),
                suspended=bool(row["suspended"]),
            )
            for row in rows
        ]
        self.wire.timed("enrol", len(rows), lambda: self.hook.enrol_users(enrolments))
        self._done(positions)

    def _unenrol(self, positions: Sequence[int]) -> None:
        rows = [Unenrolment(int(self.rows[at]["target_id"]), int(self.rows[at]["account_id"])) for at in positions]
        self.wire.timed("unenrol", len(rows), lambda: self.hook.unenrol_users(rows))
        self._done(positions)
