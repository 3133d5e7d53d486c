"""Two texts side by side, with the characters that differ marked."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

_LONGEST: Final = 300
"""Characters; beyond them the whole text counts as different rather than keep the page waiting."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, and whether the other text lacks it."""

    text: str
    differs: bool


def marked(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Give both texts in pieces; letters are compared as they are, so case and accents count."""
    if one == other:
        return _whole(one, differs=False), _whole(other, differs=False)
    if not one or not other or len(one) > _LONGEST or len(other) > _LONGEST:
        return _whole(one, differs=True), _whole(other, differs=True)
    ones, others = [0], [0]
    same: set[int] = set()
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    for block in blocks:
        same.add(len(ones))
        ones += [block.a, block.a + block.size]
        others += [block.b, block.b + block.size]
    return _cut(one, ones, same), _cut(other, others, same)


def _whole(text: str, *, differs: bool) -> list[Piece]:
    return [Piece(text, differs)] if text else []


def _cut(text: str, borders: list[int], same: set[int]) -> list[Piece]:
    found = []
    for number, (start, end) in enumerate(pairwise(borders)):
        if end > start:
            found.append(Piece(text[start:end], number not in same))
    return found
