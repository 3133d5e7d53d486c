"""What each rejection, failure and mismatch means in a few words, and how a person mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.words.sentence import ENGLISH, Sentence, text

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts


def meaning_of(code: str) -> Sentence:
    """Give what a code of an outcome, a rule or a verdict means, in a few words; one of Moodle's own as it can be read."""
    entries = (f"code.{code or 'none'}", f"verdict.{code}.code")
    known = next((Sentence(entry) for entry in entries if ENGLISH.knows(entry)), None)
    return known or text(code.replace("_", " ").capitalize())


def in_words(texts: Texts, code: str) -> str:
    """Give what ``meaning_of`` gives as a text."""
    return texts.say(meaning_of(code))


def mend_of(code: str, status: str) -> Sentence | None:
    """Give what a person does about an outcome with this code and status; None when nothing is to be done."""
    entries = (f"rule.{code}.mend", f"code.{code}.mend", f"status.{status}.mend")
    return next((Sentence(entry) for entry in entries if ENGLISH.knows(entry)), None)


def how_to_mend(texts: Texts, code: str, status: str) -> str:
    """Give what ``mend_of`` gives as a text; '' when nothing is to be done."""
    return texts.say(mend_of(code, status))
