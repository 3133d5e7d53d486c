"""What each rejection, failure and mismatch means in a few words, and how a person mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.words.sentence import ENGLISH, Sentence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.words.sentence import Texts


# ---- What cohorts and courses are called in a sentence ----

CALLED: Final = "fullname"
"""The key in the facts of what a cohort or course is called in Moodle, beside its ID number or short name."""


def target_named(number: int, values: Mapping[str, Any]) -> Sentence:
    """Name a cohort or course by what the facts have of it: 'Docenten (docs), number 12'."""
    key, called = target_key(values), str(values.get(CALLED) or "")
    if not key or not called:
        return Sentence("name.target", name=called or key, number=number)
    return Sentence("name.target_both", name=called, key=key, number=number)


def target_key(values: Mapping[str, Any]) -> str:
    """Give the ID number or short name of a cohort or course by its facts; '' where there is none."""
    return next((str(value) for name, value in values.items() if name != CALLED and value), "")


# ---- What each rejection ----


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
