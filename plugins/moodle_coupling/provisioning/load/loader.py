"""Loading a plan into Moodle: several batches at once, one outcome per row, and nothing sent that was not planned."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from moodle_coupling.errors import (
    AnswerLost,
    CouplingError,
    CouplingPaused,
    MoodleDenied,
    MoodleRefused,
    MoodleUnavailable,
    SettingError,
    TooManyFailures,
    ValueNotTaken,
)
from moodle_coupling.provisioning.load.book import Book, StopRule
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.provisioning.load.job import FIRST, Load, Pace, SharedValues
from moodle_coupling.provisioning.load.rows import ChangeItem, OutcomeStatus, outcomes_frame, sort_rows, split_shared
from moodle_coupling.provisioning.load.writes import CreateJob, UpdateJob, create_batch, update_batch
from moodle_coupling.provisioning.lookups import CREATE_SIZE, UPDATE_SIZE, batches, lookup_batches
from moodle_coupling.provisioning.wire import InFlight, Moodle, Places, Spent, Stopped, Wire
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    import pandas as pd

    from moodle_coupling.provisioning.load.book import Journal
    from moodle_coupling.provisioning.load.rows import NewItem, Outcome, Work


_STOP_CODES: Final = (
    (CouplingPaused, "paused"),
    (MoodleUnavailable, "unavailable"),
    (AnswerLost, "unavailable"),
    (MoodleDenied, "denied"),
    (ValueNotTaken, "value_not_taken"),
    (TooManyFailures, "too_many_failures"),
    (MoodleRefused, "refused"),
    (SettingError, "setting_wrong"),
)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """How a load ended.

    ``created``: what the calls cost that created accounts. ``in_flight``: how many requests were so at a time.

    ``outcomes``: one row per row of the plan (OUTCOME_COLUMNS). ``calls``: counts by kind (create, update, read).
    ``extra_calls``: those that would not have been needed had every batch gone well. ``stopped``: why it ended before
    its end, None if it did not; the rows not reached are ``failed``, and loading them again is safe.
    """

    outcomes: pd.DataFrame
    calls: dict[str, int]
    extra_calls: int
    stopped: CouplingError | None = None
    created: Spent = field(default_factory=Spent)
    in_flight: InFlight = field(default_factory=lambda: Places(1).said)


def load(
    plan: pd.DataFrame,
    hook: Moodle,
    *,
    work: Work | None = None,
    journal: Journal | None = None,
    stop: StopRule | None = None,
    in_doubt: Collection[int] = (),
    pace: Pace | None = None,
) -> LoadResult:
    """Write what the plan (PLAN_COLUMNS) intends into Moodle, and nothing else.

    Changes go first, then creates. ``hook.settings`` says how many accounts and form variables a call may have, and how
    many requests may be in flight; how many are depends on how the site bears it (provisioning.in_flight). The hook's guard, asked before every request, is what a pause stops it by. Loading a plan twice creates nobody twice:
    whoever has an account with exactly this idnumber is done.

    ``work`` is ``sort_rows(plan)`` where the caller has it already.
    ``journal`` is told of every call before it goes out and of every outcome; a row that was not sent and is not
    decided stays untold, also when the load stops. ``stop`` says when too many failures end the load (TooManyFailures).
    ``in_doubt`` are positions of rows that an earlier try sent without learning what became of them: they are looked up,
    after a wait, before anything is sent.

    Raises nothing of what errors.py knows: that is the result's ``stopped``.
    """
    work = work or sort_rows(plan)
    wire, book = Wire(hook), Book(journal, stop)
    values = SharedValues(stop or StopRule())
    load_ = Load(wire, book, pace or Pace(), frozenset(in_doubt), values=values)
    for outcome in work.settled:
        book.keep(outcome)
    guarded(wire, lambda: book.tell(book.known(outcome.index for outcome in work.settled)))
    if work.changes or work.creates:
        guarded(wire, lambda: _prove(wire))
        _write(load_, work)
    outcomes = outcomes_frame(plan, closed(book, wire, range(len(plan)), load_.in_doubt))
    return LoadResult(outcomes, dict(wire.calls), book.extra_calls, wire.stopped, wire.created, wire.places.said)


def _write(load_: Load, work: Work) -> None:
    """Look what is there already, and send the rest."""
    guarded(load_.wire, lambda: settle_doubtful(load_, work))
    changes, creates = still_open(load_, work.changes), still_open(load_, work.creates)
    _send(load_, update_batch, changes, UPDATE_SIZE)
    _send(load_, create_batch, not_yet_there(load_, creates), CREATE_SIZE)


def guarded(wire: Wire, step: Callable[[], None]) -> None:
    """Take one step; what the site, the journal or the pause says to it stops the load."""
    try:
        step()
    except Stopped:
        pass
    except CouplingError as error:
        wire.stop(error)


def closed(book: Book, wire: Wire, positions: Collection[int], in_doubt: Collection[int]) -> list[Outcome]:
    """Give each of these rows its outcome, and put on record what is not there yet."""
    decided = {outcome.index for outcome in book.known(positions)}
    code, said = _why_not_reached(wire.stopped)
    outcomes = book.close(
        positions, code=code, said=said, stopped_itself=isinstance(wire.stopped, TooManyFailures), in_doubt=in_doubt
    )
    # Announced and without an outcome: the call did not go out, or Moodle did nothing. Whoever was neither announced nor
    # decided just waits for the next try.
    told = [outcome for outcome in outcomes if outcome.index in decided or book.was_announced(outcome.index)]
    guarded(wire, lambda: book.tell(told))
    guarded(wire, lambda: book.withdraw(in_doubt))
    return outcomes


def _prove(wire: Wire) -> None:
    """Refuse to write where PHP would drop the end of a form without a word: half an account does harm."""
    variables = wire.hook.settings.max_input_vars
    if not wire.takes_variables(variables):
        raise SettingError(Sentence("load.takes_fewer", limit=variables))


def _send(load_: Load, send: Callable[[Load, Any], None], items: list[Any], size: int) -> None:
    """Send items in batches, several at once; those that share an address or username one batch after another."""
    wire = load_.wire

    def send_one(batch: list[Any]) -> None:
        sent = load_.proof.without_spoilt(batch, load_.book)
        if sent:
            send(load_, sent)
        load_.proof.look(sent, wire, load_.book)

    load_.values.expect(items)
    pilot, items = _pilot(items)
    with Records(load_) as records:
        records.send(send_one, [[pilot]] if pilot else [])
        free, shared = split_shared(items)
        rows = ([batch] for batch in _sized(wire.hook, free, size))
        records.send(send_one, chain([list(_sized(wire.hook, shared, size))] if shared else [], rows))


class Recorded(Protocol):
    """A load whose batches are put on record."""

    @property
    def wire(self) -> Wire:
        """What it sends by, and stops."""

    def announce_ahead(self, items: Any) -> None:
        """Put on record that this batch is sent next."""

    def judge(self, items: Any) -> None:
        """Stop the load where, with this batch, too many went wrong."""

    def tell(self, items: Any) -> None:
        """Put on record what became of a batch."""


Result = TypeVar("Result")
_NEXT: Final = 0.05
"""Seconds that a batch's records wait for the next request to go out."""


