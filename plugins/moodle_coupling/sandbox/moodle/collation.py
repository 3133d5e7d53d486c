"""How a site's database compares texts.

To MariaDB (utf8mb4_unicode_ci) case, accents and trailing spaces count for nothing; PostgreSQL compares exactly. A search
(LIKE) is the same to both.
"""

from __future__ import annotations

import functools
import re
import unicodedata

# Letters that Unicode does not decompose and this collation yet sees as their base letters.
_ALIKE = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "ħ": "h", "ŧ": "t"})
_BEYOND = "\ufffd"
MARIADB, POSTGRESQL = DATABASES = ("mariadb", "postgresql")


def equality_key(value: str, database: str) -> str:
    """Return a key that is equal for two texts exactly where the ``=`` of that database holds for them."""
    return value if database == POSTGRESQL else collation_key(value)


@functools.lru_cache(maxsize=65536)
def collation_key(value: str) -> str:
    """Return a key that is equal for two texts exactly where MariaDB's ``=`` holds for them.

    An approximation of the Unicode 4.0 weights: right for Latin, Greek and Cyrillic names. All characters beyond the
    basic plane (emoji) are one and the same to this collation, as on a real site.
    """
    if value.isascii():
        return value.lower().rstrip(" ")
    plain = unicodedata.normalize("NFKD", value).casefold().translate(_ALIKE)
    return "".join(_BEYOND if ord(c) > 0xFFFF else c for c in plain if not _ignored(c)).rstrip(" ")


def _ignored(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Mn", "Me", "Cf") or (kind == "Cc" and character not in "\t\n\v\f\r")


def like(value: str, pattern: str) -> bool:
    r"""Return Moodle's case-insensitive, accent-sensitive LIKE: ``%``, ``_`` and the escape ``\``."""
    return _like_pattern(pattern).fullmatch(value.lower()) is not None


@functools.lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    characters = iter(pattern.lower())
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters, "\\")))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    return re.compile("".join(parts), re.DOTALL)
