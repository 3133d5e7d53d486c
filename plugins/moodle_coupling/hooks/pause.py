"""The pause switch of an environment: one Airflow variable, read at run time and never while a DAG file is parsed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.airflow_internals import in_task, variable_exists
from moodle_coupling.errors import CouplingPaused
from moodle_coupling.words.sentence import Sentence, text

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX: Final = "moodle_coupling_paused__"
_TRUE: Final = frozenset({"true", "1", "yes", "on", "ja"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "nee", "", "null"})


@dataclass(frozen=True, slots=True)
class Pause:
    """Why an environment is paused, by whom and since when; as it stands in the variable, '' if not said."""

    reason: Sentence
    by: str = ""
    since: str = ""

    def __str__(self) -> str:
        """Give the pause in one line for logs."""
        return str(self.said)

    @property
    def said(self) -> Sentence:
        """The pause in one sentence."""
        said = Sentence("pause.by", said=self.reason, by=self.by) if self.by else self.reason
        return Sentence("pause.since", said=said, since=self.since) if self.since else said


def variable_name(conn_id: str) -> str:
    """Give the name of the pause variable of a connection."""
    return f"{PREFIX}{conn_id}"


def read_value(raw: str | None) -> Pause | None:
    """Understand the variable's text: None means "runs"; whatever cannot be understood counts as paused and says so.

    Accepted are ``true``/``false`` (and 1/0, yes/no, ja/nee) and JSON such as
    ``{"paused": true, "reason": "upgrade", "by": "jan", "since": "2026-01-31T20:00:00Z"}``.
    """
    if raw is None or raw.strip().lower() in _FALSE:
        return None
    if raw.strip().lower() in _TRUE:
        return Pause(Sentence("pause.no_reason"))
    try:
        value = json.loads(raw)
    except ValueError:
        return Pause(Sentence("pause.no_json"))
    if not isinstance(value, dict) or not isinstance(value.get("paused"), bool):
        return Pause(Sentence("pause.other_json"))
    if not value["paused"]:
        return None
    said = {key: str(value.get(key) or "") for key in ("reason", "by", "since")}
    reason = text(said["reason"]) if said["reason"] else Sentence("pause.no_reason")
    return Pause(reason, said["by"], said["since"])


def read_pause(conn_id: str) -> Pause | None:
    """Read the pause of a connection from Airflow; None means "runs".

    A variable that cannot be read counts as paused: Airflow itself reports "not found" also when its API did not answer,
    so its absence is confirmed by a second question that does raise (seen in Task SDK 1.3).
    """
    key = variable_name(conn_id)
    try:
        raw = _get(key)
        if raw is None and _exists(key):
            return Pause(Sentence("pause.unread", variable=key))
    except Exception as error:  # noqa: BLE001 - whatever is the matter: unreadable means paused
        return Pause(Sentence("pause.unreadable", variable=key, error=type(error).__name__))
    return read_value(raw)


def guard(conn_id: str) -> Callable[[], None]:
    """Give the check that is made before every request to that Moodle; it raises :class:`CouplingPaused`."""

    def check() -> None:
        pause = read_pause(conn_id)
        if pause is not None:
            raise CouplingPaused(conn_id, pause.said)

    return check


def _get(key: str) -> str | None:
    from airflow.sdk import Variable

    if not in_task():
        os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")  # as Airflow's own commands do
    value: str | None = Variable.get(key, default=None)
    return value


def _exists(key: str) -> bool:
    if in_task():
        from airflow.sdk import Variable

        return key in list(Variable.keys(prefix=key))
    return variable_exists(key)