class Records:
    """Sends batches, and keeps the records of others while they are on their way: what became of the one before, and that the next one goes out.

    Between an answer and the next request there is then nothing to wait for. Each thread that sends is at most one batch ahead
    of what became of its batches, and one batch in all is announced ahead.
    """

    def __init__(self, load_: Recorded) -> None:
        self._load = load_
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._latest = threading.local()
        self._fault: BaseException | None = None
        self._lock = threading.Lock()
        self._to_go = 0
        """Batches that are taken and not yet sent, and one more for those that are still to be taken."""
        self._held_up = 0
        """Threads that wait for what is done here, and send nothing meanwhile."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        """Wait until all are on record; raises what no load expects."""
        self._load.wire.went_out.set()  # nothing more goes out that would be waited for
        self._thread.shutdown(wait=True)
        if self._fault is not None and kind is None:
            raise self._fault

    def send(self, send: Callable[[list[Any]], None], rows: Iterable[list[list[Any]]]) -> None:
        """Send rows of batches, several at once and those of a row one after another."""

        def send_all(row: list[list[Any]]) -> None:
            for batch in row:
                self._send(batch, send)

        in_parallel(self._load.wire, send_all, self._ahead(iter(rows)))

    def _ahead(self, rows: Iterator[list[list[Any]]]) -> Iterator[list[list[Any]]]:
        self._count(1)
        coming = self._thread.submit(self._announced, rows)
        while (row := self._come(coming)) is not None:
            self._count(len(row))
            self._load.wire.went_out.clear()
            coming = self._thread.submit(self._announced, rows)
            yield row
        self._count(-1)
        self._load.wire.went_out.set()

    def _count(self, batches: int) -> None:
        with self._lock:
            self._to_go += batches

    def _come(self, future: Future[Result]) -> Result:
        """Wait for what is done here; whoever does it need not wait for a request that waits for it."""
        if not future.done():
            with self._lock:
                self._held_up += 1
            self._load.wire.went_out.set()
            wait((future,))
            with self._lock:
                self._held_up -= 1
        return future.result()

    def _announced(self, rows: Iterator[list[list[Any]]]) -> list[list[Any]] | None:
        """Make the next row ready, and announce the first batch of it."""
        self._let_go_out()
        row = next(rows, None)
        if row is not None and self._load.wire.stopped is None:
            self._load.announce_ahead(row[0])
        return row

    def _send(self, batch: list[Any], send: Callable[[list[Any]], None]) -> None:
        """Send a batch when there is a place for it, and put on record what became of it; raises what ``send`` raises."""
        wire = self._load.wire
        try:
            # All that is said of a batch is said in its place; whoever waits for it sees at once that the load stopped.
            with wire.places.place():
                self._count(-1)
                try:
                    send(batch)
                except CouplingError as error:
                    wire.stop(error)
                    raise
                finally:
                    self._load.judge(batch)
        finally:
            self._put(batch)

    def _put(self, batch: list[Any]) -> None:
        """Put a batch on record soon, and this thread's batch before it by now; what goes wrong with that stops the load."""
        before: Future[None] | None = getattr(self._latest, "future", None)
        self._load.wire.went_out.clear()
        self._latest.future = self._thread.submit(self._tell, batch)
        if before is not None:
            self._come(before)

    def _let_go_out(self) -> None:
        """Let the next request go out first, where there is one that does not wait for what is done here."""
        if self._to_go and not self._held_up:
            self._load.wire.went_out.wait(_NEXT)

    def _tell(self, batch: list[Any]) -> None:
        self._let_go_out()
        try:
            self._load.tell(batch)
        except CouplingError as error:
            self._load.wire.stop(error)
        except BaseException as error:  # noqa: BLE001 - kept, and raised by the thread that loads
            self._fault = error
            self._load.wire.stop(CouplingError(Sentence("load.interrupted")))


