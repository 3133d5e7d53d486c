"""The project's words as people read them: verdicts, states, actions, statuses and decisions, each with its tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract import verdicts as contract
from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Word:
    """A word in a few words of English (translate it with ``_``), and how its badge looks."""

    text: str
    tone: Tone = Tone.QUIET


VERDICTS: Final = {str(verdict): Word(f"verdict.{verdict}", row.tone) for verdict, row in contract.VERDICTS.items()}
RUN_STATES: Final = {
    "running": Word(say("Running"), Tone.INFO),
    "waiting_approval": Word(say("Waits for approval"), Tone.WARN),
    "done": Word(say("Done"), Tone.GOOD),
    "failed": Word(say("Failed"), Tone.BAD),
    "rejected": Word(say("Plan rejected"), Tone.WARN),
    "stopped": Word(say("Stopped"), Tone.WARN),
}
RUN_MODES: Final = {
    "changed": Word(say("What changed")),
    "full": Word(say("Everything")),
    "dry run": Word(say("Dry run")),
    "one person": Word(say("One person")),
}
ACTIONS: Final = {
    "create": Word(say("Create"), Tone.INFO),
    "update": Word(say("Update"), Tone.INFO),
    "link": Word(say("Link"), Tone.INFO),
    "suspend": Word(say("Suspend"), Tone.WARN),
    "reactivate": Word(say("Reactivate"), Tone.INFO),
    "none": Word(say("Nothing to do")),
    "reject": Word(say("Reject"), Tone.BAD),
}
OUTCOMES: Final = {
    "done": Word(say("Done"), Tone.GOOD),
    "rejected": Word(say("Rejected"), Tone.WARN),
    "failed": Word(say("Failed"), Tone.BAD),
    "skipped": Word(say("Skipped")),
    "unknown": Word(say("Unknown"), Tone.BAD),
}
MISMATCH_STATUSES: Final = {
    "open": Word(say("Open"), Tone.WARN),
    "decided": Word(say("Decided"), Tone.INFO),
    "applied": Word(say("Applied"), Tone.GOOD),
    "gone": Word(say("Gone")),
    "lapsed": Word(say("Lapsed"), Tone.WARN),
}
DECISIONS: Final = {str(kind): Word(f"decision.{kind}") for kind in contract.DecisionKind}


def word(table: dict[str, Word], key: str) -> Word:
    """Give the word for a key; a key nobody foresaw is shown as it is."""
    return table.get(key) or Word(key.replace("_", " ").capitalize())


def run_state(state: str, counts: Mapping[str, int]) -> Word:
    """Give the word for a run's state.

    A dry run, or a run for some persons only, is kept as 'stopped', since it is no load of everyone; with counts it came
    to its end.
    """
    return RUN_STATES["done"] if state == "stopped" and counts else word(RUN_STATES, state)
