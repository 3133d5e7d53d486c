"""An environment on behalf of a person: paused, resumed, and how it is."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling import settings
from moodle_coupling.airflow_internals import variable_model
from moodle_coupling.errors import CouplingError, MappingError, SettingError
from moodle_coupling.hooks.pause import read_pause, read_value, variable_name
from moodle_coupling.words.sentence import Sentence, as_sentence, in_turn, text

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run


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


RUNS: Final = 5
_TIME: Final = "%Y-%m-%d %H:%M UTC"


def status_lines(switch: Switch, ledger: Ledger | None) -> list[Sentence]:
    """Say how an environment is, a line each; without a ledger only whether it is paused. Raises LedgerUnavailable."""
    pause = read_pause(switch.connection)
    state = Sentence("state.active") if pause is None else Sentence("state.paused", pause=pause.said)
    lines = [Sentence("state.environment", environment=switch.environment, connection=switch.connection, state=state)]
    if ledger is None:
        return lines
    return [*lines, *(Sentence("state.line", said=line) for line in _from_ledger(switch.environment, ledger))]


def _from_ledger(environment: str, ledger: Ledger) -> list[Sentence]:
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.leases import holder_of
    from moodle_coupling.ledger.mismatches import count_open
    from moodle_coupling.ledger.quarantine import in_quarantine
    from moodle_coupling.ledger.runs import get_run, latest_runs

    lines = []
    quarantine = in_quarantine(ledger, environment)
    if quarantine is not None:
        until, why = f"{quarantine.until:{_TIME}}", as_sentence(quarantine.reason)
        lines.append(Sentence("state.quarantined", until=until, level=quarantine.level, why=why))
    for one in waiting(ledger, environment):
        run = get_run(ledger, one.run)
        since, why = f"{one.asked_at:{_TIME}}", in_turn(map(as_sentence, one.reasons))
        lines.append(Sentence("state.waiting", since=since, run=run.run_id, why=why))
    busy = holder_of(ledger, environment)
    if busy is not None:
        lines.append(Sentence("state.busy", run=busy.holder, since=f"{busy.since:{_TIME}}"))
    mismatches = count_open(ledger).get(environment, {})
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(mismatches.items()))
    lines.append(Sentence("state.mismatches", counts=counts) if counts else Sentence("state.no_mismatches"))
    runs = latest_runs(ledger, environment, limit=RUNS)
    return [*lines, *(_run_line(run) for run in runs)] if runs else [*lines, Sentence("state.no_run")]


def _run_line(run: Run) -> Sentence:
    counts = ", ".join(f"{number} {name}" for name, number in run.counts.items() if number)
    parts = [Sentence("state.run", at=f"{run.started:{_TIME}}", mode=run.mode, state=run.state)]
    parts += [text(f"({counts})")] if counts else []
    parts += [Sentence("state.run_reason", why=as_sentence(run.reason))] if run.reason else []
    return in_turn([*parts, text(f"[{run.run_id}]")])
