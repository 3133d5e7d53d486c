"""What cohorts and courses are called in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

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
