"""When two texts are the same to Moodle, and when two names are those of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from unidecode import unidecode

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_COUNTRY: Final = "0"
"""What Moodle stores for a country it does not know (seen on 5.1)."""


def plain(texts: pd.Series[str]) -> pd.Series[str]:
    """Give texts as they count: Unicode NFC, without surrounding spaces."""
    return texts.str.normalize("NFC").str.strip()


def folded(texts: pd.Series[str]) -> pd.Series[str]:
    """Give texts without surrounding spaces and letter case."""
    return plain(texts).str.casefold()


def loose(texts: pd.Series[str]) -> pd.Series[str]:
    """Give names without letter case, diacritics and spaces: Jürgen and JURGEN are the same."""
    return texts.map(lambda text: "".join(unidecode(text).casefold().split())).astype("str")


def is_blank(texts: pd.Series[str]) -> pd.Series[bool]:
    """Tell which texts are empty or only spaces."""
    return texts.str.strip() == ""


def differs(field: str, old: pd.Series[str], new: pd.Series[str]) -> pd.Series[bool]:
    """Tell where writing ``new`` would change what Moodle holds in ``field``.

    Surrounding spaces, the Unicode form and the letter case of an e-mail address are no difference. Entities are: Moodle
    stores ``&amp;`` as it was sent and gives it back so (seen on 5.1), hence it is not the same as ``&``.
    """
    found = old != new
    # The dear comparison only where the cheap one sees a difference: usually a few of many.
    some_old, some_new = plain(old[found]), plain(new[found])
    if field == "email":
        some_old, some_new = some_old.str.casefold(), some_new.str.casefold()
    really = some_old != some_new
    if field == "country":
        # An unknown country is stored as 0 again and again: sending it every night changes nothing.
        really &= ~((some_old == UNKNOWN_COUNTRY) & ~some_new.str.fullmatch("[A-Z]{2}"))
    found[found] = really
    return found


def is_empty(field: str, values: pd.Series[str]) -> pd.Series[bool]:
    """Tell where Moodle holds nothing in ``field``."""
    empty = is_blank(values)
    return empty | (values == UNKNOWN_COUNTRY) if field == "country" else empty
