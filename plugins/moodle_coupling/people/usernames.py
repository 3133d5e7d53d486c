"""Base usernames: what each recipe makes of a person, before names that are taken get a number."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.people.arrow import (
    as_mask,
    blank_where,
    change_where,
    choose,
    equal,
    is_blank,
    is_in,
    join,
    not_ascii,
    pa,
    pc,
    rows_with,
    to_series,
    to_texts,
    together,
)
from moodle_coupling.people.cleaning import folded
from moodle_coupling.people.letters import in_ascii, without_accents

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from numpy.typing import NDArray

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


_DIGITS: Final = 8
"""Digits of a number behind a name; there are no more people than that."""


def numbered(base: str, number: int) -> str:
    """Return ``base`` with ``number`` behind it, cut so that the whole is at most 100 characters."""
    tail = str(number)
    return base[: MAX_USERNAME - len(tail)] + tail


def taken_names(usernames: Iterable[str]) -> set[str]:
    """Return the names that these usernames of accounts stand in the way of.

    MariaDB compares without accents: ``josé`` (a site with extendedusernamechars) blocks ``jose`` (recording 050).
    PostgreSQL would take both; a name is given or not whatever the database.
    """
    taken = {unicodedata.normalize("NFC", name).strip().casefold() for name in usernames}
    return taken | {without_accents(name) for name in taken if not name.isascii()}


def names_in_the_way(usernames: Texts, bases: Texts) -> set[str]:
    """Return those of ``taken_names`` that are one of the bases, or one with a number behind it; others do not matter to them."""
    names = folded(usernames)
    odd = not_ascii(names)
    if odd.any():
        some = names.filter(pa.array(odd)).to_pylist()
        names = together(names, pa.array([without_accents(name) for name in some], type=pa.large_string()))
    # A number takes the place of a long base's end.
    longest = pc.max(pc.utf8_length(bases)).as_py() or 0
    cuts = range(max(0, longest + _DIGITS - MAX_USERNAME) + 1) if longest + _DIGITS > MAX_USERNAME else (0,)
    stems = [_stems(pc.utf8_slice_codeunits(bases, 0, MAX_USERNAME - cut)) for cut in cuts] if len(bases) else []
    return set(names.filter(pa.array(is_in(_stems(names), together(*stems)))).to_pylist()) if stems else set()


def _stems(names: Texts) -> Texts:
    return pc.ascii_rtrim(names, characters="0123456789")


def assign_usernames(bases: pd.Series, order: pd.Series, taken: Collection[str]) -> pd.Series:
    """Return a free username for every person, with the index of ``bases``.

    Persons choose one after another in the order of their id (:func:`id_order`), whatever the order of the rows: each
    takes the base if it is free, else the base with the smallest free number from 2 up. A base '' stays ''. No name is
    given twice and none of ``taken`` is given.

    ``order`` holds the person ids, row for row with ``bases``; ``taken`` the usernames that exist. Persons with the same
    id and the same base are told apart by nothing but their row.
    """
    texts = to_texts(bases)
    mask = _contested(texts, taken)
    names, ids = (column.filter(pa.array(mask)).to_numpy(zero_copy_only=False) for column in (texts, to_texts(order)))
    given = names.copy()
    used = set(taken)
    next_number: dict[str, int] = {}
    for row in id_order(ids, names).tolist():
        base = name = names[row]
        if name in used:
            number = next_number.get(base, 2)
            if len(base) + _DIGITS > MAX_USERNAME:
                while (name := numbered(base, number)) in used:
                    number += 1
            else:  # what numbered() gives where there is room; a frequent name takes thousands of steps
                while (name := f"{base}{number}") in used:
                    number += 1
            next_number[base] = number + 1
        used.add(name)
        given[row] = name
    found = to_series(pc.replace_with_mask(texts, pa.array(mask), pa.array(given, type=pa.large_string())))
    return pd.Series(found.array, index=bases.index, name=bases.name)


def id_order(ids: NDArray[np.object_], bases: NDArray[np.object_] | None = None) -> NDArray[np.intp]:
    """Return the positions that put person ids in order: numbers by size, then other texts, then those without id.

    Numbers of the same size (``7`` and ``007``) go by their text; equal ids by ``bases``.
    """
    if bases is None:
        bases = np.full(len(ids), "", dtype=object)
    plain_numbers = _as_small_numbers(ids)
    if plain_numbers is not None:
        return np.argsort(plain_numbers, kind="stable")
    keys = [_id_key(person_id) for person_id in ids]
    rows = sorted(range(len(ids)), key=lambda row: (keys[row], bases[row]))
    return np.asarray(rows, dtype=np.intp)


def _as_small_numbers(ids: NDArray[np.object_]) -> NDArray[np.int64] | None:
    """Return the ids as numbers when each is a different plain number below 10^18, else None."""
    texts = to_texts(pd.Series(ids, dtype="str"))
    if not len(ids) or not pc.all(pc.match_substring_regex(texts, "^[0-9]{1,18}$")).as_py():
        return None
    numbers: NDArray[np.int64] = pc.cast(texts, pa.int64()).to_numpy()
    ordered = np.sort(numbers)
    return None if (ordered[1:] == ordered[:-1]).any() else numbers


def _id_key(person_id: str) -> tuple[int, int, str, str]:
    if person_id.isascii() and person_id.isdigit():
        # By length and then by text is by size, for numbers of any length.
        digits = person_id.lstrip("0")
        return 0, len(digits), digits, person_id
    return (1 if person_id else 2), 0, person_id, person_id


def _contested(texts: Texts, taken: Collection[str]) -> Mask:
    """Return the rows that may not simply keep their base.

    A base that occurs once, is not taken and ends in no digit is safe: a numbered name always ends in a digit.
    """
    coded = pc.dictionary_encode(texts)
    repeated = np.bincount(coded.indices.to_numpy(), minlength=len(coded.dictionary)) > 1
    different = coded.dictionary
    numbered_ = ~equal(_stems(different), different)
    contested = (repeated | numbered_ | is_in(different, taken)) & ~is_blank(different)
    mask: Mask = contested[coded.indices.to_numpy()]
    return mask
