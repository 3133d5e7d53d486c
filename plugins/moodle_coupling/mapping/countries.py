"""Countries as people write them: names in the languages of Europe and codes of three letters become Moodle's two letters."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from moodle_coupling.contract.fields import COUNTRIES

_LANGUAGES: Final = "nl en de fr es it pt pl tr da sv nb fi cs hu ro el ar uk ru fy"
LANGUAGES: Final = _LANGUAGES.split()
"""Whose names of countries are read; from Babel (Unicode CLDR)."""
_LONGEST: Final = 80
"""Letters of a country's name; what is longer is like none."""
_ARTICLES: Final = frozenset({"the", "de", "het", "die", "der", "la", "le", "les"})
_UNCLEAR: Final = {"uk": "GB"}
"""What is often meant otherwise than it is written; only suggested."""


def to_code(text: str) -> str:
    """Give the code (ISO 3166-1 alpha-2) of the one country that a text names, else the text.

    It names one by its name, a code of three letters, or two letters of any case.
    """
    if text in COUNTRIES:
        return text
    if len(text) == 2:
        return text.upper() if text.isascii() and text.upper() in COUNTRIES else text
    return _codes().get(_plain(text)) or text


def likeliest(text: str) -> str:
    """Give the code of the country whose name or code looks most like a text, '' when none is near."""
    import difflib

    known, plain = _codes(), _plain(text)
    if plain.upper() in COUNTRIES:
        return plain.upper()
    if plain in known or not 4 <= len(plain) <= _LONGEST:
        return known.get(plain) or _UNCLEAR.get(plain, "")
    close = difflib.get_close_matches(plain, known, n=1, cutoff=0.85)
    return known[close[0]] if close else ""


def _plain(text: str) -> str:
    """Give a name without case, diacritics, dots and the article in front: how names are compared."""
    spelled = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(sign for sign in spelled if not unicodedata.combining(sign) and sign not in ".'’")
    words = bare.replace("-", " ").replace("&", " ").split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


@cache
def _codes() -> dict[str, str]:
    """Give the code of each name, whatever the language; '' where it means several countries."""
    from babel import Locale
    from babel.core import get_global

    meant: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if code in COUNTRIES:
                meant.setdefault(_plain(str(name)), set()).add(code)
    for alias, codes in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(codes) == 1 and codes[0] in COUNTRIES:
            meant.setdefault(alias.casefold(), set()).update(codes)
    return {name: codes.pop() if len(codes) == 1 else "" for name, codes in meant.items()}
