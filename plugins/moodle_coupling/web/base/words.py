"""The project's words as people read them: verdicts, states, actions, statuses and decisions, each with its tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract import verdicts as contract
from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.words.sentence import TEXT, Sentence, Texts, languages, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request


# ---- Which language a request is answered in, of those that words/locale has ----

COOKIE: Final = "moodle_lang"


def say(english: str) -> str:
    """Mark a text that is translated where it is shown; gives it as it is."""
    return english


def texts_for(request: Request) -> Texts:
    """Give the texts of a request: of its cookie ``moodle_lang``, else of the browser's languages, else English."""
    chosen = request.cookies.get(COOKIE, "")
    return Texts(chosen if chosen in languages() else accepted(request.headers.get("accept-language", "")))


def foreign(texts: Texts, stored: Sentence | str | None) -> bool:
    """Tell whether a stored sentence is English on a page of another language: a plain text, without a code."""
    sentence = read(stored) if isinstance(stored, str) else stored
    return texts.language != "en" and sentence is not None and sentence.code == TEXT


def accepted(header: str) -> str:
    """Give the language we have that an Accept-Language header likes best; English when it likes none of them."""
    best, weight = "en", 0.0
    for part in header.split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.split("-")[0].strip().lower()
        liked = _quality(parameters)
        if language in languages() and liked > weight:
            best, weight = language, liked
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0


# ---- The project's words as people read them ----


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
