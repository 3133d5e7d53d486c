"""Cleaning of texts: spaces, invisible characters, Unicode NFC; and which of them came damaged."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import (
    as_mask,
    bytes_of,
    change_where,
    not_ascii,
    pa,
    pc,
    rows_at,
    to_series,
    to_texts,
)

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.people.arrow import Mask, Texts

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

_NEXT: Final = "\u0080-\u00bf" + "".join(bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0))
"""What the second and later bytes of a UTF-8 letter become in Latin-1 and cp1252, for a regular expression's class."""
_DAMAGED: Final = "|".join(
    (
        "\ufffd",
        "_x00[01][0-9A-Fa-f]_",  # a control character as Excel writes it in its own files, and nothing else reads
        "[\u0080-\u0084\u0086-\u009f]",  # controls of Latin-1, which no keyboard makes
        f"[ÃÄÅ][{_NEXT}]",  # à to ÿ, Ā to ſ
        "\\p{Ll}Ã(?:\\s|$)",  # à, whose second half is a no-break space that may be gone
        "Â[\u00a0-\u00bf]",
        "È[˜™š›]",  # Romanian
        f"â€[{_NEXT}]|â‚¬|â„¢|ï»¿|ðŸ",  # quotes, dashes, euro, trade mark, byte order mark, emoji
        f"á[º»¼½¾][{_NEXT}]",  # Vietnamese
        f"(?:[ã-ï][{_NEXT}]{{2}}){{2}}|^(?:[ã-ï][{_NEXT}]{{2}})+$",  # Chinese, Japanese, Korean
        f"(?:[ÎÏÐÑÒ×ØÙÚÛ][{_NEXT}]){{2}}|^(?:[ÎÏÐÑÒ×ØÙÚÛ][{_NEXT}])+$",  # Greek, Cyrillic, Hebrew, Arabic
        "[├┼√≈]\\S|Ă[\u00a0-\u00bf]",  # read as DOS, Mac Roman, cp1250
    )
)
"""UTF-8 read in another encoding. A single sign behind a capital is no proof for the letters of the last lines but two, so
two must follow each other, or nothing else stand there: RENÉ’S CAFÉ is a name."""


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
    mask = not_ascii(texts) | rows_at(np.flatnonzero((data < 0x20) | (data == 0x7F)), offsets)
    space = data == 0x20
    if not space.any():
        return mask
    mask |= rows_at(np.flatnonzero(space[:-1] & space[1:]), offsets)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    mask[filled] |= space[offsets[:-1][filled]] | space[offsets[1:][filled] - 1]
    return mask


def damaged(texts: Texts) -> Mask:
    """Return which texts, not yet cleaned, were spoilt before they came: letters lost (U+FFFD), or read in another encoding.

    The latter shows as ``ZoÃ«`` (UTF-8 read as cp1252), ``Zo├½`` (as a DOS code page), ``Zo√´`` (as Mac Roman) or as a control
    character (cp1252 read as Latin-1). ``JOÃO`` and ``RENÉ’S`` are names.
    """
    suspect = not_ascii(texts)
    if b"_x00" in bytes_of(texts)[0].tobytes():
        suspect |= as_mask(pc.match_substring(texts, "_x00"))
    if not suspect.any():
        return suspect
    mask = suspect.copy()
    mask[suspect] = as_mask(pc.match_substring_regex(texts.filter(pa.array(suspect)), _DAMAGED))
    return mask


def trimmed(texts: Texts) -> Texts:
    """Return texts as they count when two are compared: Unicode NFC, without surrounding spaces."""
    return pc.utf8_trim_whitespace(
        change_where(texts, not_ascii(texts), lambda text: unicodedata.normalize("NFC", text))
    )


def without_case(texts: Texts) -> Texts:
    """Return texts without letter case, as ``str.casefold`` has it."""
    return change_where(pc.ascii_lower(texts), not_ascii(texts), str.casefold)


def folded(texts: Texts) -> Texts:
    """Return texts without surrounding spaces and letter case."""
    return without_case(trimmed(texts))
