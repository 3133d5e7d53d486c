"""What a run waits for when a site does not answer: noted for the pages, and told once."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import (
    AnswerLost,
    CoachviewIncomplete,
    CoachviewUnavailable,
    CouplingError,
    MoodleUnavailable,
    SourceUnavailable,
)
from moodle_coupling.ledger.shared_documents import MOODLE, SOURCE, SPENT, Outage, end_outage, note_outage, outages
from moodle_coupling.orchestration import names, notices
from moodle_coupling.orchestration.retries import SOON
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    import datetime as dt

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping.safeguards import Notify
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)

_TIME: Final = "%Y-%m-%d %H:%M"


def wait(run: Run, error: CouplingError, until: dt.datetime | None, ti: Any, now: dt.datetime) -> None:
    """Note that a task waits for a site until ``until``, or for its next try (None), and tell who is to be told.

    Nothing where the error is not about a site that is away, or no try is left.
    """
    what = _what(error, waits=until is not None)
    number, last = int(ti.try_number or 1), int(ti.max_tries or 0) + 1
    if not what or (until is None and number >= last):
        return
    outage = Outage(run=run.record.id, what=what, since=now, again=until or now + SOON)
    if until is None:
        outage = outage.model_copy(update={"attempt": number + 1, "attempts": last})
    try:
        outage = note_outage(run.ledger, run.mapping.environment, outage)
    except CouplingError as away:  # the ledger: the run has other things to say of that
        log.warning("%s", away)
    link = names.run(run.record.dag_id, run.record.run_id)
    notices.tell(_notice(run.mapping.environment, outage, link), run.mapping.notify, run.ledger)


def over(run: Run) -> None:
    """Note that the run waits for nothing any more."""
    end_outage(run.ledger, run.mapping.environment, run.record.id)


def tell_away(ledger: Ledger, environment: str, outage: Outage, who: Notify) -> None:
    """Tell of a site that a run waits for now."""
    from moodle_coupling.ledger.runs import get_run

    record = get_run(ledger, outage.run)
    notices.tell(_notice(environment, outage, names.run(record.dag_id, record.run_id)), who, ledger)


def outages_of(ledger: Ledger) -> dict[str, Outage]:
    """Give what runs that are under way wait for, by environment; what a killed run left behind is passed over."""
    from moodle_coupling.ledger.errors import NotInLedger
    from moodle_coupling.ledger.runs import get_run
    from moodle_coupling.ledger.words import RunState

    found = {}
    for environment, outage in outages(ledger).items():
        with contextlib.suppress(NotInLedger):
            if get_run(ledger, outage.run).state is RunState.RUNNING:
                found[environment] = outage
    return found


def _what(error: CouplingError, *, waits: bool) -> str:
    if isinstance(error, MoodleUnavailable | AnswerLost):
        return MOODLE
    if isinstance(error, SourceUnavailable | CoachviewUnavailable | CoachviewIncomplete):
        return SOURCE
    return SPENT if waits else ""


def said(environment: str, outage: Outage) -> Sentence:
    """Say since when what does not answer, and when it is tried again."""
    again = f"{outage.again:%H:%M:%S}"
    if outage.attempt:
        then = Sentence("outage.try", n=outage.attempt, of=outage.attempts, again=again)
    elif outage.what == SPENT:
        then = Sentence("outage.read", again=f"{outage.again:{_TIME}}")
    else:
        then = Sentence("outage.again", again=again)
    return in_turn([Sentence(f"outage.{outage.what}", environment=environment, since=f"{outage.since:{_TIME}}"), then])


def _notice(environment: str, outage: Outage, link: str) -> notices.Notice:
    subject = Sentence(f"notice.away.{outage.what}", environment=environment)
    return notices.Notice(
        notices.Event.AWAY,
        environment,
        f"away {outage.what} {outage.since:%Y-%m-%d %H:%M:%S}",
        subject,
        in_turn([said(environment, outage), Sentence("notice.away.once")]),
        link,
    )
