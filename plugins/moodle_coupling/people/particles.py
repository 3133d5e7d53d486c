"""Name particles in front of a surname, also where a source writes them twice or behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from moodle_coupling.people.arrow import as_mask, choose, equal, is_blank, join, pa, pc
from moodle_coupling.people.cleaning import without_case

if TYPE_CHECKING:
    from moodle_coupling.people.arrow import Texts

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
