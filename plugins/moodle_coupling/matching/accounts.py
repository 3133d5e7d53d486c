"""The accounts frame, made from accounts as read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.contract.frames import ACCOUNTS
from moodle_coupling.errors import SettingError
from moodle_coupling.people.frames import empty
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.contract.account import Account

REQUIRED: Final = ("id", "username", "email", "idnumber")
ALWAYS_PROTECTED: Final = ("admin", "guest")


def accounts_frame(accounts: Iterable[Account]) -> pd.DataFrame:
    """Give the accounts frame of accounts as read back: ``id``, the text columns, ``suspended`` and profile fields.

    An absent profile field is ''. Raises SettingError when not one account shows its e-mail address: hidden is not
    empty, and everyone would look new.
    """
    rows = list(accounts)
    if rows and all(account.email is None for account in rows):
        raise SettingError(Sentence("accounts.no_addresses"))
    frame = pd.DataFrame({"id": pd.Series([account.id for account in rows], dtype="int64")})
    for name in TEXT_FIELDS:
        frame[name] = pd.Series([account.value(name) or "" for account in rows], dtype="str")
    frame["suspended"] = pd.Series([account.suspended is True for account in rows], dtype="bool")
    shortnames = sorted({name for account in rows for name in account.profile})
    for shortname in shortnames:
        values = [account.profile.get(shortname, "") for account in rows]
        frame[PROFILE_PREFIX + shortname] = pd.Series(values, dtype="str")
    return frame.sort_values("id", ignore_index=True)


def no_accounts() -> pd.DataFrame:
    """Give the accounts frame of an empty Moodle."""
    return empty(ACCOUNTS)