def _pilot(items: list[Any]) -> tuple[list[Any], list[Any]]:
    """Split off a few changes of profile fields, to be proved before the others go: Moodle may wipe what it does not take."""
    risky = [item for item in items if isinstance(item, ChangeItem) and item.had]
    if len(risky) <= FIRST:
        return [], items
    pilot = {item.index for item in risky[:FIRST]}
    return risky[:FIRST], [item for item in items if item.index not in pilot]


def _sized(hook: Moodle, items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    # One after another, while the first are under way. The connection's batch size is meant for creates, of which 50 is usual; changes go in proportion.
    count = max(1, hook.settings.batch_size * size // CREATE_SIZE)
    return batches(items, max_count=count, max_variables=hook.settings.max_input_vars)


def _why_not_reached(stopped: CouplingError | None) -> tuple[str, Sentence]:
    """Give the code and the words of a row that a load did not reach."""
    if stopped is None:
        return "not_sent", Sentence("load.not_sent_unknown")
    code = next((code for kind, code in _STOP_CODES if isinstance(stopped, kind)), "stopped")
    return code, Sentence("load.not_sent", why=stopped.said)


Item = TypeVar("Item", bound=Sendable)


def settle_doubtful(load: Load, work: Work) -> None:
    """Write down which rows that an earlier try sent are in Moodle as planned.

    That try's request may still be going on there (Moodle does not stop when a client goes away), so there is a wait
    before each look, as after a lost answer.
    """
    creates = [item for item in work.creates if item.index in load.in_doubt]
    changes = [item for item in work.changes if item.index in load.in_doubt]
    creating, updating = CreateJob(load), UpdateJob(load)
    for seconds in load.pace.looks:
        if not creates and not changes:
            return
        load.pace.sleep(seconds)
        creates = creating.missing(creates)
        changes = updating.missing(changes)


def still_open(load: Load, items: Iterable[Item]) -> list[Item]:
    """Give the items that have no outcome yet."""
    return [item for item in items if load.book.status(item.index) is None]


def not_yet_there(load: Load, items: list[NewItem]) -> list[NewItem]:
    """Write down who has an account with exactly this idnumber by now (an earlier try, another run); give the others.

    Moodle itself would take a second account with the same idnumber. About one call per 500 persons.
    """
    there: dict[str, Any] = {}
    unreadable: set[str] = set()

    def look(values: list[str]) -> None:
        found = load.wire.find("idnumber", values)
        there.update({account.idnumber: account for account in found.accounts})
        unreadable.update(found.unreadable)

    in_parallel(load.wire, look, list(lookup_batches(load.wire, "idnumber", (item.idnumber for item in items))))
    rest = []
    for item in items:
        account = there.get(item.idnumber)
        if account is not None:
            said = Sentence("load.already_there", account=account.id, username=account.username)
            code = "" if item.index in load.in_doubt else "already_there"
            load.book.write(item.index, OutcomeStatus.DONE, code, said, account.id)
        elif item.idnumber in unreadable:
            said = Sentence("load.account_unreadable")
            load.book.write(item.index, OutcomeStatus.REJECTED, "account_unreadable", said)
        else:
            rest.append(item)
    return rest


def in_parallel(wire: Wire, send: Callable[[Any], None], parts: Iterable[Any]) -> None:
    """Send the parts, some at a time, each taken when there is a thread for it; what is said to one of them stops all."""
    waiting, lock, taken = iter(parts), threading.Lock(), threading.Event()

    def step() -> None:
        with lock:
            part = next(waiting, None)
        if part is None:
            taken.set()
        else:
            send(part)

    def run() -> None:
        while not taken.is_set():
            guarded(wire, step)

    threads = wire.hook.settings.parallel_requests
    pool = ThreadPoolExecutor(threads, thread_name_prefix="moodle")
    try:
        for future in [pool.submit(run) for _ in range(threads)]:
            future.result()
    except BaseException:
        wire.stop(CouplingError(Sentence("load.interrupted")))
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
