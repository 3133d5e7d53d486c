"""Yes and no, in all the ways in which files, databases and programs write them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

TRUE_WORDS: Final = ("ja", "j", "true", "t", "yes", "y", "waar", "x")
FALSE_WORDS: Final = ("nee", "n", "false", "f", "no", "onwaar")
"""Words for yes and no, in any letter case: Dutch, English, and the letters of PostgreSQL's COPY."""

_NUMBER: Final = re.compile(r"(?:[+-]?0*(1)|[+-]?0+)(?:[.,]0*)?")
"""1 and 0 as numbers: Access writes -1 for yes, pandas 1.0 and 0.0."""

_WHITE: Final = "\t\n\r" + "".join(chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) == "Zs")


def read_flag(text: str) -> bool | None:
    """Return whether a text says yes; empty is no, and None means that it says neither.

    White space and invisible characters (zero-width spaces, byte order marks, soft hyphens) count for nothing, as in all other
    columns. A control character does: a lone 0x01 may be a yes of some program, and is never read as an empty cell.
    """
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    word = seen.strip(_WHITE).casefold()
    if not word or word in FALSE_WORDS:
        return False
    if word in TRUE_WORDS:
        return True
    number = _NUMBER.fullmatch(word)
    return bool(number[1]) if number else None
