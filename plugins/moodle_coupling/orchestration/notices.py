"""Telling people what waits for them, how much and where to look: each thing once, and never a name, address or value of a person.

Through which channels stands in ``orchestration.channels``. What was sent is noted in the ledger's activity, for each channel
by itself, and only after it was sent: what one channel did not take is sent again by the next who looks (``orchestration.watch``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import importlib
import json
import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseNotifier

from moodle_coupling import settings
from moodle_coupling.errors import CouplingError, SettingError
from moodle_coupling.ledger.words import RunState
from moodle_coupling.orchestration import names
from moodle_coupling.words.meanings import meaning_of
from moodle_coupling.words.sentence import Sentence, as_sentence, in_lines, read, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from moodle_coupling.ledger.approvals import Approval
    from moodle_coupling.ledger.leases import Quarantine
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.mapping.safeguards import Notify


# ---- Through what people are told: any notifier of Airflow that the configuration names, and mail to whom a mapping
# file names.

SMTP: Final = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
_KEYS: Final = frozenset({"notifier", "with", "events", "environments"})


@dataclass(frozen=True, slots=True)
class Channel:
    """One notifier: the path of its class, the arguments it is made with, and what it is told of; empty sets mean all."""

    notifier: str
    arguments: Mapping[str, Any]
    events: frozenset[str] = field(default_factory=frozenset)
    environments: frozenset[str] = field(default_factory=frozenset)

    @property
    def name(self) -> str:
        """Give its name: the class, and a digest that tells two of one class apart."""
        made = json.dumps([self.notifier, self.arguments], sort_keys=True, default=str)
        return f"{self.notifier.rpartition('.')[2]} {hashlib.sha256(made.encode()).hexdigest()[:8]}"

    def takes(self, event: str, environment: str) -> bool:
        """Tell whether it is told of such an event in such an environment."""
        return event in (self.events or {event}) and environment in (self.environments or {environment})

    def made(self) -> BaseNotifier:
        """Make the notifier. Raises SettingError when there is no such class, it is no notifier, or it does not take the arguments."""
        module, _, name = self.notifier.rpartition(".")
        try:
            notifier = getattr(importlib.import_module(module), name)(**self.arguments)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            said = Sentence("notifiers.no_notifier", notifier=self.notifier, error=type(error).__name__)
            raise SettingError(said) from error
        if not isinstance(notifier, BaseNotifier):
            raise SettingError(Sentence("notifiers.no_notifier", notifier=self.notifier, error=type(notifier).__name__))
        return notifier

    def send(self, values: Mapping[str, str]) -> None:
        """Send what ``{{ moodle.<name> }}`` stands for in the arguments. Raises whatever the notifier raises."""
        # Not by calling it: Airflow's __call__ logs an error and goes on, and then nobody knows that nothing was sent.
        notifier, context = self.made(), {"moodle": dict(values)}
        notifier.render_template_fields(context)  # type: ignore[arg-type]
        notifier.notify(context)  # type: ignore[arg-type]


def mail(who: Notify) -> list[Channel]:
    """Give the mail to whom a mapping file names; none where it names nobody."""
    if not who.to:
        return []
    said = {"subject": "{{ moodle.subject }}", "html_content": "{{ moodle.html }}"}
    return [Channel(SMTP, {"to": list(who.to), "smtp_conn_id": who.connection, **said})]


def configured(known: Iterable[str]) -> list[Channel]:
    """Give the notifiers of ``[moodle_coupling] notifiers``; ``known`` are the events there are.

    Raises SettingError when the option is not a JSON list of such objects.
    """
    said = settings.notifiers()
    if not said:
        return []
    try:
        return [_channel(one, frozenset(known)) for one in json.loads(said)]
    except (ValueError, TypeError) as error:
        raise SettingError(Sentence("notifiers.unreadable", why=str(error))) from error


def _channel(said: Any, known: frozenset[str]) -> Channel:
    if not isinstance(said, dict) or not isinstance(said.get("notifier"), str) or not said.keys() <= _KEYS:
        msg = f"an entry has 'notifier' and may have {sorted(_KEYS - {'notifier'})}"
        raise ValueError(msg)
    events, environments = frozenset(said.get("events") or ()), frozenset(said.get("environments") or ())
    if not events <= known:
        msg = f"no such event: {sorted(events - known)}; there are {sorted(known)}"
        raise ValueError(msg)
    return Channel(said["notifier"], dict(said.get("with") or {}), events, environments)


# ---- Telling people what waits for them ----

log = logging.getLogger(__name__)

_BY: Final = "moodle-coupling"
_NAMES_TASKS_ONLY: Final = frozenset({"run.tasks_failed", "run.no_plan"})
"""Reasons of a failed run that may leave the house: others may quote what Moodle or the source said of a person."""
_TIME: Final = "%Y-%m-%d %H:%M"
_TRIED_AGAIN: Final = dt.timedelta(minutes=15)
"""So long after it failed a run's last task may still begin its next try."""
_LATELY: Final = dt.timedelta(days=1)
"""A failure that is older is no news: that no run ends well is told by then."""


