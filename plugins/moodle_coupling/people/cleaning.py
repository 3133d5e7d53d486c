"""Cleaning of texts: spaces, invisible characters, Unicode NFC, and particles in front of a surname."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import as_mask, bytes_of, change_where, join, pc, rows_at, to_series, to_texts

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.people.arrow import Mask, Texts

_SUSPECT_BYTE: Final = np.array([byte < 0x20 or byte > 0x7E for byte in range(256)])

# Invisible in every script: controls, soft hyphen, zero-width space, word joiners, BOM, bidi marks and embeddings,
# interlinear annotation and tag characters.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0001\U000e0020-\U000e007f]+"
)
# A zero-width (non-)joiner is spelling in Persian, in Indic scripts and in emoji, and a stray elsewhere.
_JOINED: Final = "\u0590-\u1dff\u2190-\ud7ff\ue000-\ufaff\ufb1d-\U0010ffff"
_STRAY_JOINER: Final = re.compile(
    f"(?<![{_JOINED}])[\u200c\u200d]+|[\u200c\u200d]+(?![{_JOINED}])|[\u200c\u200d]{{2,}}"
)
_WHITE: Final = re.compile(r"\s+")
APOSTROPHES: Final = "'’‘ʼ`´＇"


def clean_one(text: str) -> str:
    """Return ``text`` in NFC, without invisible characters, with single plain spaces and none at the ends.

    A line break or tab counts as a space; a letter is never changed, nor its case. Zero-width joiners stay between
    letters of the scripts that need them. Cleaning a clean text changes nothing.
    """
    if text.isprintable() and "  " not in text and text == text.strip() and unicodedata.is_normalized("NFC", text):
        return text
    text = unicodedata.normalize("NFC", text)
    text = _WHITE.sub(" ", text)
    text = _INVISIBLE.sub("", text)
    text = _STRAY_JOINER.sub("", text)
    text = unicodedata.normalize("NFC", text)
    return _WHITE.sub(" ", text).strip()


def clean_texts(texts: Texts) -> Texts:
    """Return an Arrow text array cleaned as :func:`clean_one` does; plain texts are not touched at all."""
    return change_where(texts, _suspects(texts), clean_one)


def clean_text(values: pd.Series) -> pd.Series:
    """Return a Series of dtype ``str`` cleaned as :func:`clean_one` does, with the same index; absent becomes ''."""
    cleaned = to_series(clean_texts(to_texts(values)))
    cleaned.index = values.index
    cleaned.name = values.name
    return cleaned


def _suspects(texts: Texts) -> Mask:
    """Return which texts hold anything but printable ASCII, a double space, or a space at an end."""
    data, offsets = bytes_of(texts)
    mask = rows_at(np.flatnonzero(_SUSPECT_BYTE[data]), offsets)
    space = data == 0x20
    if not space.any():
        return mask
    mask |= rows_at(np.flatnonzero(space[:-1] & space[1:]), offsets)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    mask[filled] |= space[offsets[:-1][filled]] | space[offsets[1:][filled] - 1]
    return mask


def with_particles(infix: Texts, lastname: Texts) -> Texts:
    """Return Moodle's last name: the particles, a space, the surname; no space after an apostrophe (``d'Ancona``).

    Both must be clean. Without a surname the result is '': particles alone are no name. ``'t`` ends in a letter
    and so keeps its space (``'t Hart``).
    """
    if not pc.any(pc.greater(pc.binary_length(infix), 0)).as_py():
        return lastname
    glued = pc.match_substring_regex(infix, f"[{APOSTROPHES}]$")
    spaced = join(infix, lastname, by=" ")
    close = join(infix, lastname) if pc.any(glued).as_py() else spaced
    joined = pc.if_else(glued, close, spaced)
    bare = pc.or_(pc.equal(pc.binary_length(infix), 0), pc.equal(pc.binary_length(lastname), 0))
    return pc.if_else(bare, lastname, joined)


def damaged(texts: Texts) -> Mask:
    """Return which texts hold U+FFFD: a letter was lost before it came to us."""
    return as_mask(pc.match_substring(texts, "\ufffd"))
