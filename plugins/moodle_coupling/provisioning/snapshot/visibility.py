"""Which fields the token is proved to see: what is not proved is left out of the accounts, never taken for empty."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.hooks.moodle.probes import EMAIL_HIDDEN, SAMPLE_IDS, SUSPENDED_HIDDEN, unseen_field
from moodle_coupling.matching.changes import HIDEABLE, shown_fields
from moodle_coupling.matching.frames import accounts_frame
from moodle_coupling.provisioning.lookups import look_up
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.provisioning.wire import Wire


log = logging.getLogger(__name__)

_WITNESSES: Final = 20
"""Accounts per field that must show it once more when everyone was read."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """How it is found out which fields the token sees.

    ``compared``: the fields that a plan compares, for which it is worth a call; ``own_id``: the service user's account;
    ``known_ids``: accounts that were written to by us.
    """

    compared: Collection[str] = ()
    own_id: int | None = None
    known_ids: tuple[int, ...] = ()

    def unproved(self, wire: Wire, accounts: pd.DataFrame, *, again: bool) -> set[str]:
        """Give those of HIDEABLE of which no account shows a value, so that nobody knows whether they are empty or hidden.

        Where these accounts do not prove a compared field, others are looked at: those with the lowest numbers, and those we
        wrote to. ``again``: they were read over some time, in which the site may have begun to hide a field, so some of
        them must show it once more. Raises MoodleAccessDenied as ``refuse_hidden`` does.
        """
        fields = [field for field in HIDEABLE if field in accounts]
        wanted = set(self.compared).intersection(fields)
        proved = shown_fields(accounts, fields, own_id=self.own_id)
        if again and proved & wanted:
            proved -= wanted - self._shown(wire, self._witnesses(accounts, proved & wanted))
        if accounts.empty or not proved >= wanted:
            for ids in (range(1, SAMPLE_IDS + 1), self.known_ids):
                proved |= self._shown(wire, ids)
                if proved >= wanted:
                    break
        return set(fields) - proved

    def _witnesses(self, accounts: pd.DataFrame, fields: Iterable[str]) -> set[int]:
        ids: set[int] = set()
        others = accounts[accounts["id"] != self.own_id]
        for field in fields:
            showing = others.loc[others[field] != "", "id"]
            ids.update(int(id_) for id_ in showing.iloc[:: max(1, len(showing) // _WITNESSES)].iloc[:_WITNESSES])
        return ids

    def _shown(self, wire: Wire, ids: Iterable[int]) -> set[str]:
        found = look_up(wire, "id", map(str, ids)).accounts
        refuse_hidden(found)
        return shown_fields(accounts_frame(found), HIDEABLE, own_id=self.own_id)


def without_unproved(accounts: pd.DataFrame, unproved: Iterable[str]) -> pd.DataFrame:
    """Give the accounts without these columns: matching takes a column that is not there for not known."""
    return accounts.drop(columns=[field for field in unproved if field in accounts])


def tell_unseen(fields: Iterable[str]) -> None:
    """Say in the log which compared fields are not seen, and what lifts that."""
    for field in fields:
        log.warning("%s", in_turn(unseen_field(field)))


def refuse_hidden(accounts: Iterable[Account]) -> None:
    """Raise MoodleAccessDenied when an account came back without what every account has, naming the capability.

    Without moodle/user:viewalldetails username and idnumber are missing together (seen on 4.5 and 5.1), and no account
    is without a username: so an idnumber that is not there beside a username is empty.
    """
    for account in accounts:
        if not account.username:
            raise MoodleAccessDenied(Sentence("snapshot.username_hidden", account=account.id))
        if account.email is None:
            raise MoodleAccessDenied(Sentence("snapshot.email_hidden", account=account.id, hidden=EMAIL_HIDDEN))
        if account.suspended is None:
            said = Sentence("snapshot.suspended_hidden", account=account.id, hidden=SUSPENDED_HIDDEN)
            raise MoodleAccessDenied(said)


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
        raise MoodleAccessDenied(Sentence("snapshot.idnumbers_hidden", seen=len(seen), linked=emptied))


def refuse_nobody(accounts: pd.DataFrame, *, own_id: int) -> None:
    """Raise MoodleAccessDenied when a reading of everyone saw no more than the service user itself."""
    if not (accounts["id"] != own_id).any():
        raise MoodleAccessDenied(Sentence("snapshot.nobody"))
