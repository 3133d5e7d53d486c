"""Base usernames: what each recipe makes of a person, before names that are taken get a number."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.people.arrow import as_mask, blank_where, change_where, choose, is_blank, join, pc, rows_with
from moodle_coupling.people.letters import in_ascii

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moodle_coupling.mapping import Username
    from moodle_coupling.people.arrow import Mask, Texts

MAX_USERNAME: Final = 100
"""Width of mdl_user.username; one more is refused with dmlwriteexception (recordings 052 and 053)."""

KEPT: Final = "a-z0-9._@-"
"""What Moodle's PARAM_USERNAME lets through, for a regular expression's character class."""

_DROPPED: Final = f"[^{KEPT}]+"
_CHANGES: Final = np.array([not re.fullmatch(f"[{KEPT}]", chr(byte)) for byte in range(256)])


def base_usernames(columns: Mapping[str, Texts], settings: Username) -> Texts:
    """Return each person's username before numbering; '' where the recipe makes nothing.

    Steps, in this order: per part the mapping's own transliterations, Unidecode, lower-case, drop what Moodle forbids
    (so spaces vanish and hyphens stay); join the parts that are left; trim and collapse separators; cut at 100.
    A result without any letter or digit is no username. Every result matches ``^[a-z0-9._@-]{0,100}$``.

    ``columns`` holds the cleaned texts of firstname, infix, lastname (surname only), initials, email and extern_id.
    """
    recipe = RECIPES[settings.recipe]
    length = len(columns["lastname"])
    parts = {name: _part(name, columns, settings.transliterate) for name in recipe.parts}
    joined = _join(list(parts.values()), settings.separator)
    joined = _tidy(joined, settings.separator)
    joined = pc.utf8_slice_codeunits(joined, 0, MAX_USERNAME) if length else joined
    bare = is_blank(pc.ascii_trim(joined, characters="._@-"))
    if recipe.needs:
        # Asked for by name, so a person without it is told so.
        bare |= is_blank(pc.ascii_trim(parts[recipe.needs], characters="._@-"))
    return blank_where(joined, bare)


def plain(texts: Texts, transliterate: Mapping[str, str]) -> Texts:
    """Return texts after the mapping's transliterations, Unidecode, lower-case and dropping what Moodle forbids."""
    work = rows_with(texts, _CHANGES)
    work |= _mentioned(texts, transliterate)
    return change_where(texts, work, plain_maker(transliterate))


def plain_maker(transliterate: Mapping[str, str]) -> Callable[[str], str]:
    """Return the function that does to one text what :func:`plain` does to many."""
    table = _with_capitals(transliterate)
    forms = sorted(table, key=len, reverse=True)
    own = re.compile("|".join(map(re.escape, forms))) if forms else None
    dropped = re.compile(_DROPPED)

    def make(text: str) -> str:
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if own is not None:
            text = own.sub(lambda found: table[found.group()], text)
        if not text.isascii():
            text = in_ascii(text)
        return dropped.sub("", text.lower())

    return make


def _with_capitals(transliterate: Mapping[str, str]) -> dict[str, str]:
    """Return the table in NFC with its capitals: ``ü: ue`` holds for ``Ü`` too, unless the table says otherwise."""
    own = {unicodedata.normalize("NFC", key): value for key, value in transliterate.items() if key}
    capitals = {
        form: value
        for key, value in own.items()
        for form in (key.upper(), key.capitalize())
        # 'ß' has 'SS' for a capital: that would change every SS.
        if len(form) == len(key)
    }
    return capitals | own


def _mentioned(texts: Texts, transliterate: Mapping[str, str]) -> Mask:
    """Return which texts need the mapping's table though all their characters are allowed as they are."""
    mask = np.zeros(len(texts), dtype=bool)
    for key in transliterate:
        lower = key.lower()
        if key and re.fullmatch(f"[{KEPT}]+", lower):
            mask |= as_mask(pc.match_substring(texts, lower))
    return mask


def _part(name: str, columns: Mapping[str, Texts], transliterate: Mapping[str, str]) -> Texts:
    if name == "initial":
        return _initial(columns, transliterate)
    return plain(columns[name], transliterate)


def _initial(columns: Mapping[str, Texts], transliterate: Mapping[str, str]) -> Texts:
    initials, first = (
        pc.ascii_ltrim(plain(columns[name], transliterate), characters="._@-") for name in ("initials", "firstname")
    )
    chosen = choose(is_blank(initials), first, initials)
    return pc.utf8_slice_codeunits(chosen, 0, 1) if len(chosen) else chosen


def _join(parts: list[Texts], separator: str) -> Texts:
    joined = parts[0]
    for part in parts[1:]:
        between = choose(~is_blank(joined) & ~is_blank(part), separator, "")
        joined = join(joined, between, part)
    return joined


def _tidy(joined: Texts, separator: str) -> Texts:
    if not separator:
        return joined
    double = as_mask(pc.match_substring(joined, separator * 2))
    runs = re.compile(re.escape(separator) + "{2,}")
    joined = change_where(joined, double, lambda text: runs.sub(separator, text))
    return pc.ascii_trim(joined, characters=separator)
