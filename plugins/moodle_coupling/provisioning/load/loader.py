"""Loading a plan into Moodle: several batches at once, one outcome per row, and nothing sent that was not planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
from moodle_coupling.provisioning.load.batches import CREATE_SIZE, UPDATE_SIZE, batches
from moodle_coupling.provisioning.load.book import Book
from moodle_coupling.provisioning.load.creation import create_batch
from moodle_coupling.provisioning.load.job import Load, Pace
from moodle_coupling.provisioning.load.journal import Record
from moodle_coupling.provisioning.load.outcomes import outcomes_frame
from moodle_coupling.provisioning.load.parallel import in_parallel
from moodle_coupling.provisioning.load.precheck import not_yet_there, settle_doubtful, still_open
from moodle_coupling.provisioning.load.proof import FIRST
from moodle_coupling.provisioning.load.rows import ChangeItem, sort_rows, split_shared
from moodle_coupling.provisioning.load.shared_values import SharedValues
from moodle_coupling.provisioning.load.stop_rule import StopRule, Tally
from moodle_coupling.provisioning.load.updates import update_batch
from moodle_coupling.provisioning.wire import Moodle, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import pandas as pd

    from moodle_coupling.provisioning.load.journal import Journal
    from moodle_coupling.provisioning.load.rows import Work

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

    ``outcomes``: one row per row of the plan (OUTCOME_COLUMNS). ``calls``: counts by kind (create, update, read).
    ``extra_calls``: those that would not have been needed had every batch gone well. ``stopped``: why it ended before
    its end, None if it did not; the rows not reached are ``failed``, and loading them again is safe.
    """

    outcomes: pd.DataFrame
    calls: dict[str, int]
    extra_calls: int
    stopped: CouplingError | None = None


def load(
    plan: pd.DataFrame,
    hook: Moodle,
    *,
    journal: Journal | None = None,
    stop: StopRule | None = None,
    in_doubt: Collection[int] = (),
    pace: Pace | None = None,
) -> LoadResult:
    """Write what the plan (PLAN_COLUMNS) intends into Moodle, and nothing else.

    Changes go first, then creates. ``hook.settings`` says how many accounts, form variables and requests at a time (two
    by default: on Moodle 5.1 with 2 cores 626 creates a second, against 306 by one connection and 456 by four). The
    hook's guard, asked before every request, is what a pause stops it by. Loading a plan twice creates nobody twice:
    whoever has an account with exactly this idnumber is done.

    ``journal`` is told of every call before it goes out and of every outcome; a row that was not sent and is not
    decided stays untold, also when the load stops. ``stop`` says when too many failures end the load (TooManyFailures).
    ``in_doubt`` are positions of rows that an earlier try sent without learning what became of them: they are looked up,
    after a wait, before anything is sent.

    Raises nothing of what errors.py knows: that is the result's ``stopped``.
    """
    work = sort_rows(plan)
    wire, book = Wire(hook), Book()
    values = SharedValues(stop or StopRule())
    load_ = Load(wire, book, pace or Pace(), Record(journal), Tally(stop), frozenset(in_doubt), values=values)
    for outcome in work.settled:
        book.keep(outcome)
    _guarded(wire, lambda: load_.record.settled(book.known(outcome.index for outcome in work.settled)))
    if work.changes or work.creates:
        _guarded(wire, lambda: _prove(wire))
        _write(load_, work)
    return LoadResult(_close(load_, plan), dict(wire.calls), book.extra_calls, wire.stopped)


def _write(load_: Load, work: Work) -> None:
    """Look what is there already, and send the rest."""
    _guarded(load_.wire, lambda: settle_doubtful(load_, work))
    changes, creates = still_open(load_, work.changes), still_open(load_, work.creates)
    _send(load_, update_batch, changes, UPDATE_SIZE)
    _send(load_, create_batch, not_yet_there(load_, creates), CREATE_SIZE)


def _guarded(wire: Wire, step: Callable[[], None]) -> None:
    """Take one step by itself; what goes wrong in it stops the load."""
    in_parallel(wire, lambda _: step(), [None])


def _close(load_: Load, plan: pd.DataFrame) -> pd.DataFrame:
    """Give every row its outcome, and put on record what is not there yet."""
    book, stopped = load_.book, load_.wire.stopped
    decided = {outcome.index for outcome in book.known(range(len(plan)))}
    code, message = _why_not_reached(stopped)
    outcomes = book.close(
        len(plan),
        code=code,
        message=message,
        stopped_itself=isinstance(stopped, TooManyFailures),
        in_doubt=load_.in_doubt,
    )
    # Announced and without an outcome: the call did not go out, or Moodle did nothing. Whoever was neither announced nor
    # decided just waits for the next try.
    told = [outcome for outcome in outcomes if outcome.index in decided or load_.record.was_sent(outcome.index)]
    _guarded(load_.wire, lambda: load_.record.settled(told))
    return outcomes_frame(plan, outcomes)


def _prove(wire: Wire) -> None:
    """Refuse to write where PHP would drop the end of a form without a word: half an account does harm."""
    variables = wire.hook.settings.max_input_vars
    if not wire.takes_variables(variables):
        raise SettingError(
            f"The site takes fewer form variables than the connection's max_input_vars of {variables}, and drops the rest "
            "without a word: nothing was written. Lower the setting under Admin > Connections, or raise it in the site's PHP."
        )


def _send(load_: Load, send: Callable[[Load, Any], None], items: list[Any], size: int) -> None:
    """Send items in batches, several at once; those that share an address or username one batch after another."""

    def send_all(row: list[list[Any]]) -> None:
        for batch in row:
            try:
                sent = load_.proof.without_spoilt(batch, load_.book)
                if sent:
                    send(load_, sent)
                load_.proof.look(sent, load_.wire, load_.book)
            finally:
                load_.batch_over(batch)

    wire = load_.wire
    load_.values.expect(items)
    pilot, items = _pilot(items)
    in_parallel(wire, send_all, [[pilot]] if pilot else [])
    free, shared = split_shared(items)
    rows = [[batch] for batch in _sized(wire.hook, free, size)]
    in_parallel(wire, send_all, [_sized(wire.hook, shared, size), *rows] if shared else rows)


def _pilot(items: list[Any]) -> tuple[list[Any], list[Any]]:
    """Split off a few changes of profile fields, to be proved before the others go: Moodle may wipe what it does not take."""
    risky = [item for item in items if isinstance(item, ChangeItem) and item.had]
    if len(risky) <= FIRST:
        return [], items
    pilot = {item.index for item in risky[:FIRST]}
    return risky[:FIRST], [item for item in items if item.index not in pilot]


def _sized(hook: Moodle, items: Sequence[Any], size: int) -> list[list[Any]]:
    # The connection's batch size is meant for creates, of which 50 is usual; changes go in proportion.
    count = max(1, hook.settings.batch_size * size // CREATE_SIZE)
    return list(batches(items, max_count=count, max_variables=hook.settings.max_input_vars))


def _why_not_reached(stopped: CouplingError | None) -> tuple[str, str]:
    if stopped is None:
        return "not_sent", "Not sent, and the loader cannot say why: please report this."
    code = next((code for kind, code in _STOP_CODES if isinstance(stopped, kind)), "stopped")
    return code, f"Not sent: {stopped}"
