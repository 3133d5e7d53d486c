"""When two texts are the same to Moodle, and when two names are those of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import as_mask, change_where, equal, not_ascii, pa, pc, same_text
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import trimmed, without_case
from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts

UNKNOWN_COUNTRY: Final = "0"
"""What Moodle stores for a country it does not know (seen on 5.1)."""
_SPACES: Final = r"[\t-\r\x1c-\x20]+"


def loose(texts: Texts) -> Texts:
    """Give names without letter case, diacritics and spaces: Jürgen and JURGEN are the same."""
    odd = not_ascii(texts)
    letters = pc.replace_substring_regex(pc.ascii_lower(texts), _SPACES, "")
    return pc.if_else(pa.array(odd), change_where(texts, odd, _loose), letters) if odd.any() else letters


def is_blank(texts: Texts) -> Mask:
    """Tell which texts are empty or only spaces."""
    return is_nothing(pc.utf8_trim_whitespace(texts))


def differs(field: str, old: Texts, new: Texts) -> Mask:
    """Tell where writing ``new`` would change what Moodle holds in ``field``.

    Surrounding spaces, the Unicode form and the letter case of an e-mail address are no difference. Entities are: Moodle
    stores ``&amp;`` as it was sent and gives it back so (seen on 5.1), hence it is not the same as ``&``.
    """
    found = ~equal(old, new)
    if not found.any():
        return found
    # The expensive comparison only where the cheap one sees a difference: usually a few of many.
    mask = pa.array(found)
    some_old, some_new = trimmed(old.filter(mask)), trimmed(new.filter(mask))
    if field == "email":
        some_old, some_new = without_case(some_old), without_case(some_new)
    really = ~equal(some_old, some_new)
    if field == "country":
        # An unknown country is stored as 0 again and again: sending it every night changes nothing.
        known = as_mask(pc.match_substring_regex(some_new, "^[A-Z]{2}$"))
        really &= ~(equal(some_old, UNKNOWN_COUNTRY) & ~known)
    found[found] = really
    return found


def is_empty(field: str, values: Texts) -> Mask:
    """Tell where Moodle holds nothing in ``field``."""
    empty = is_blank(values)
    return empty | equal(values, UNKNOWN_COUNTRY) if field == "country" else empty


def pairs(left: Texts, right: Texts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in left and in right, by left and then by right, whose texts are equal and not empty."""
    coded = pc.dictionary_encode(left)
    known = pc.fill_null(pc.index_in(right, value_set=coded.dictionary), -1).to_numpy()
    return pairs_of_numbers(coded.indices.to_numpy(), known, ~is_nothing(coded.dictionary))


def pairs_of_numbers(
    left: NDArray[np.integer], right: NDArray[np.integer], counts: Mask
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in left and in right, by left and then by right, that have the same number.

    ``counts`` tells of each number whether it counts; a negative one in ``right`` never does.
    """
    places = np.flatnonzero(right >= 0)
    places = places[np.argsort(right[places], kind="stable")]
    each = np.bincount(right[places], minlength=len(counts))
    starts = np.cumsum(each) - each
    each[~counts] = 0
    many = each[left]
    ours = np.repeat(np.arange(len(left)), many)
    within = np.arange(len(ours)) - np.repeat(np.cumsum(many) - many, many)
    return ours, places[np.repeat(starts[left], many) + within]


def nothing(length: int) -> Texts:
    """Give that many empty texts."""
    return same_text("", length)


def _loose(text: str) -> str:
    return "".join(without_accents(text).split())
