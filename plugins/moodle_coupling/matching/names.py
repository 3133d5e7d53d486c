"""Usernames of a plan: numbered for new persons, and for accounts that the mapping says to rename."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from moodle_coupling.matching.accounts import ALWAYS_PROTECTED
from moodle_coupling.people.arrow import choose, equal, pa, to_series, to_texts, together
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.numbering import assign_usernames, names_in_the_way, numbered

if TYPE_CHECKING:
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts


def final_usernames(view: View, persons: Places) -> Texts:
    """Give the username that each of ``persons`` (places) gets: free in Moodle and in this plan.

    Who gets the bare name is decided by the source's id, so that neither the order nor the rest of the file matters.
    Moodle's own names are never free: its Users report does not show the guest.
    """
    bases, ids, idnumbers = (view.mine(name).take(pa.array(persons)) for name in ("username", "person_id", "idnumber"))
    order = choose(is_nothing(ids), idnumbers, ids)
    names = together(view.theirs("username"), pa.array(ALWAYS_PROTECTED, type=pa.large_string()))
    return to_texts(assign_usernames(to_series(bases), to_series(order), names_in_the_way(names, bases)))


def carries(username: str, base: str) -> bool:
    """Tell whether a username is ``base``, bare or with a number behind it."""
    if username == base:
        return True
    digits = re.search(r"[0-9]*$", username)
    tail = digits.group() if digits else ""
    numbers = (tail[at:] for at in range(len(tail)))
    return any(number[0] != "0" and int(number) >= 2 and numbered(base, int(number)) == username for number in numbers)


def to_rename(view: View, mine: Places, theirs: Places) -> Mask:
    """Tell of which of these persons, each with an account, that account's username is not theirs any more."""
    other = np.zeros(len(mine), dtype=bool)
    if not view.mapping.username.rename:
        return other
    bases, names = view.mine("username").take(pa.array(mine)), view.theirs("username").take(pa.array(theirs))
    some = np.flatnonzero(~is_nothing(bases) & ~equal(names, bases))
    doubtful = zip(*(texts.take(pa.array(some)).to_pylist() for texts in (bases, names)), strict=True)
    other[some] = [not carries(name.strip().casefold(), base) for base, name in doubtful]
    return other
