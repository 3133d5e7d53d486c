"""Numbered usernames: who gets the bare name, and the smallest free number for everyone else."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from unidecode import unidecode

from moodle_coupling.people.arrow import pa, pc, to_texts
from moodle_coupling.people.usernames import MAX_USERNAME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray


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
    return taken | {unidecode(name).casefold() for name in taken if not name.isascii()}


def assign_usernames(bases: pd.Series, order: pd.Series, taken: Collection[str]) -> pd.Series:
    """Return a free username for every person, with the index of ``bases``.

    Persons choose one after another in the order of their id (:func:`id_order`), whatever the order of the rows: each
    takes the base if it is free, else the base with the smallest free number from 2 up. A base '' stays ''. No name is
    given twice and none of ``taken`` is given.

    ``order`` holds the person ids, row for row with ``bases``; ``taken`` the usernames that exist. Persons with the same
    id and the same base are told apart by nothing but their row.
    """
    names = bases.to_numpy(dtype=object)
    given = names.copy()
    contested = np.flatnonzero(_contested(bases, taken))
    ids = order.to_numpy(dtype=object)[contested]
    used = set(taken)
    next_number: dict[str, int] = {}
    for row in contested[id_order(ids, names[contested])]:
        base = names[row]
        name = base
        if name in used:
            number = next_number.get(base, 2)
            while (name := numbered(base, number)) in used:
                number += 1
            next_number[base] = number + 1
        used.add(name)
        given[row] = name
    return pd.Series(given, index=bases.index, name=bases.name, dtype="str")


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


def _contested(bases: pd.Series, taken: Collection[str]) -> NDArray[np.bool_]:
    """Return the rows that may not simply keep their base.

    A base that occurs once, is not taken and ends in no digit is safe: a numbered name always ends in a digit.
    """
    filled = bases.ne("").to_numpy(dtype=bool)
    repeated = bases.duplicated(keep=False).to_numpy(dtype=bool)
    digit = bases.str.slice(-1).isin(list("0123456789")).to_numpy(dtype=bool)
    known = bases.isin(list(taken)).to_numpy(dtype=bool) if taken else np.zeros(len(bases), dtype=bool)
    contested: NDArray[np.bool_] = filled & (repeated | digit | known)
    return contested
