"""Cleaning of texts: spaces, invisible characters, Unicode NFC; and which of them came damaged."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import (
    as_mask,
    bytes_of,
    change_where,
    choose,
    equal,
    is_blank,
    join,
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

APOSTROPHES: Final = "'’‘ʼ`´＇"
_HYPHENS: Final = "-\u2010\u2011"
_NONE: Final = re.compile(r"[-\u2010-\u2015_./]+")
"""What people type where somebody has no particles."""


@dataclass(frozen=True, slots=True)
class Surnames:
    """Surnames in parts, for usernames, and whole, as Moodle shows them."""

    infix: Texts
    surname: Texts
    """Without the particles."""
    whole: Texts
    """The particles, a space, the surname."""


def surnames(infix: Texts, lastname: Texts) -> Surnames:
    """Return what particles and surname make together; both must be clean.

    No space comes after an apostrophe or a hyphen (``d'Ancona``, ``'s-Gravenzande``, ``al-Hassan``); ``'t`` ends in a letter
    and keeps it (``'t Hart``). Particles that the surname holds already, in front or behind a comma, count once, spelled as they
    are there (``de`` + ``De Vries`` is ``De Vries``). A dash stands for no particles. Without a surname ``whole`` is ''.
    """
    rows = ~is_blank(infix)
    if not rows.any():
        return Surnames(infix, lastname, lastname)
    known = pc.dictionary_encode(infix)
    kinds = [_kind(particles) for particles in known.dictionary.to_pylist()]
    between, first = (
        pa.array([kind[at] for kind in kinds], type=pa.large_string()).take(known.indices) for at in (0, 1)
    )
    # Only where a surname begins as its particles do, or has a comma, can it hold them too.
    plain = rows & ~is_blank(first) & ~is_blank(lastname)
    plain &= ~equal(pc.utf8_slice_codeunits(without_case(lastname), 0, 1), first)
    plain &= ~as_mask(pc.match_substring(lastname, ", "))
    whole = choose(plain, join(infix, between, lastname), lastname)
    doubtful = rows & ~plain
    if not doubtful.any():
        return Surnames(infix, lastname, whole)
    mask = pa.array(doubtful)
    parts = [
        _parts(*each) for each in zip(*(texts.filter(mask).to_pylist() for texts in (infix, lastname)), strict=True)
    ]
    columns = [pa.array(texts, type=pa.large_string()) for texts in zip(*parts, strict=True)]
    return Surnames(
        *(
            pc.replace_with_mask(texts, mask, part)
            for texts, part in zip((infix, lastname, whole), columns, strict=True)
        )
    )


def _kind(infix: str) -> tuple[str, str]:
    """Return what stands behind the particles, and the letter that they begin with, without case; '' where they are none."""
    if not infix or _NONE.fullmatch(infix):
        return "", ""
    return "" if infix[-1] in APOSTROPHES + _HYPHENS else " ", infix.casefold()[:1]


@lru_cache(maxsize=20_000)
def _parts(infix: str, lastname: str) -> tuple[str, str, str]:
    """Return the particles, the surname without them, and the two together."""
    if _NONE.fullmatch(infix):
        return "", lastname, lastname
    if not lastname:
        return infix, "", ""
    between = "" if infix[-1] in APOSTROPHES + _HYPHENS else " "
    length, folded = len(infix), lastname.casefold()
    if folded.startswith((infix + between).casefold()) and lastname[length:].strip():
        return infix, lastname[length:].strip(), lastname
    if folded.endswith(f", {infix}".casefold()):
        lastname = lastname[: -length - 2].rstrip(" ,")
    return infix, lastname, f"{infix}{between}{lastname}"


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