class Event(StrEnum):
    """What people are told of."""

    FAILED = "failed"
    WRONG_FILE = "wrong_file"
    AWAY = "away"
    NO_GOOD_RUN = "no_good_run"
    APPROVAL = "approval"
    QUARANTINE = "quarantine"
    DIGEST = "digest"


TOLD: Final = "told "
"""How an action of the ledger's activity begins that says what people were told of: 'told failed'."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. ``key`` is the same each time the same thing is found; '' for what is told each time."""

    event: Event
    environment: str
    key: str
    subject: Sentence
    body: Sentence
    link: str

    def said(self) -> dict[str, str]:
        """Give what a notifier's templates can show, in the configured language: subject, text, html, link, event, environment."""
        say = settings.texts().say
        subject = " ".join(say(self.subject).split())  # a line break would begin another header of a mail
        lines = say(self.body).splitlines()
        link = html.escape(self.link)
        body = "<br>\n".join(map(html.escape, lines))
        return {
            "event": self.event.value,
            "environment": self.environment,
            "subject": subject,
            "text": "\n".join([*lines, self.link]),
            "html": f'<p>{body}</p>\n<p><a href="{link}">{link}</a></p>',
            "link": self.link,
        }


def channels_of(who: Notify, event: Event, environment: str) -> list[Channel]:
    """Give through what such an event is told; an option that cannot be read is a warning, and mail still goes."""
    try:
        others = configured(Event)
    except CouplingError as error:
        log.warning("%s", error)
        others = []
    return [one for one in (*mail(who), *others) if one.takes(event, environment)]


def tell(notice: Notice, who: Notify, ledger: Ledger | None) -> int:
    """Send a notice through every channel that it did not go through before; gives through how many it went now.

    Never raises for a channel that fails, nor for a ledger that is away: then it is sent, and perhaps once more.
    """
    sent = 0
    for channel in channels_of(who, notice.event, notice.environment):
        key = _digest(notice.key, channel.name) if notice.key else ""
        if key and _was_told(ledger, notice, key):
            continue
        try:
            channel.send(notice.said())
        except Exception as error:  # noqa: BLE001 - whatever is the matter with the channel, the run goes on
            # Not the error's text: a mail server repeats in it what it likes.
            log.warning("Notice '%s' was not sent by %s: %s", notice.event, channel.name, type(error).__name__)
            continue
        log.info("Notice '%s' of '%s' was sent by %s.", notice.event, notice.environment, channel.name)
        sent += 1
        if key:
            _note(ledger, notice, key, channel.name)
    return sent


def _was_told(ledger: Ledger | None, notice: Notice, key: str) -> bool:
    from moodle_coupling.ledger.activity import was_done

    try:
        return ledger is not None and was_done(ledger, notice.environment, TOLD + notice.event, key)
    except CouplingError:
        return False


def _note(ledger: Ledger | None, notice: Notice, key: str, channel: str) -> None:
    from moodle_coupling.ledger.activity import note

    if ledger is None:
        return
    try:
        note(
            ledger,
            by=_BY,
            environment=notice.environment,
            action=TOLD + notice.event,
            subject=key,
            detail=channel.partition(" ")[0],
        )
    except CouplingError as error:
        log.warning("%s", error)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


# ---- what there is to tell -------------------------------------------------------------------------------------------


def run_failed(environment: str, dag_id: str, run_id: str, why: str, since: str) -> Notice:
    """Give that a run failed for good; ``why`` as the ledger keeps it, ``since`` the last good run and the day.

    The same cause again is the same thing, until a run ends well or another day comes.
    """
    reason = read(why)
    said = [Sentence("notice.failed", run=run_id, environment=environment)]
    if reason is not None and reason.code in _NAMES_TASKS_ONLY:
        said.append(reason)
    return Notice(
        Event.FAILED,
        environment,
        _digest(why, since),
        Sentence("notice.failed.subject", environment=environment),
        in_lines(said),
        names.run(dag_id, run_id),
    )


