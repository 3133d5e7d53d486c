"""Texts of others in Markdown: they show as they are, and become no picture, link, markup or HTML."""

from __future__ import annotations

import re
from typing import Final

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_MARKUP: Final = {letter: _ENTITIES.get(letter, f"\\{letter}") for letter in "&<>|\\`*_[]~#"}
_MARKED: Final = re.compile(r"[&<>|\\`*_\[\]~#]")
_JOINER: Final = "&#8288;"
"""U+2060, which has no width and stands between two letters where no line may break."""
_ADDRESS: Final = re.compile(r"(?<=:)(?=//)|(?<=@)|(?<=www)(?=\.)|(?<=mailto:)|(?<=xmpp:)", re.IGNORECASE)
_BEGINNING: Final = re.compile(r"\A[0-9]{0,9}(?=[-+=.)])")
_TICKS: Final = re.compile("`+")


def plain(text: object) -> str:
    """Give a text on one line that shows as it is wherever it stands in Markdown, in a table too, whatever was in it.

    Airflow's pages and others make links of addresses after all escapes are undone, so an address is broken by a letter without width.
    """
    line = " ".join(str(text).split())
    pieces = (_MARKED.sub(lambda found: _MARKUP[found[0]], piece) for piece in _ADDRESS.split(line))
    # What would begin a list or underline a heading: '1.', '-', '+', '='.
    return _BEGINNING.sub(lambda found: f"{found[0]}\\", _JOINER.join(pieces), count=1) if line else ""


def fenced(text: str) -> str:
    """Give a text of several lines as it is, in a block that nothing in it can end."""
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def code(text: object) -> str:
    """Give a text as code on one line; nothing in it can end the code. Not for tables."""
    line = " ".join(str(text).split())
    fence = "`" * (1 + max(map(len, _TICKS.findall(line)), default=0))
    return f"{fence} {line} {fence}" if line[:1] == "`" or line[-1:] == "`" else f"{fence}{line}{fence}"
