"""The pause switch of an environment: one Airflow variable, read at run time and never while a DAG file is parsed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.airflow_internals import in_task, variable_exists
from moodle_coupling.errors import CouplingPaused

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX: Final = "moodle_coupling_paused__"
_TRUE: Final = frozenset({"true", "1", "yes", "on", "ja"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "nee", "", "null"})


@dataclass(frozen=True, slots=True)
class Pause:
    """Why an environment is paused, by whom and since when; texts as they stand in the variable, '' if not said."""

    reason: str
    by: str = ""
    since: str = ""

    def __str__(self) -> str:
        """Give the pause in one line for logs and errors."""
        return self.reason + (f" (by {self.by})" if self.by else "") + (f" (since {self.since})" if self.since else "")


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
        return Pause("no reason given")
    try:
        value = json.loads(raw)
    except ValueError:
        return Pause("the pause variable holds neither true, false nor JSON; mend it or set it to false to resume")
    if not isinstance(value, dict) or not isinstance(value.get("paused"), bool):
        return Pause('the pause variable is JSON without "paused": true or false; mend it or set it to false to resume')
    if not value["paused"]:
        return None
    said = {key: str(value.get(key) or "") for key in ("reason", "by", "since")}
    return Pause(said["reason"] or "no reason given", said["by"], said["since"])


def read_pause(conn_id: str) -> Pause | None:
    """Read the pause of a connection from Airflow; None means "runs".

    A variable that cannot be read counts as paused: Airflow itself reports "not found" also when its API did not answer,
    so its absence is confirmed by a second question that does raise (seen in Task SDK 1.3).
    """
    key = variable_name(conn_id)
    try:
        raw = _get(key)
        if raw is None and _exists(key):
            return Pause(f"the variable {key} exists but could not be read")
    except Exception as error:  # noqa: BLE001 - whatever is the matter: unreadable means paused
        return Pause(f"the variable {key} could not be read ({type(error).__name__}); look at Airflow's API server")
    return read_value(raw)


def guard(conn_id: str) -> Callable[[], None]:
    """Give the check that is made before every request to that Moodle; it raises :class:`CouplingPaused`."""

    def check() -> None:
        pause = read_pause(conn_id)
        if pause is not None:
            raise CouplingPaused(conn_id, str(pause))

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
