"""A run for only some persons: who they are, and who else must be looked at to judge them rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.people.arrow import is_blank, is_in, pa, pc, to_texts
from moodle_coupling.people.cleaning import folded

if TYPE_CHECKING:
    from collections.abc import Collection

_IDS: Final = ("person_id", "extern_id", "idnumber")


def chosen(candidates: pd.DataFrame, ids: Collection[str]) -> pd.Series:
    """Tell which candidates are meant by ``ids``: each id may be a person id, an extern id or an idnumber.

    Returns a bool series on the index of ``candidates``.
    """
    wanted = {id_.strip() for id_ in ids if id_.strip()}
    found = candidates[_IDS[0]].isin(wanted)
    for column in _IDS[1:]:
        found |= candidates[column].isin(wanted)
    return found


def only_asked(plan: pd.DataFrame, ids: Collection[str], account_ids: Collection[int]) -> pd.DataFrame:
    """Give the rows of a plan (PLAN_COLUMNS) for these persons and accounts, and those that the same decisions bring along."""
    asked = chosen(plan, ids) & plan["row"].notna()
    asked |= plan["row"].isna() & plan["account_id"].isin(list(account_ids)).fillna(value=False)
    obeyed = plan.loc[asked, "decision"].dropna()
    together = plan["decision"].isin(obeyed).fillna(value=False)
    return plan[asked | together].reset_index(drop=True)


def unknown_ids(candidates: pd.DataFrame, ids: Collection[str]) -> list[str]:
    """Give the ids, in the order asked, that no candidate has."""
    known: set[str] = set()
    for column in _IDS:
        known.update(candidates[column])
    return [id_ for id_ in dict.fromkeys(text.strip() for text in ids) if id_ and id_ not in known]


def neighbourhood(candidates: pd.DataFrame, ids: Collection[str]) -> pd.DataFrame:
    """Give the chosen candidates and everyone beside them."""
    mask = chosen(candidates, ids)
    return candidates[mask | beside(candidates, mask)].reset_index(drop=True)


def beside(candidates: pd.DataFrame, mask: pd.Series[bool]) -> pd.Series[bool]:
    """Tell who shares an idnumber, e-mail address or base username with one of ``mask``, or has its other id as idnumber.

    Judged alone, a person with a double would look single, and a namesake would get the other's username. Letter case
    and surrounding spaces do not count, as in matching.
    """
    near = np.zeros(len(candidates), dtype=bool)
    chosen_, some = mask.to_numpy(dtype=bool), pa.array(mask.to_numpy(dtype=bool))
    if not chosen_.any():
        return pd.Series(near, index=candidates.index, dtype="bool")
    for column in ("idnumber", "email", "username"):
        values = folded(to_texts(candidates[column]))
        near |= is_in(values, pc.unique(values.filter(some))) & ~is_blank(values)
    idnumbers = to_texts(candidates["idnumber"])
    near |= is_in(idnumbers, pc.unique(to_texts(candidates["other_id"]).filter(some))) & ~is_blank(idnumbers)
    return pd.Series(near & ~chosen_, index=candidates.index, dtype="bool")
