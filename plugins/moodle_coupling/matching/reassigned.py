"""Accounts whose idnumber is a person's, and of which nothing else says that they are that person's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.matching.compare import folded
from moodle_coupling.matching.likeness import Identity, has_another_name, is_somebody_else

if TYPE_CHECKING:
    from moodle_coupling.matching.view import View

_NAMES = ("firstname", "lastname")
_COMPARED = (*_NAMES, "email")
_LONGEST = 200
"""Characters of a name or address that are compared: Moodle's columns hold 100, and words are compared each with each."""


def reassigned(view: View, at: pd.Series[int]) -> pd.Series[str]:
    """Give why the account seems somebody else's, by person's label; only those of whom it does.

    ``at``: person's label → label of the account that has the idnumber. Names are judged (docs/decisions/0019) only where a
    plain comparison of whole columns leaves a doubt: usually a few of many.
    """
    if not set(_NAMES) <= set(view.accounts.columns):
        return pd.Series(index=at.index[:0], dtype="str")
    persons = view.persons.loc[at.index]
    accounts = view.accounts.loc[at].set_axis(at.index)
    known = view.known_person.loc[at].set_axis(at.index)
    first, last = (persons[name] != accounts[name] for name in _NAMES)
    elsewhere = (known != "") & (persons["person_id"] != "") & (known != persons["person_id"]) & (first | last)
    doubtful = elsewhere | (first & last & (persons["email"] != accounts["email"]))
    doubtful[doubtful] = elsewhere[doubtful] | (
        folded(persons["email"][doubtful]) != folded(accounts["email"][doubtful])
    )
    some = doubtful.index[doubtful]
    reasons: dict[int, str] = {}
    for p, mine, theirs, other in zip(
        some,
        _identities(persons.loc[some]),
        _identities(accounts.loc[some]),
        known.where(elsewhere, "").loc[some],
        strict=True,
    ):
        if other and has_another_name(mine, theirs):
            reasons[p] = f"this coupling knows it as person {other}'s, and the name differs"
        elif is_somebody_else(mine, theirs):
            reasons[p] = "first name, last name and e-mail address all differ"
    return pd.Series(reasons, index=pd.Index(list(reasons), dtype=at.index.dtype), dtype="str")


def _identities(frame: pd.DataFrame) -> list[Identity]:
    return [
        Identity(*(text.strip()[:_LONGEST] for text in texts))
        for texts in zip(*(frame[name] for name in _COMPARED), strict=True)
    ]
