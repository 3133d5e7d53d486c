"""Texts that passed through a spreadsheet on their way to a file or a table: ``="00123"``, ``'00124``, ``#N/A``, ``########``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.people.arrow import as_mask, bytes_of, change_where, pc
from moodle_coupling.sources.headings import ID_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts

_ERRORS: Final = (
    r"^\s*#(?:N/?A|N/B|NB|REF!|VERW!|VALUE!|WAARDE!|NAME\?|NAAM\?|NULL!|LEEG!|NUM!|GETAL!|DIV/0!|DEEL/0!|SPILL!|OVERLOOP!|CALC!|BEREKENEN!"
    r"|GETTING_DATA|FIELD!|VELD!|BLOCKED!|CONNECT!|UNKNOWN!|EXTERNAL!|BUSY!|#+)\s*$"
)
"""What Excel shows where a formula fails (English and Dutch) or a column is too narrow for a number."""
_QUOTED: Final = re.compile(r'\s*="((?:[^"]|"")*)"\s*', re.DOTALL)
_MARKED: Final = re.compile(r"\s*'(?=[=+@-]|[0-9][0-9 ./,+-]*\Z)")
_MARKED_ID: Final = re.compile(r"\s*'(?=[0-9A-Za-z=+@-])")


def is_error(texts: Texts) -> Mask:
    """Return which texts are an error of a spreadsheet and not what stood in the cell."""
    suspect = _begins_with(texts, b"#")
    return as_mask(pc.match_substring_regex(texts, _ERRORS)) if suspect.any() else suspect


def as_meant(name: str, texts: Texts) -> Texts:
    """Return the texts of a column without the marks by which Excel keeps a number a text: ``="00123"`` and ``'00124``.

    An apostrophe is only such a mark before a number or a formula sign, in a column of ids before any letter: ``'t Hart`` stays.
    """
    suspect = _begins_with(texts, b"='")
    if not suspect.any():
        return texts
    marked = _MARKED_ID if name in ID_COLUMNS else _MARKED

    def meant(text: str) -> str:
        quoted = _QUOTED.fullmatch(text)
        return quoted[1].replace('""', '"') if quoted else marked.sub("", text, count=1) if marked.match(text) else text

    return change_where(texts, suspect, meant)


def _begins_with(texts: Texts, letters: bytes) -> Mask:
    """Return which texts begin with one of these ASCII letters, or with a space, which may stand before one."""
    data, offsets = bytes_of(texts)
    filled: NDArray[np.intp] = np.flatnonzero(offsets[1:] > offsets[:-1])
    mask = np.zeros(len(texts), dtype=bool)
    wanted = np.zeros(256, dtype=bool)
    wanted[list(letters + b" ")] = True
    mask[filled] = wanted[data[offsets[:-1][filled]]]
    return mask
