"""Ids that look like one that is not there: other letter case, zeros in front, or one slip of the finger."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 5
_LOOK_ALIKE: Final = str.maketrans("oil", "011")
_LONGEST: Final = 40
"""Longer ids are only compared without regard to letter case, signs and zeros in front."""


def near_ids(wanted: str, ids: Iterable[str]) -> list[str]:
    """Give at most five of ``ids`` that someone may have meant by ``wanted``, the likeliest first.

    Compared is not with each id (a hundred thousand take seconds): what one slip makes of ``wanted`` is looked up.
    """
    known = dict.fromkeys(id_ for id_ in ids if id_)
    plain = _plain(wanted)
    if not plain:
        return []
    same = [id_ for id_ in known if _plain(id_) == plain]
    by_letters: dict[str, str] = {}
    for id_ in known:
        by_letters.setdefault(id_.casefold(), id_)
    slips = _slips(wanted.strip().casefold()) if len(wanted) <= _LONGEST else set()
    # People slip at the end more than at the beginning.
    begun = wanted.strip().casefold()
    likeliest = sorted(slips & by_letters.keys(), key=lambda slip: (-_alike(slip, begun), slip))
    slipped = [by_letters[slip] for slip in likeliest]
    return list(dict.fromkeys([*same, *slipped]))[:MOST]


def _plain(id_: str) -> str:
    return "".join(sign for sign in id_.casefold() if sign.isalnum()).translate(_LOOK_ALIKE).lstrip("0")


def _alike(one: str, other: str) -> int:
    """Count the letters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _slips(text: str) -> set[str]:
    """Give every text that is one letter more, less, other or swapped away."""
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-_. ") | set(text)
    splits = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    less = {left + right[1:] for left, right in splits if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in splits if len(right) > 1}
    other = {left + letter + right[1:] for left, right in splits if right for letter in letters}
    more = {left + letter + right for left, right in splits for letter in letters}
    return less | swapped | other | more
