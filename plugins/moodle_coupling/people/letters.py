"""Letters in ASCII; apart from the cleaning of columns, so that what handles one name at a time needs no pandas."""

from __future__ import annotations

from typing import Final

from unidecode import unidecode


class _Latin(dict[int, str]):
    """What Unidecode makes of each letter, asked once: it does so letter by letter, and asking costs most."""

    def __missing__(self, letter: int) -> str:
        self[letter] = found = unidecode(chr(letter))
        return found


_LATIN: Final = _Latin()


def in_ascii(text: str) -> str:
    """Return a text as Unidecode writes it."""
    return text if text.isascii() else text.translate(_LATIN)


def without_accents(text: str) -> str:
    """Return a text in small ASCII letters, as names are compared whatever their accents and letter case."""
    return in_ascii(text).casefold()
