"""Usernames of a plan: numbered for new persons, and for accounts that the mapping says to rename."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.matching.accounts import ALWAYS_PROTECTED
from moodle_coupling.people.numbering import assign_usernames, numbered, taken_names

if TYPE_CHECKING:
    from moodle_coupling.matching.view import View


def final_usernames(view: View, persons: pd.Index[int]) -> pd.Series[str]:
    """Give the username that each of ``persons`` (index labels) gets: free in Moodle and in this plan.

    Who gets the bare name is decided by the source's id, so that neither the order nor the rest of the file matters.
    Moodle's own names are never free: its Users report does not show the guest.
    """
    some = view.persons.loc[persons]
    order = some["person_id"].where(some["person_id"] != "", some["idnumber"])
    return assign_usernames(some["username"], order, taken_names([*view.accounts["username"], *ALWAYS_PROTECTED]))


def carries(username: str, base: str) -> bool:
    """Tell whether a username is ``base``, bare or with a number behind it."""
    if username == base:
        return True
    digits = re.search(r"[0-9]*$", username)
    tail = digits.group() if digits else ""
    numbers = (tail[at:] for at in range(len(tail)))
    return any(number[0] != "0" and int(number) >= 2 and numbered(base, int(number)) == username for number in numbers)


def to_rename(view: View, at: pd.Series[int]) -> pd.Index[int]:
    """Give the persons of ``at`` (person's label → account's label) whose account's username is not theirs any more."""
    if not view.mapping.username.rename:
        return at.index[:0]
    bases = view.persons["username"].loc[at.index]
    present = view.accounts["username"].loc[at].set_axis(at.index)
    other = [
        base != "" and not carries(name.strip().casefold(), base) for base, name in zip(bases, present, strict=True)
    ]
    return at.index[pd.Series(other, dtype="bool").to_numpy()]
