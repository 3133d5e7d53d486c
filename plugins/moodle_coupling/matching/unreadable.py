"""Accounts that are there and that Moodle cannot show: their persons are not new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.compare import folded

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = {"idnumber": "idnumber", "email": "e-mail"}
"""Keys by which such an account is a person's; a username is not one, for the recipe makes none that Moodle cannot show."""
MEND = "Give it a username that the site allows, in Moodle; then it is compared as every other."


def find_unreadable(
    persons: pd.DataFrame, values: Iterable[tuple[str, str]], links: pd.DataFrame | None, *, shared_email: bool
) -> pd.Series[str]:
    """Give, by person's label, the start of a sentence on the account that is there: its key, and its number where known.

    ``values``: (field, value) for which Moodle had no answer. ``links``: what the ledger knows, with ``account_id`` and
    ``idnumber``. Where addresses may be shared, one says nothing about whose the account is.
    """
    keys = list(values)
    found: dict[int, str] = {}
    for key in (
        ("idnumber",) if shared_email else ("email", "idnumber")
    ):  # an idnumber says more: it comes last, and wins
        asked = {value.strip().casefold() for name, value in keys if name == key}
        texts = folded(persons[key]) if asked else persons[key].iloc[:0]
        for p in texts.index[texts.isin(asked - {""})]:
            found[p] = f"{_account(links, str(persons['idnumber'][p]))} with {_WORDS[key]} '{persons[key][p]}'"
    return pd.Series(found, index=pd.Index(list(found), dtype=persons.index.dtype), dtype="str")


def tell_unreadable(judged: pd.DataFrame, unreadable: pd.Series[str]) -> pd.DataFrame:
    """Say of whom the account cannot be read, whatever else was found of a person without one: nothing is written."""
    some = judged.index.intersection(unreadable.index)
    if some.empty:
        return judged
    judged = judged.copy()
    judged.loc[some, "verdict"] = Verdict.UNREADABLE.value
    judged.loc[some, "evidence"] = (
        unreadable[some]
        + " is there, and Moodle cannot show it: most likely its username is not "
        + (f"allowed there any more. {MEND}")
    )
    judged.loc[some, "a"] = pd.NA
    judged.loc[some, "proposal"] = ""
    judged.loc[some, "may_link"] = False
    judged["others"] = [[] if at in some else others for at, others in judged["others"].items()]
    return judged


def _account(links: pd.DataFrame | None, idnumber: str) -> str:
    known = [] if links is None else list(links.loc[links["idnumber"] == idnumber, "account_id"])
    return f"Account {int(known[0])}" if known else "An account"
