"""An environment on behalf of a person: paused and resumed."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling import settings
from moodle_coupling.airflow_internals import variable_model
from moodle_coupling.errors import CouplingError, MappingError, SettingError
from moodle_coupling.hooks.pause import read_pause, read_value, variable_name
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger


class PauseNotChanged(SettingError):
    """The variable was set or removed, and Airflow gives another value all the same."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One environment's pause switch: its name, and the connection that the variable is named after."""

    environment: str
    connection: str

    def pause(self, *, reason: str, by: str) -> tuple[bool, Sentence]:
        """Pause the environment; gives whether that changed anything, and what happened.

        Raises PauseNotChanged when something other than Airflow's database decides that it is not paused.
        """
        key, variables = variable_name(self.connection), variable_model()
        present = read_value(variables.get_variable_from_secrets(key))
        if present is not None:
            return False, Sentence("pause.already", environment=self.environment, pause=present.said)
        since = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = {"paused": True, "reason": reason, "by": by, "since": since}
        said = settings.texts().say(Sentence("pause.variable", environment=self.environment))
        variables.set(key, json.dumps(value), description=said)
        if read_pause(self.connection) is None:
            raise PauseNotChanged(Sentence("pause.not_paused", environment=self.environment, shadow=_shadow(key)))
        return True, Sentence("pause.done", environment=self.environment)

    def resume(self) -> tuple[bool, Sentence]:
        """Resume the environment; gives whether that changed anything, and what happened.

        Raises PauseNotChanged when something other than Airflow's database keeps it paused.
        """
        key, variables = variable_name(self.connection), variable_model()
        present = read_value(variables.get_variable_from_secrets(key))
        variables.delete(key)
        if (left := read_pause(self.connection)) is not None:
            still = Sentence("pause.still_paused", environment=self.environment, pause=left.said, shadow=_shadow(key))
            raise PauseNotChanged(still)
        if present is None:
            return False, Sentence("pause.was_not", environment=self.environment)
        return True, Sentence("pause.over", environment=self.environment, pause=present.said)


def find_switch(environment: str, folder: Path) -> Switch:
    """Give the switch of an environment; raises MappingError when there is none of that name.

    A mapping file that is wrong can be paused all the same, as long as it names its connection.
    """
    from moodle_coupling.mapping.file import load_mapping, remains
    from moodle_coupling.mapping.folder import find_mapping

    path = find_mapping(environment, folder)
    try:
        mapping = load_mapping(path)
    except MappingError:
        connection = remains(path).connection
        if not connection:
            raise
        return Switch(path.stem, connection)
    return Switch(mapping.environment, mapping.connection)


def all_switches(folder: Path) -> list[Switch]:
    """Give the switches of all environments in a folder, by name; a file that does not name its connection is left out."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        with contextlib.suppress(MappingError):
            found.append(find_switch(str(path.resolve()), folder))
    return found


def who() -> str:
    """Give the login name of whoever runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def note_in_ledger(ledger: Ledger | None, problem: Sentence | None, **activity: str) -> Sentence | None:
    """Note what was done; gives None, or why it could not be noted.

    ``problem`` is why there is no ledger. That it is not noted keeps nobody from pausing.
    """
    if ledger is not None:
        from moodle_coupling.ledger.activity import note

        values: dict[str, Any] = dict(activity)
        try:
            note(ledger, **values)
        except CouplingError as error:
            problem = error.said
        else:
            return None
    return Sentence("pause.not_noted", problem=problem or "")


def _shadow(key: str) -> Sentence:
    return Sentence("pause.shadow", variable=f"AIRFLOW_VAR_{key.upper()}")
