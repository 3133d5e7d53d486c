"""Telling people by mail: what waits for them, how many and where to look; never a name, address or value of a person."""

from __future__ import annotations

import datetime as dt
import html
import logging
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseNotifier

from moodle_coupling import settings
from moodle_coupling.words.meanings import meaning_of
from moodle_coupling.words.sentence import Sentence, in_lines, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.remains import Remains

log = logging.getLogger(__name__)

_DAG: Final = "{{ dag.dag_id | e }}"
_LOG: Final = '<a href="{{ ti.log_url | e }}">{{ ti.log_url | e }}</a>'
WAITS_SUBJECT: Final = Sentence("mail.waits.subject", dag="{{ dag.dag_id }}")
WAITS_BODY: Final = Sentence("mail.waits", body="<pre>{{ task.body | default('') | e }}</pre>", link=_LOG)
"""For the approval step, whose body names nobody (matching.safeguards.approval_body)."""
FAILED_SUBJECT: Final = Sentence("mail.failed.subject", task="{{ ti.task_id }}", dag="{{ dag.dag_id }}")
FAILED_BODY: Final = Sentence("mail.failed", task="{{ ti.task_id | e }}", dag=_DAG, run="{{ run_id | e }}", link=_LOG)
"""For a task that failed; Airflow's own text quotes the exception, which may hold what Moodle said of a person."""
WRONG_FILE_BODY: Final = Sentence(
    "mail.wrong_file", dag=_DAG, link=_LOG, command="<code>moodle-coupling validate</code>"
)
"""For a coupling without a mapping; the file's own words stay out of the mail."""
DIGEST: Final = "mismatches told"
"""Action under which the ledger's activity remembers a digest."""


class MailNotifier(BaseNotifier):
    """Airflow's SMTP notifier, but a mail that fails is a warning in the log: it never fails the task it tells of.

    Subject and body are Jinja templates in ``[moodle_coupling] language``; no catalogue is read before a mail goes out.
    """

    template_fields = ("subject", "body")

    def __init__(self, *, to: Sequence[str], connection: str, subject: Sentence, body: Sentence) -> None:
        super().__init__()
        self.to = list(to)
        self.connection = connection
        self.said = (subject, body)
        self.subject = self.body = ""

    def __call__(self, *args: Any) -> None:
        """Fill the templates in and send."""
        self._say()
        try:
            super().__call__(*args)
        except Exception as error:  # noqa: BLE001 - a template that does not fit this task
            self._warn(error)

    def notify(self, context: Context) -> None:
        """Send the mail as it is."""
        self.send(context)

    def send_as_it_is(self, context: Any) -> bool:
        """Send the mail without filling templates in; False when it could not be sent."""
        self._say()
        self.body = "<p>" + "<br>\n".join(html.escape(line) for line in self.body.splitlines()) + "</p>"
        return self.send(context)

    def _say(self) -> None:
        self.subject, self.body = map(settings.texts().say, self.said)

    def send(self, context: Any) -> bool:
        """Send subject and body; False when they could not be sent."""
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        try:
            SmtpNotifier(
                to=self.to,
                subject=" ".join(self.subject.split()),  # a line break would begin another header
                html_content=self.body,
                smtp_conn_id=self.connection,
            ).notify(context)
        except Exception as error:  # noqa: BLE001 - whatever is the matter with the mail, the run goes on
            self._warn(error)
            return False
        return True

    def _warn(self, error: Exception) -> None:
        # Not the error's text: a mail server repeats in it what it likes.
        log.warning(
            "The mail '%s' could not be sent (%s); look at the connection '%s'.",
            self.subject,
            type(error).__name__,
            self.connection,
        )


def notifiers(
    mapping: Mapping | Remains, subject: Sentence = WAITS_SUBJECT, body: Sentence = WAITS_BODY
) -> list[BaseNotifier]:
    """Give who is told of this coupling, for Airflow's callbacks; empty when the mapping's ``notify`` names nobody.

    ``subject`` and ``body`` (HTML) are Jinja templates; by default they tell of a plan that waits for an approval. The
    sender and the server stand in the SMTP connection that ``notify.connection`` names.
    """
    return list(_mails(mapping, subject, body))


def tell(mapping: Mapping, subject: Sentence, body: Sentence, context: Any = None) -> bool:
    """Mail ``body`` (plain text) to whom the mapping names; False when a mail could not be sent.

    A mail that fails never fails the run. Both texts go out as they are, no template is filled in: ids come from the
    source, and might look like one.
    """
    return all(mail.send_as_it_is(context or {}) for mail in _mails(mapping, subject, body))


def _mails(mapping: Mapping | Remains, subject: Sentence, body: Sentence) -> list[MailNotifier]:
    to, connection = mapping.notify.to, mapping.notify.connection
    return [MailNotifier(to=to, connection=connection, subject=subject, body=body)] if to else []


def mismatches_digest(ledger: Ledger, environment: str, now: dt.datetime) -> Sentence | None:
    """Give, once a day, how many mismatches were opened since the last digest, by kind; None when there is no need.

    The day is that of ``now``'s time zone. That it was given is remembered in the ledger's activity; a day without new
    mismatches is not, so that they are told of as soon as there are any.
    """
    from moodle_coupling.ledger.activity import last_done, note
    from moodle_coupling.ledger.mismatches import count_open

    last = last_done(ledger, environment, DIGEST)
    if last is not None and last.astimezone(now.tzinfo).date() >= now.date():
        return None
    since = last + dt.timedelta(microseconds=1) if last is not None else now - dt.timedelta(days=1)
    new = count_open(ledger, since=since).get(environment, {})
    if not new:
        return None
    every = count_open(ledger).get(environment, {})
    kinds = [
        Sentence("mail.mismatches.kind", what=meaning_of(kind), kind=kind, number=number)
        for kind, number in sorted(new.items(), key=lambda one: -one[1])
    ]
    first = Sentence("mail.mismatches.first", n=sum(new.values()), all=sum(every.values()))
    note(ledger, by="moodle-coupling", environment=environment, action=DIGEST, detail=str(sum(new.values())))
    return in_lines([first, *kinds, text(""), Sentence("mail.mismatches.last")])
