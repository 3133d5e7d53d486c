"""Who belongs in this Moodle: the mapping's conditions on the columns of the persons frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.patterns import NoPattern, linear_pattern
from moodle_coupling.people.arrow import as_mask, pa, pc
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.mapping import Condition
    from moodle_coupling.people.arrow import Mask, Texts


def holds(condition: Condition, texts: Texts, where: str) -> Mask:
    """Return for which (cleaned) texts the condition holds. Texts are compared exactly, letter case included.

    ``where`` names the condition in errors, such as ``scope.include[0]``.

    Raises:
        MappingError: ``matches`` is no regular expression that can be used.

    """
    test = _test(condition)
    coded = pc.dictionary_encode(texts)
    verdicts = as_mask(pa.array([test(value) for value in coded.dictionary.to_pylist()], type=pa.bool_()))
    if condition.matches is not None:
        verdicts = verdicts & _matching(condition.matches, coded.dictionary, where)
    return verdicts[coded.indices.to_numpy()] if len(texts) else np.zeros(0, dtype=bool)


def _test(condition: Condition) -> Callable[[str], bool]:
    """Return the test of one text but for ``matches``; a condition that says several things asks for all of them."""
    tests: list[Callable[[str], bool]] = []
    if condition.equals is not None:
        tests.append(lambda value, wanted=condition.equals: value == wanted)  # type: ignore[misc]
    if condition.not_equals is not None:
        tests.append(lambda value, unwanted=condition.not_equals: value != unwanted)  # type: ignore[misc]
    if condition.any_of is not None:
        tests.append(lambda value, wanted=frozenset(condition.any_of): bool(wanted & _parts(value)))  # type: ignore[misc]
    if condition.none_of is not None:
        tests.append(lambda value, unwanted=frozenset(condition.none_of): not unwanted & _parts(value))  # type: ignore[misc]
    if condition.not_empty is not None:
        tests.append(lambda value, wanted=condition.not_empty: bool(value) is wanted)  # type: ignore[misc]
    return lambda value: all(test(value) for test in tests)


def _parts(value: str) -> set[str]:
    return {value, *(part.strip() for part in value.split("|"))}


def _matching(pattern: str, texts: Texts, where: str) -> Mask:
    """Return which texts the whole of an expression matches, in steps that grow with the texts and no faster (RE2)."""
    try:
        return as_mask(pc.match_substring_regex(texts, linear_pattern(pattern)))
    except (NoPattern, pa.ArrowInvalid) as error:
        why = error.args[0] if isinstance(error, NoPattern) else str(error)
        raise MappingError(Sentence("people.no_pattern", where=where, pattern=pattern, why=why)) from None