def wrong_file(environment: str, error: str) -> Notice:
    """Give that a mapping file is wrong; its own words stay out of the message, and count for what is the same error."""
    return Notice(
        Event.WRONG_FILE,
        environment,
        _digest(error),
        Sentence("notice.wrong_file.subject", environment=environment),
        Sentence("notice.wrong_file", environment=environment, command="moodle-coupling validate"),
        names.environment(environment),
    )


def approval_needed(run: Run, asked: Approval) -> Notice:
    """Give that a plan waits for an approval, and why."""
    reasons = map(as_sentence, asked.reasons)
    return Notice(
        Event.APPROVAL,
        run.environment,
        f"approval {asked.id}",
        Sentence("notice.approval.subject", environment=run.environment),
        in_lines([Sentence("notice.approval"), *reasons]),
        names.run(run.dag_id, run.run_id),
    )


def in_quarantine(found: Quarantine) -> Notice:
    """Give that an environment is in quarantine, why, and until when."""
    return Notice(
        Event.QUARANTINE,
        found.environment,
        f"quarantine {found.id}",
        Sentence("notice.quarantine.subject", environment=found.environment),
        in_lines([as_sentence(found.reason), Sentence("notice.quarantine.lifted", until=f"{found.until:{_TIME}}")]),
        names.environment(found.environment),
    )


def no_good_run(environment: str, last: Run | None, since: dt.datetime, hours: int) -> Notice:
    """Give that no run ended well for so long; ``since`` is the last good end, or when the first run began."""
    code = "notice.no_good_run" if last is not None else "notice.no_good_run.ever"
    return Notice(
        Event.NO_GOOD_RUN,
        environment,
        f"no good run {last.id if last else ''}",
        Sentence("notice.no_good_run.subject", environment=environment, n=hours),
        Sentence(code, environment=environment, since=f"{since:{_TIME}}"),
        names.environment(environment),
    )


# ---- who tells -------------------------------------------------------------------------------------------------------


def tell_waiting(ledger: Ledger, environment: str, who: Notify) -> None:
    """Tell of every plan of an environment that waits for an approval."""
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.runs import get_run

    for asked in waiting(ledger, environment):
        tell(approval_needed(get_run(ledger, asked.run), asked), who, ledger)


def tell_quarantine(ledger: Ledger, environment: str, who: Notify) -> None:
    """Tell that an environment is in quarantine, when it is."""
    from moodle_coupling.ledger import leases

    found = leases.in_quarantine(ledger, environment)
    if found is not None:
        tell(in_quarantine(found), who, ledger)


def tell_failed(ledger: Ledger, environment: str, who: Notify, now: dt.datetime) -> None:
    """Tell of the runs that failed lately and after the last good one; a run that just failed may be tried again and is left alone."""
    from moodle_coupling.ledger.runs import last_good_run, latest_runs

    good = last_good_run(ledger, environment)
    since = good.ended if good is not None and good.ended is not None else dt.datetime.min.replace(tzinfo=dt.UTC)
    for run in reversed(latest_runs(ledger, environment)):
        if run.state is not RunState.FAILED or run.ended is None or run.ended < since:
            continue
        if _TRIED_AGAIN <= now - run.ended <= _LATELY:
            found = _failed_run(ledger, run, good)
            if found is not None:
                tell(found, who, ledger)


class Waits(BaseNotifier):
    """Airflow's notifier for the approval step: tells that the plan waits."""

    def __init__(self, environment: str, who: Notify) -> None:
        super().__init__()
        self.environment = environment
        self.who = who

    def notify(self, context: Context) -> None:  # noqa: ARG002
        """Tell it; whatever is the matter, the step goes on (Airflow logs it)."""
        from moodle_coupling.orchestration.run import the_ledger

        tell_waiting(the_ledger(), self.environment, self.who)


