"""Keys under which an account is found: those that a look-up can ask for, and those that must be kept to be known.

PostgreSQL looks ID numbers and addresses up exactly, so ``SP-MIXED`` does not find ``Sp-Mixed`` there; on no database
does ``A1`` find `` A1``. A run for what changed asks in a few spellings (:func:`spellings`); an account whose key is
none of them is *odd*, and its key is kept from the last reading of everyone (docs/decisions/0024).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final, Protocol

import pandas as pd
from unidecode import unidecode

from moodle_coupling.provisioning.lookups import can_look_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


_DIGITS: Final = "0123456789"
_BEGINNING: Final = 90
"""A long username is cut to make place for its number; its beginning stays."""


class AccountKeys(Protocol):
    """Keeps odd keys of accounts from one reading to the next; frames have ``account_id`` (int64) and ``key`` (str)."""

    def highest(self) -> int | None:
        """Give the highest account id that is known; None when everyone must be read anew."""

    def accounts_with(self, keys: Iterable[str]) -> Collection[int]:
        """Give the ids of accounts that had one of these keys when they were read."""

    def keep_everyone(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep these keys, of everyone, in the place of all others."""

    def keep_more(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep these keys too."""


def spellings(field: str, value: str) -> tuple[str, ...]:
    """Give the spellings in which a value of ``idnumber`` or ``email`` is looked up."""
    small = folded(value)
    return (value.strip(), small, small.upper()) if field == "idnumber" else (value.strip(), small)


def is_odd(field: str, text: str) -> bool:
    """Tell whether some spelling of the same key (idnumber, email) would not find an account that has it as ``text``.

    ASCII in small letters, for an idnumber also in capitals, is found by every spelling: folding and ``upper`` give that
    text back.
    """
    if not text:
        return False
    if not text.isascii() or not can_look_up(field, text):
        return True
    return text != text.lower() and (field != "idnumber" or text != text.upper())


def name_key(username: str) -> str:
    """Give a key that a username shares with every name that it may stand in the way of: jose, José and jose2."""
    return f"username {unidecode(username).casefold().rstrip(_DIGITS)[:_BEGINNING]}"


def key(field: str, text: str) -> str:
    """Give the key that is equal for equal ID numbers or e-mail addresses."""
    return f"{field} {folded(text)}"


def is_odd_name(username: str) -> bool:
    """Tell whether a username stands in the way of names that do not find it (a site with extendedusernamechars)."""
    return not username.isascii() or username != folded(username)


def odd_keys(accounts: pd.DataFrame) -> pd.DataFrame:
    """Give ``account_id`` and ``key`` of every odd key of these accounts (``id``, ``idnumber``, ``email``, ``username``)."""
    # Lists: to go through a column of Arrow texts itself takes five times as long.
    ids = accounts["id"].tolist()
    pairs = [
        (id_, key(field, text))
        for field in ("idnumber", "email")
        for id_, text in zip(ids, accounts[field].tolist(), strict=True)
        if is_odd(field, text)
    ]
    pairs += [
        (id_, name_key(username))
        for id_, username in zip(ids, accounts["username"].tolist(), strict=True)
        if is_odd_name(username)
    ]
    return pd.DataFrame(
        {
            "account_id": pd.Series([id_ for id_, _ in pairs], dtype="int64"),
            "key": pd.Series([text for _, text in pairs], dtype="str"),
        }
    )


def has_odd_keys(accounts: pd.DataFrame) -> pd.Series[bool]:
    """Tell which rows (``email``, ``username``) have an odd address or name."""
    pairs = zip(accounts["email"].tolist(), accounts["username"].tolist(), strict=True)
    odd = [is_odd("email", email) or is_odd_name(username) for email, username in pairs]
    return pd.Series(odd, index=accounts.index, dtype="bool")


def folded(text: str) -> str:
    """Give a key that is equal where matching takes two texts for the same."""
    return unicodedata.normalize("NFC", text).strip().casefold()


def all_folded(texts: Iterable[str]) -> set[str]:
    """Give the folded keys of texts, without the empty one."""
    return {key for text in texts if (key := folded(text))}


def is_among(texts: pd.Series[str], keys: Collection[str]) -> pd.Series[bool]:
    """Tell which texts have one of these folded keys; ``isin`` takes seconds on 200,000 Arrow strings."""
    return pd.Series([folded(text) in keys for text in texts], index=texts.index, dtype="bool")
