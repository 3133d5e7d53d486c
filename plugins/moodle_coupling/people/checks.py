"""What Moodle takes, as masks over Arrow texts: e-mail addresses, tags, country, language and other codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.mapping.checks import COUNTRIES, time_zone_problem
from moodle_coupling.people.arrow import as_mask, is_blank, pa, pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.people.arrow import Mask, Texts

_ATOM: Final = r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+"
_LABEL: Final = r"(?:[xX][nN]--)?[0-9A-Za-z]+(?:-+[0-9A-Za-z]+)*"
_TOP: Final = r"(?:[A-Za-z][0-9A-Za-z]*|[xX][nN]--[0-9A-Za-z]+)(?:-+[0-9A-Za-z]+)*"
EMAIL: Final = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}$"
"""PHP's FILTER_VALIDATE_EMAIL as Moodle's validate_email uses it, without quoted local parts (refused on the recorded
sites) and without addresses on a bare IP number."""
_TOO_LONG_PARTS: Final = r"^[^@]{65}|@.*[^.]{64}"

# strip_tags() takes '<' for the start of a tag unless white space follows, and an altered value is refused.
TAG: Final = r"<(?:[^ \t\n\r\v\f]|$)"
_LANG: Final = re.compile(r"[a-z]{2,3}(?:_[a-z0-9]+)*")
_PLUGIN: Final = re.compile(r"[a-z][a-z0-9_]*")


def is_email(texts: Texts) -> Mask:
    """Return which texts Moodle's ``validate_email`` takes ('' is none); its length in the database is another rule."""
    fits = pc.match_substring_regex(texts, EMAIL)
    long_parts = pc.greater(pc.binary_length(texts), 64)
    mask = as_mask(fits)
    if pc.any(long_parts).as_py():
        mask &= ~as_mask(pc.match_substring_regex(texts, _TOO_LONG_PARTS))
    return mask


def has_tags(texts: Texts) -> Mask:
    """Return which texts PHP's ``strip_tags`` would change (PARAM_NOTAGS and PARAM_TEXT); a lone ``<`` is no tag."""
    mask = as_mask(pc.match_substring(texts, "<"))
    if mask.any():
        mask &= as_mask(pc.match_substring_regex(texts, TAG))
    return mask


def _is_unfit(texts: Texts, fits: Callable[[str], object]) -> Mask:
    """Return which texts are filled in and do not fit, asking once per different text."""
    coded = pc.dictionary_encode(texts)
    unfit = pa.array([bool(value) and not fits(value) for value in coded.dictionary.to_pylist()], type=pa.bool_())
    return as_mask(unfit.take(coded.indices)) if len(texts) else np.zeros(0, dtype=bool)


def not_a_country(texts: Texts) -> Mask:
    """Return which texts are filled in and no country code; Moodle stores 0 for them (recordings 069 to 071)."""
    return ~is_blank(texts) & ~as_mask(pc.is_in(texts, value_set=pa.array(sorted(COUNTRIES), type=pa.large_string())))


def not_a_lang(texts: Texts) -> Mask:
    """Return which texts are filled in and cannot be a language code, whatever languages the site has."""
    return _is_unfit(texts, _LANG.fullmatch)


def not_a_plugin(texts: Texts) -> Mask:
    """Return which texts are filled in and cannot be the name of a plugin (auth, theme)."""
    return _is_unfit(texts, _PLUGIN.fullmatch)


def not_a_timezone(texts: Texts) -> Mask:
    """Return which texts are filled in and neither a time zone nor 99 (the site's own)."""
    return _is_unfit(texts, lambda value: value == "99" or not time_zone_problem(value))


def is_zero(texts: Texts) -> Mask:
    """Return which texts are PHP's falsy '0': an account with that idnumber cannot be looked up (recording 299)."""
    return as_mask(pc.equal(texts, "0"))
