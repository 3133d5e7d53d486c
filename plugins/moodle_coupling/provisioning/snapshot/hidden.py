"""Hidden is not empty: what a token may not see must never be taken for what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.hooks.moodle.visibility import EMAIL_HIDDEN, HIDDEN_BY_SITE

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from moodle_coupling.hooks.moodle.types import Account

_ROLE: Final = "Allow it in the service user's role, in the system context, then run again. Nothing was written."
_EVERYONE_NEW: Final = "matching would take everyone for new"


def refuse_hidden(accounts: Iterable[Account]) -> None:
    """Raise MoodleAccessDenied when an account came back without what every account has, naming the capability.

    Without moodle/user:viewalldetails username and idnumber are missing together (seen on 4.5 and 5.1), and no account
    is without a username: so an idnumber that is not there beside a username is empty.
    """
    for account in accounts:
        if not account.username:
            raise MoodleAccessDenied(
                f"Account {account.id} came back without its username, so its ID number is hidden too: the token may not see "
                f"them, and {_EVERYONE_NEW}. The service user lacks moodle/user:viewalldetails. {_ROLE}"
            )
        if account.email is None:
            raise MoodleAccessDenied(
                f"Account {account.id} came back without its e-mail address: the token may not see it, and "
                f"{_EVERYONE_NEW}. {EMAIL_HIDDEN} {_ROLE}"
            )
        if account.suspended is None:
            raise MoodleAccessDenied(
                f"Account {account.id} came back without whether it is suspended: the token may not see that, and whoever was "
                f"suspended by hand would count as active. 'Suspended account' {HIDDEN_BY_SITE}. {_ROLE}"
            )


def refuse_hidden_idnumbers(accounts: pd.DataFrame, links: pd.DataFrame | None, *, own_id: int) -> None:
    """Raise MoodleAccessDenied when the ledger knows ID numbers of these accounts and not one account shows any.

    ``links``: account_id, idnumber; ``own_id``: the service user's account, which it sees whole whatever its rights.
    """
    if links is None or accounts.empty or links.empty:
        return
    numbered = links.loc[links["idnumber"] != "", "account_id"]
    seen = accounts[accounts["id"] != own_id]
    emptied = int(seen["id"].isin(numbered).sum())
    if emptied and not (seen["idnumber"] != "").any():
        raise MoodleAccessDenied(
            f"None of the {len(seen)} accounts read shows an ID number, though {emptied} of them had one when they were "
            f"linked: the token may not see ID numbers, and {_EVERYONE_NEW}. The service user lacks "
            f"moodle/user:viewalldetails. {_ROLE} (If someone really took all ID numbers away: unlink these accounts first.)"
        )


def refuse_nobody(accounts: pd.DataFrame, *, own_id: int) -> None:
    """Raise MoodleAccessDenied when a reading of everyone saw no more than the service user itself."""
    if not (accounts["id"] != own_id).any():
        raise MoodleAccessDenied(
            "The service user sees no account but its own, and every Moodle has a guest and an administrator besides: so "
            f"{_EVERYONE_NEW}. It lacks moodle/user:viewdetails. {_ROLE}"
        )
