"""Which accounts a person without a linked account points at, and by which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.mapping import UsernameRecipe
from moodle_coupling.matching.compare import folded, is_blank, loose

if TYPE_CHECKING:
    from moodle_coupling.mapping import Mapping

NEAR: Final = "idnumber"
EMAIL: Final = "email"
USERNAME: Final = "username"
IDENTIFYING: Final = frozenset({UsernameRecipe.EMAIL, UsernameRecipe.EXTERN_ID})
"""Recipes whose username identifies a person; one made from a name does not."""


def find_points(persons: pd.DataFrame, accounts: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """Give one row per person, key and account pointed at.

    ``p`` and ``a`` are the frames' index labels, ``key`` is one of NEAR, EMAIL, USERNAME.

    ``persons`` are those of whom no account has the exact idnumber.
    """
    near = pairs(folded(persons["idnumber"]), folded(accounts["idnumber"]))
    emails = _email_points(persons, accounts, shared=mapping.matching.shared_email)
    usernames = _username_points(persons, accounts, identifying=mapping.username.recipe in IDENTIFYING)
    return pd.concat(
        [near.assign(key=NEAR), emails.assign(key=EMAIL), usernames.assign(key=USERNAME)], ignore_index=True
    ).sort_values(["p", "a", "key"], ignore_index=True)


def pairs(left: pd.Series[str], right: pd.Series[str]) -> pd.DataFrame:
    """Give the index labels ``p`` of left and ``a`` of right whose texts are equal and not empty."""
    persons = pd.DataFrame({"text": left.to_numpy(), "p": left.index}).loc[lambda frame: frame["text"] != ""]
    accounts = pd.DataFrame({"text": right.to_numpy(), "a": right.index})
    return persons.merge(accounts, on="text")[["p", "a"]]


def _email_points(persons: pd.DataFrame, accounts: pd.DataFrame, *, shared: bool) -> pd.DataFrame:
    if not shared:
        return pairs(folded(persons["email"]), folded(accounts["email"]))
    # Address and name in one key: an address of a whole department would otherwise pair everyone with everyone.
    ours, theirs = _address_and_name(persons), _address_and_name(accounts)
    return pairs(ours, theirs)


def _address_and_name(people: pd.DataFrame) -> pd.Series[str]:
    emails = folded(people["email"])
    if not {"firstname", "lastname"} <= set(people.columns):
        return emails.where(emails == "", "")
    names = loose(people["firstname"] + people["lastname"])
    keys = emails + "\n" + names
    return keys.where((emails != "") & (names != ""), "")


def _username_points(persons: pd.DataFrame, accounts: pd.DataFrame, *, identifying: bool) -> pd.DataFrame:
    # A name makes a question only while the account has no idnumber; otherwise the two are namesakes.
    asked = accounts if identifying else accounts[is_blank(accounts["idnumber"])]
    return pairs(folded(persons["username"]), folded(asked["username"]))
