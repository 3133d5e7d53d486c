"""Loading a plan into Moodle: several batches at once, one outcome per row, and nothing sent that was not planned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
)
from moodle_coupling.provisioning.batching import CREATE_SIZE, UPDATE_SIZE, batches
from moodle_coupling.provisioning.book import Book
from moodle_coupling.provisioning.creating import create_batch
from moodle_coupling.provisioning.job import Load, Pace
from moodle_coupling.provisioning.looking import lookup_batches
from moodle_coupling.provisioning.outcomes import OutcomeStatus, outcomes_frame
from moodle_coupling.provisioning.rows import sort_rows, split_shared
from moodle_coupling.provisioning.updating import update_batch
from moodle_coupling.provisioning.wire import Moodle, Stopped, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from moodle_coupling.provisioning.rows import NewItem

_STOP_CODES: Final = (
    (CouplingPaused, "paused"),
    (MoodleUnavailable, "unavailable"),
    (AnswerLost, "unavailable"),
    (MoodleDenied, "denied"),
    (MoodleRefused, "refused_for_all"),
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
    check_pause: Callable[[], None] | None = None,
    pace: Pace | None = None,
) -> LoadResult:
    """Write what the plan (PLAN_COLUMNS) intends into Moodle, and nothing else.

    Changes go first, then creates. ``hook.settings`` says how many accounts, form variables and requests at a time (two
    by default: on Moodle 5.1 with 2 cores 626 creates a second, against 306 by one connection and 456 by four).
    ``check_pause`` raises CouplingPaused; it is called before every request. Loading a plan twice creates nobody twice:
    whoever has an account with exactly this idnumber is done.

    Raises nothing of what errors.py knows: that is the result's ``stopped``.
    """
    work = sort_rows(plan)
    wire, book = Wire(hook, check_pause), Book()
    for outcome in work.settled:
        book.keep(outcome)
    load_ = Load(wire, book, pace or Pace())
    if work.changes or work.creates:
        _in_parallel(wire, _prove, [wire])
    _send(wire, lambda batch: update_batch(load_, batch), work.changes, UPDATE_SIZE)
    _send(wire, lambda batch: create_batch(load_, batch), _not_yet_there(load_, work.creates), CREATE_SIZE)
    code, message = _why_not_reached(wire.stopped)
    outcomes = outcomes_frame(plan, book.close(len(plan), code=code, message=message))
    return LoadResult(outcomes, dict(wire.calls), book.extra_calls, wire.stopped)


def _prove(wire: Wire) -> None:
    """Refuse to write where PHP would drop the end of a form without a word: half an account does harm."""
    variables = wire.hook.settings.max_input_vars
    if not wire.takes_variables(variables):
        raise SettingError(
            f"The site takes fewer form variables than the connection's max_input_vars of {variables}, and drops the rest "
            "without a word: nothing was written. Lower the setting under Admin > Connections, or raise it in the site's PHP."
        )


def _send(wire: Wire, send: Callable[[Any], None], items: list[Any], size: int) -> None:
    """Send items in batches, several at once; those that share an address or username one batch after another."""

    def send_all(row: list[list[Any]]) -> None:
        for batch in row:
            send(batch)

    free, shared = split_shared(items)
    rows = [[batch] for batch in _sized(wire.hook, free, size)]
    _in_parallel(wire, send_all, [_sized(wire.hook, shared, size), *rows] if shared else rows)


def _sized(hook: Moodle, items: Sequence[Any], size: int) -> list[list[Any]]:
    # The connection's batch size is meant for creates, of which 50 is usual; changes go in proportion.
    count = max(1, hook.settings.batch_size * size // CREATE_SIZE)
    return list(batches(items, max_count=count, max_variables=hook.settings.max_input_vars))


def _in_parallel(wire: Wire, send: Callable[[Any], None], parts: Iterable[Any]) -> None:
    """Send the parts, some at a time; what the site or the pause says to one of them stops all."""

    def run(part: Any) -> None:
        try:
            send(part)
        except Stopped:
            pass
        except CouplingError as error:
            wire.stop(error)

    pool = ThreadPoolExecutor(max_workers=wire.hook.settings.parallel_requests, thread_name_prefix="moodle")
    try:
        for future in [pool.submit(run, part) for part in parts]:
            future.result()
    except BaseException:
        wire.stop(CouplingError("The load was interrupted."))
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _not_yet_there(load_: Load, items: list[NewItem]) -> list[NewItem]:
    """Write down who has an account with exactly this idnumber by now (an earlier try, another run); give the others.

    Moodle itself would take a second account with the same idnumber. About one call per 500 persons.
    """
    there: dict[str, Any] = {}
    unreadable: set[str] = set()

    def look(values: list[str]) -> None:
        found = load_.wire.find("idnumber", values)
        there.update({account.idnumber: account for account in found.accounts})
        unreadable.update(found.unreadable)

    _in_parallel(load_.wire, look, list(lookup_batches(load_.wire, "idnumber", (item.idnumber for item in items))))
    rest = []
    for item in items:
        account = there.get(item.idnumber)
        if account is not None:
            message = f"Account {account.id} ({account.username}) has this idnumber already; nothing was sent."
            load_.book.write(item.index, OutcomeStatus.DONE, "already_there", message, account.id)
        elif item.idnumber in unreadable:
            message = "An account has this idnumber already, and Moodle cannot show it (most likely an odd username)."
            load_.book.write(item.index, OutcomeStatus.REJECTED, "account_unreadable", message)
        else:
            rest.append(item)
    return rest


def _why_not_reached(stopped: CouplingError | None) -> tuple[str, str]:
    if stopped is None:
        return "not_sent", "Not sent, and the loader cannot say why: please report this."
    code = next((code for kind, code in _STOP_CODES if isinstance(stopped, kind)), "stopped")
    return code, f"Not sent: {stopped}"
