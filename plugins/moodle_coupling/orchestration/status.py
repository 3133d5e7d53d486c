"""How an environment is: paused, in quarantine, waiting for someone, and its last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.words.catalogue import ENGLISH

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.orchestration.pause import Switch

RUNS: Final = 5
_TIME: Final = "%Y-%m-%d %H:%M UTC"


def status_lines(switch: Switch, ledger: Ledger | None) -> list[str]:
    """Say how an environment is, a line each; without a ledger only whether it is paused. Raises LedgerUnavailable."""
    pause = read_pause(switch.connection)
    lines = [
        f"{switch.environment} (connection {switch.connection}): {'active' if pause is None else f'PAUSED: {pause}'}"
    ]
    if ledger is None:
        return lines
    return [*lines, *(f"  {line}" for line in _from_ledger(switch.environment, ledger))]


def _from_ledger(environment: str, ledger: Ledger) -> list[str]:
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.leases import holder_of
    from moodle_coupling.ledger.mismatches import count_open
    from moodle_coupling.ledger.quarantine import in_quarantine
    from moodle_coupling.ledger.runs import get_run, latest_runs

    lines = []
    quarantine = in_quarantine(ledger, environment)
    if quarantine is not None:
        lines.append(
            f"quarantined until {quarantine.until:{_TIME}} (level {quarantine.level}): {ENGLISH.say(quarantine.reason)}"
        )
    for one in waiting(ledger, environment):
        run = get_run(ledger, one.run)
        lines.append(
            f"waiting for approval since {one.asked_at:{_TIME}}: {run.run_id}: {' '.join(map(ENGLISH.say, one.reasons))}"
        )
    busy = holder_of(ledger, environment)
    if busy is not None:
        lines.append(f"being written by {busy.holder} since {busy.since:{_TIME}}")
    mismatches = count_open(ledger).get(environment, {})
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(mismatches.items()))
    lines.append(f"open mismatches: {counts or 'none'}")
    runs = latest_runs(ledger, environment, limit=RUNS)
    return [*lines, *(_run_line(run) for run in runs)] if runs else [*lines, "no run yet"]


def _run_line(run: Run) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in run.counts.items() if number)
    parts = [f"run {run.started:{_TIME}} {run.mode}: {run.state}"]
    parts += [f"({counts})"] if counts else []
    parts += [f"– {ENGLISH.say(run.reason)}"] if run.reason else []
    return " ".join([*parts, f"[{run.run_id}]"])
