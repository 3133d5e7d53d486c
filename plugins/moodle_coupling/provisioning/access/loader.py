"""Loading a plan of access into Moodle: in batches, one outcome for each row, and nothing sent that was not planned."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import pandas as pd

from moodle_coupling.contract.access import ACCESS_GIVES, AccessAction, AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_OUTCOMES
from moodle_coupling.errors import AnswerLost, CouplingError, MoodleError, MoodleRefused, MoodleRequestTooLarge
from moodle_coupling.hooks.moodle.access_records import (
    GONE,
    Enrolment,
    MemberOutcome,
    Membership,
    NewCohort,
    Unenrolment,
    is_of_one_target,
)
from moodle_coupling.hooks.moodle.form import CONTROL_VARIABLES
from moodle_coupling.people.frames import made
from moodle_coupling.provisioning.access.targets import AccessMoodle, read_members
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.provisioning.lookups import CREATE_SIZE
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

ADD_SIZE: Final = 200
"""Members per call: each is on its own, so that a large batch costs nothing when one is refused."""
ENROL_SIZE: Final = 100
"""Enrolments per call: all or nothing, so that a batch with a bad row in it is sent in parts."""
_COHORT, _COURSE = TargetKind.COHORT.value, TargetKind.COURSE.value
_GIVES: Final = frozenset(action.value for action in ACCESS_GIVES)
_TAKE_BACK: Final = AccessAction.TAKE_BACK.value
_CODES: Final = frozenset(code.value for code in AccessCode)
_VARIABLES: Final = 6
"""Form variables that one row takes at most."""
_GONE: Final = GONE | {"invaliduser"}
"""Error codes of an account or a cohort that is not there."""


class AccessJournal(Protocol):
    """Where a load of access puts on record what it is about to do and what came of it; called by one thread at a time."""

    def sending(self, positions: Sequence[int], batch: str) -> None:
        """Record that these rows go out now; nothing is sent when it raises."""

    def settled(self, outcomes: pd.DataFrame) -> None:
        """Record outcomes (ACCESS_OUTCOMES) that stand."""


@dataclass(frozen=True)
class AccessLoad:
    """How a load ended: one outcome per row (ACCESS_OUTCOMES), and why it ended before its end, None when it did not."""

    outcomes: pd.DataFrame
    stopped: CouplingError | None = None


def load_access(
    plan: pd.DataFrame,
    hook: AccessMoodle,
    journal: AccessJournal,
    *,
    settled: pd.DataFrame | None = None,
    in_doubt: Collection[int] = (),
) -> AccessLoad:
    """Write what a plan of access (ACCESS_PLAN, its accounts filled in) intends into Moodle, and nothing else.

    Who is in the targets is read once more first: an approval may have waited for hours. Whoever has access by then without us
    is left as found, and whoever has lost it already need not lose it again. ``settled`` are final outcomes of an earlier try,
    which are not sent again; ``in_doubt`` positions of rows that an earlier try sent without learning what became of them: found
    done, they count as done by us.

    Raises nothing of what errors.py knows: that is the result's ``stopped``.
    """
    load = _Load(plan.reset_index(drop=True), hook, journal, frozenset(in_doubt))
    load.take_over(settled)
    try:
        load.decide()
        load.run()
    except CouplingError as error:
        load.stopped = error
    return load.close()


class _Load:
    """A load under way: the rows, and the outcome of each so far."""

    def __init__(
        self, plan: pd.DataFrame, hook: AccessMoodle, journal: AccessJournal, in_doubt: frozenset[int]
    ) -> None:
        self.rows: list[dict[str, Any]] = plan.to_dict("records")  # type: ignore[assignment]  # its keys are names
        self.hook = hook
        self.journal = journal
        self.in_doubt = in_doubt
        self.stopped: CouplingError | None = None
        self.told: dict[int, dict[str, Any]] = {}
        self._earlier: dict[int, dict[str, Any]] = {}
        self._sent: set[int] = set()

    # ---- outcomes ----

    def take_over(self, settled: pd.DataFrame | None) -> None:
        for outcome in settled.to_dict("records") if settled is not None else ():
            self._earlier[int(outcome["position"])] = {str(name): value for name, value in outcome.items()}

    def tell(self, at: int, status: OutcomeStatus, code: str = "", said: Sentence | None = None) -> None:
        """Write down what became of a row."""
        row = self.rows[at]
        if said is None and code in _CODES:
            said = Sentence(f"access.why.{code}", value=row["value"])
        shown = {name: row[name] for name in ACCESS_OUTCOMES.names if name in row}
        self.told[at] = shown | {
            "position": at,
            "status": str(status),
            "code": code,
            "message": said.written() if said else "",
            "at": pd.Timestamp(dt.datetime.now(dt.UTC)).floor("us"),
        }

    def record(self, positions: Sequence[int]) -> None:
        """Put outcomes on record."""
        rows = [self.told[at] for at in positions if at in self.told]
        if rows:
            self.journal.settled(made(ACCESS_OUTCOMES, rows))

    def open(self, positions: Sequence[int]) -> list[int]:
        """Give the rows that have no outcome yet."""
        return [at for at in positions if at not in self.told]

    def close(self) -> AccessLoad:
        """Give every row its outcome; what was sent and of which nobody knows is unknown, what was not reached failed."""
        for at in range(len(self.rows)):
            if at in self._earlier or at in self.told:
                continue
            if at in self._sent or at in self.in_doubt:
                self.tell(at, OutcomeStatus.UNKNOWN, "answer_lost", Sentence("access.unknown"))
            else:
                why = self.stopped.said if self.stopped else Sentence("load.not_sent_unknown")
                self.tell(at, OutcomeStatus.FAILED, "not_sent", Sentence("load.not_sent", why=why))
        try:
            self.record(
                [at for at in sorted(self._sent) if self.told.get(at, {}).get("status") == OutcomeStatus.UNKNOWN]
            )
        except CouplingError as error:
            self.stopped = self.stopped or error
        together = [self._earlier.get(at) or self.told[at] for at in range(len(self.rows))]
        return AccessLoad(made(ACCESS_OUTCOMES, together), self.stopped)

    # ---- what need not be sent ----

    def decide(self) -> None:
        """Settle the rows that write nothing, and those that are as intended by now."""
        quiet = [at for at in range(len(self.rows)) if at not in self._earlier]
        for at in quiet:
            row = self.rows[at]
            if row["action"] == AccessAction.NONE:
                self.tell(at, OutcomeStatus.SKIPPED, row["code"])
            elif row["action"] == AccessAction.REJECT:
                self.tell(at, OutcomeStatus.REJECTED, row["code"])
            elif pd.isna(row["account_id"]):
                self.tell(at, OutcomeStatus.REJECTED, AccessCode.NO_ACCOUNT.value)
        open_ = self.open(quiet)
        self._make_cohorts(open_)
        open_ = self.open(open_)
        there = self._members(open_)
        for at in open_:
            self._as_intended(at, there=self._key(at) in there)
        self.record([at for at in quiet if at in self.told and self.rows[at]["action"] != AccessAction.NONE])

    def _as_intended(self, at: int, *, there: bool) -> None:
        action, doubtful = self.rows[at]["action"], at in self.in_doubt
        if action == AccessAction.GIVE and there:
            if doubtful:
                self.tell(at, OutcomeStatus.DONE)
            else:
                self.tell(at, OutcomeStatus.SKIPPED, AccessCode.ALREADY_THERE.value)
        elif action == _TAKE_BACK and not there:
            self.tell(at, OutcomeStatus.DONE, "" if doubtful else AccessCode.GONE_ALREADY.value)

    def _key(self, at: int) -> tuple[str, str, int]:
        row = self.rows[at]
        return row["kind"], row["target"], int(row["account_id"])

    def _members(self, positions: Sequence[int]) -> set[tuple[str, str, int]]:
        numbers = {
            (self.rows[at]["kind"], self.rows[at]["target"]): int(self.rows[at]["target_id"]) for at in positions
        }
        read = read_members(self.hook, numbers)
        for at in positions:
            if (self.rows[at]["kind"], self.rows[at]["target"]) in read.closed:
                self.tell(at, OutcomeStatus.REJECTED, AccessCode.TARGET_MISSING.value)
        return set(read.frame[["kind", "target", "account_id"]].itertuples(index=False, name=None))

    def _make_cohorts(self, positions: Sequence[int]) -> None:
        """Make the cohorts that the plan wants and that are not there; an earlier try may have made them."""
        waiting = [at for at in positions if pd.isna(self.rows[at]["target_id"])]
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
                        self.tell(at, OutcomeStatus.REJECTED, error.errorcode or "refused", error.said)
        for at in waiting:
            self.rows[at]["target_id"] = there.get(self.rows[at]["target"], pd.NA)

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
        for actions, kind, send, usual in turns:
            mine = [
                at
                for at in self.open(range(len(self.rows)))
                if at not in self._earlier and self.rows[at]["kind"] == kind and self.rows[at]["action"] in actions
            ]
            # By target: a refusal that is about one course then stands alone soonest.
            mine.sort(key=lambda at: (int(self.rows[at]["target_id"]), int(self.rows[at]["role_id"]), at))
            size = self._size(usual)
            for start in range(0, len(mine), size):
                self._batch(send, mine[start : start + size])

    def _size(self, usual: int) -> int:
        settings = self.hook.settings
        fits = (settings.max_input_vars - CONTROL_VARIABLES) // _VARIABLES
        return max(1, min(settings.batch_size * usual // CREATE_SIZE, fits))

    def _batch(self, send: Callable[[Sequence[int]], None], positions: Sequence[int]) -> None:
        try:
            self._try(send, positions)
        finally:
            self.record(positions)

    def _announce(self, positions: Sequence[int]) -> None:
        self.journal.sending(positions, uuid.uuid4().hex)
        self._sent.update(positions)

    def _try(self, send: Callable[[Sequence[int]], None], positions: Sequence[int]) -> None:
        """Send rows in one call; refused as a whole they are taken apart until the culprit stands alone."""
        if not positions:
            return
        self._announce(positions)
        try:
            send(positions)
        except AnswerLost:
            self._read_back(positions)
            raise
        except MoodleError as error:
            if not (isinstance(error, MoodleRefused | MoodleRequestTooLarge) or is_of_one_target(error)):
                self._sent.difference_update(positions)  # Moodle said no to us, and did nothing
                raise
            self._refused(send, positions, error)

    def _refused(self, send: Callable[[Sequence[int]], None], positions: Sequence[int], error: MoodleError) -> None:
        groups: dict[tuple[int, int], list[int]] = {}
        for at in positions:
            groups.setdefault((int(self.rows[at]["target_id"]), int(self.rows[at]["role_id"])), []).append(at)
        if len(groups) > 1:
            for group in groups.values():
                self._try(send, group)
        elif is_of_one_target(error) or len(positions) == 1:
            for at in positions:
                self._refuse(at, error)
        else:
            half = len(positions) // 2
            self._try(send, positions[:half])
            self._try(send, positions[half:])

    def _refuse(self, at: int, error: MoodleError) -> None:
        gone = error.errorcode in _GONE
        if gone and self.rows[at]["action"] == _TAKE_BACK:
            # The account, or the whole cohort, is not there any more: nor is what was given.
            self.tell(at, OutcomeStatus.DONE, AccessCode.GONE_ALREADY.value)
        else:
            self.tell(at, OutcomeStatus.REJECTED, "account_gone" if gone else error.errorcode or "refused", error.said)

    def _read_back(self, positions: Sequence[int]) -> None:
        """After a lost answer: what is as intended counts as done; of the rest nobody knows, for Moodle may be at it still."""
        try:
            there = self._members(positions)
        except CouplingError:
            return  # the line is down: the next try looks
        for at in self.open(positions):
            action, is_there = self.rows[at]["action"], self._key(at) in there
            if (action == AccessAction.GIVE and is_there) or (action == _TAKE_BACK and not is_there):
                self.tell(at, OutcomeStatus.DONE)

    def _memberships(self, positions: Sequence[int]) -> list[Membership]:
        return [Membership(int(self.rows[at]["target_id"]), int(self.rows[at]["account_id"])) for at in positions]

    def _done(self, positions: Sequence[int]) -> None:
        for at in positions:
            self.tell(at, OutcomeStatus.DONE)

    def _add(self, positions: Sequence[int]) -> None:
        results = self.hook.add_cohort_members(self._memberships(positions))
        for at, result in zip(positions, results, strict=True):
            if result.is_member:
                self.tell(at, OutcomeStatus.DONE)
            else:
                gone = result.outcome is MemberOutcome.NO_ACCOUNT
                said = Sentence("load.warned", message=result.message)
                self.tell(at, OutcomeStatus.REJECTED, "account_gone" if gone else AccessCode.TARGET_MISSING.value, said)

    def _take_out(self, positions: Sequence[int]) -> None:
        self.hook.delete_cohort_members(self._memberships(positions))
        self._done(positions)

    def _enrol(self, positions: Sequence[int]) -> None:
        rows = [self.rows[at] for at in positions]
        self.hook.enrol_users(
            [
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
        )
        self._done(positions)

    def _unenrol(self, positions: Sequence[int]) -> None:
        rows = [self.rows[at] for at in positions]
        self.hook.unenrol_users([Unenrolment(int(row["target_id"]), int(row["account_id"])) for row in rows])
        self._done(positions)
