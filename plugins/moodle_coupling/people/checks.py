"""What Moodle takes, as masks over Arrow texts: e-mail addresses, tags, country, language and other codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.fields import TAG
from moodle_coupling.people.arrow import as_mask, pa, pc

if TYPE_CHECKING:
    from moodle_coupling.contract.fields import Field
    from moodle_coupling.people.arrow import Mask, Texts

_ATOM: Final = r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z-]+"
_LABEL: Final = r"(?:[xX][nN]--)?[0-9A-Za-z]+(?:-+[0-9A-Za-z]+)*"
_TOP: Final = r"(?:[A-Za-z][0-9A-Za-z]*|[xX][nN]--[0-9A-Za-z]+)(?:-+[0-9A-Za-z]+)*"
EMAIL: Final = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}$"
"""PHP's FILTER_VALIDATE_EMAIL as Moodle's validate_email uses it, without quoted local parts (refused on the recorded
sites) and without addresses on a bare IP number."""
_TOO_LONG_PARTS: Final = r"^[^@]{65}|@.*[^.]{64}"


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


def does_not_fit(field: Field, texts: Texts) -> Mask:
    """Return which texts are filled in and are none that Moodle takes in this field, asking once per different text."""
    coded = pc.dictionary_encode(texts)
    unfit = pa.array([bool(value) and not field.fits(value) for value in coded.dictionary.to_pylist()], type=pa.bool_())
    return as_mask(unfit.take(coded.indices)) if len(texts) else np.zeros(0, dtype=bool)


def is_zero(texts: Texts) -> Mask:
    """Return which texts are PHP's falsy '0': an account with that idnumber cannot be looked up (recording 299)."""
    return as_mask(pc.equal(texts, "0"))


_WHOLE: Final = r"[+-]?(?:0|[1-9][0-9]*)"
_SPOILT_ID: Final = (
    "^(?:"
    + "|".join(
        (
            rf"{_WHOLE}[.,][0-9]+(?:[eE][+-]?[0-9]+)?",  # 123.0, 12.5, 1.23E+05, 1,23E+15; 0012.5 and 1.2.3 are ids
            r"[+-]?[0-9]{1,3}[eE](?:\+[0-9]+|-[0-9]{2,3})",  # 1E+05; 12E4 and 1E5A are ids
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?",  # 12-10 that became a day
            r"(?i:true|false|waar|onwaar|null|none|nan|nat|<na>|nil|[+-]?inf(?:inity)?)",
            r"#+|#[A-Z/0]+[!?A]?",  # ########, #N/A, #REF!
        )
    )
    + ")$"
)
"""What spreadsheets, floats and programs make of an id, or write where there is none."""


def is_spoilt(texts: Texts) -> Mask:
    """Return which ids are not what stood in the source's own system: digits were lost, or a program's word came in their place."""
    return as_mask(pc.match_substring_regex(texts, _SPOILT_ID))
