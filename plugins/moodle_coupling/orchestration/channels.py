"""Through what people are told: any notifier of Airflow that the configuration names, and mail to whom a mapping file names."""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseNotifier

from moodle_coupling import settings
from moodle_coupling.errors import SettingError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moodle_coupling.mapping.safeguards import Notify

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