class Failed(BaseNotifier):
    """Airflow's notifier for the last task of a run, when that failed: tells that the run failed.

    A load that stopped itself is told as the quarantine that it led to, and not as a failed run as well.
    """

    def __init__(self, environment: str, who: Notify) -> None:
        super().__init__()
        self.environment = environment
        self.who = who

    def notify(self, context: Context) -> None:
        """Tell it, also where the ledger cannot be asked: that may be why it failed."""
        dag_run: Any = context["dag_run"]
        ledger = ledger_if_there()
        try:
            found = _failed(ledger, self.environment, dag_run)
        except CouplingError as error:
            log.warning("%s", error)
            found = _failed(None, self.environment, dag_run)
        if found is not None:
            tell(found, self.who, ledger)


class WrongFile(BaseNotifier):
    """Airflow's notifier for the DAG that stands in for one of a wrong mapping file."""

    def __init__(self, environment: str, error: str, who: Notify) -> None:
        super().__init__()
        self.environment = environment
        self.error = error
        self.who = who

    def notify(self, context: Context) -> None:  # noqa: ARG002
        """Tell it."""
        tell(wrong_file(self.environment, self.error), self.who, ledger_if_there())


def ledger_if_there() -> Ledger | None:
    """Open the ledger; None, and a warning, when it cannot be asked."""
    from moodle_coupling.orchestration.run import the_ledger

    try:
        return the_ledger()
    except CouplingError as error:
        log.warning("%s", error)
        return None


def _failed(ledger: Ledger | None, environment: str, dag_run: Any) -> Notice | None:
    """Give that a DAG run failed; None when it is told as a quarantine. Without a ledger nobody knows why it did."""
    from moodle_coupling.ledger.runs import find_run, last_good_run

    run = find_run(ledger, environment, dag_run.dag_id, dag_run.run_id) if ledger is not None else None
    if ledger is None or run is None:
        return run_failed(environment, dag_run.dag_id, dag_run.run_id, "", f"{dt.datetime.now(dt.UTC):%Y-%m-%d}")
    return _failed_run(ledger, run, last_good_run(ledger, environment))


def _failed_run(ledger: Ledger, run: Run, good: Run | None) -> Notice | None:
    """Give that a run failed; None when a quarantine began in it, which is told instead. ``good``: the last good run."""
    from moodle_coupling.ledger.leases import quarantine_history

    ended = run.ended or dt.datetime.now(dt.UTC)
    if any(run.started <= one.since <= ended for one in quarantine_history(ledger, run.environment)):
        return None
    since = f"{good.id if good is not None else ''}{ended:%Y-%m-%d}"
    return run_failed(run.environment, run.dag_id, run.run_id, run.reason, since)


# ---- the digest ------------------------------------------------------------------------------------------------------

DIGEST: Final = "mismatches told"
"""Action under which the ledger's activity remembers a digest."""


def tell_digest(ledger: Ledger, environment: str, who: Notify, now: dt.datetime) -> int:
    """Tell, once a day, how many mismatches were opened since the last digest; gives how many channels took it.

    That it was told is remembered in the ledger's activity, and only when it was. The day is that of ``now``'s time zone.
    """
    from moodle_coupling.ledger.activity import note

    found = mismatches_digest(ledger, environment, now)
    if found is None:
        return 0
    number, body = found
    subject, link = Sentence("notice.digest.subject", environment=environment), names.mismatches(environment)
    sent = tell(Notice(Event.DIGEST, environment, "", subject, body, link), who, ledger)
    if sent:
        note(ledger, by=_BY, environment=environment, action=DIGEST, detail=str(number))
    return sent


def mismatches_digest(ledger: Ledger, environment: str, now: dt.datetime) -> tuple[int, Sentence] | None:
    """Give how many mismatches were opened since the last digest, and the same by kind; None when there is nothing to tell."""
    from moodle_coupling.ledger.activity import last_done
    from moodle_coupling.ledger.mismatches import count_open

    last = last_done(ledger, environment, DIGEST)
    if last is not None and last.astimezone(now.tzinfo).date() >= now.date():
        return None
    since = last + dt.timedelta(microseconds=1) if last is not None else now - dt.timedelta(days=1)
    new = count_open(ledger, since=since).get(environment, {})
    if not new:
        return None
    every = count_open(ledger).get(environment, {})
    kinds: Sequence[Sentence] = [
        Sentence("notice.digest.kind", what=meaning_of(kind), kind=kind, number=number)
        for kind, number in sorted(new.items(), key=lambda one: -one[1])
    ]
    first = Sentence("notice.digest.first", n=sum(new.values()), all=sum(every.values()))
    return sum(new.values()), in_lines([first, *kinds, text(""), Sentence("notice.digest.last")])
