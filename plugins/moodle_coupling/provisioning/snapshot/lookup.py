"""Looking up by their keys the accounts that persons of the source can be, or can be confused with."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleAnswerUnreadable
from moodle_coupling.matching.frames import accounts_frame
from moodle_coupling.people.usernames import numbered, taken_names
from moodle_coupling.provisioning.lookups import can_look_up, literally, lookup_batches
from moodle_coupling.provisioning.snapshot.keys import all_folded, folded, key, name_key, spellings
from moodle_coupling.provisioning.snapshot.visibility import refuse_hidden

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.provisioning.wire import Wire

_MOST_NUMBERS: Final = 10_000
_DIGITS: Final = re.compile(r"[0-9]*")
_KEYS: Final = ("idnumber", "username", "email")


class Finder:
    """Looks accounts up, several calls at once, and keeps what really matches.

    ``everyone``: the accounts frame of those who were read already; a key of one of them is not asked again, since only
    someone who was not seen is worth a question.
    """

    def __init__(self, wire: Wire, everyone: pd.DataFrame | None = None) -> None:
        self._wire = wire
        self._everyone = everyone
        self._found: dict[int, Account] = {}
        self._asked: dict[str, set[str]] = {}
        self._known = {name: set[str]() if everyone is None else all_folded(everyone[name]) for name in _KEYS}
        self._taken = set[str]() if everyone is None else taken_names(everyone["username"])
        self._unreadable: dict[str, str] = {}
        self._odd: set[tuple[str, str]] = set()

    @property
    def unreadable(self) -> set[str]:
        """Values whose accounts Moodle cannot show, in the spelling that was asked first."""
        return set(self._unreadable.values())

    @property
    def unreadable_keys(self) -> tuple[tuple[str, str], ...]:
        """Give the keys (field, value) of accounts that are there and that Moodle cannot show."""
        return tuple(sorted(self._odd))

    def found(self) -> pd.DataFrame:
        """Give the accounts found, besides everyone."""
        return accounts_frame(self._found.values())

    def find_for(self, candidates: pd.DataFrame) -> Unsettled:
        """Look up what these candidates can be or be confused with; give whom their own account does not settle.

        By their idnumbers; then, for the unsettled, by e-mail address and username. Numbered usernames are left to
        :meth:`find_numbered`.
        """
        self.find(
            "idnumber", (spelling for value in candidates["idnumber"] for spelling in spellings("idnumber", value))
        )
        unsettled = Unsettled.of(candidates, self._linked(candidates["idnumber"]))
        addresses = (*unsettled.emails, *unsettled.new_emails)
        self.find_several(
            {
                "email": (spelling for value in addresses for spelling in spellings("email", value)),
                "username": unsettled.names,
            }
        )
        return unsettled

    def _linked(self, idnumbers: pd.Series[str]) -> dict[str, tuple[str, str]]:
        """Give username and e-mail address by idnumber, of the accounts with one of these idnumbers."""
        linked = {}
        if self._everyone is not None:
            wanted = set(idnumbers)
            theirs = self._everyone[[idnumber in wanted for idnumber in self._everyone["idnumber"]]]
            columns = (theirs[name] for name in ("idnumber", "username", "email"))
            linked = {idnumber: (username, email) for idnumber, username, email in zip(*columns, strict=True)}
        return linked | {one.idnumber: (one.username, one.email or "") for one in self._found.values()}

    def find(self, name: str, values: Iterable[str]) -> None:
        """Look up by one field."""
        self.find_several({name: values})

    def find_several(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Look up by several fields at once; each value once, and none of which the account is known already."""
        jobs = [
            (name, batch)
            for name, values in wanted.items()
            for batch in lookup_batches(self._wire, name, self._new(name, values))
        ]
        with ThreadPoolExecutor(self._wire.hook.settings.parallel_requests, thread_name_prefix="moodle") as pool:
            for (name, batch), read in zip(
                jobs, pool.map(lambda job: self._wire.find(job[0], job[1]), jobs), strict=True
            ):
                # MariaDB takes more for equal than matching does.
                asked = all_folded(batch)
                self._keep(account for account in read.accounts if folded(str(getattr(account, name) or "")) in asked)
                self.note_unreadable(read.unreadable)
                self._odd.update((name, value) for value in read.odd)

    def search(self, emails: Collection[str]) -> None:
        """Search by e-mail address, in any letter case on every database; a call each, in which Moodle scans its accounts."""
        askable = [email for email in dict.fromkeys(emails) if can_look_up("email", email)]
        with ThreadPoolExecutor(self._wire.hook.settings.parallel_requests, thread_name_prefix="moodle") as pool:
            for email, accounts in zip(askable, pool.map(self._search, askable), strict=True):
                if accounts is None:
                    self.note_unreadable([email])
                else:
                    self._keep(account for account in accounts if folded(account.email or email) == folded(email))

    def _search(self, email: str) -> Sequence[Account] | None:
        try:
            return self._wire.search("email", literally(email))
        except MoodleAnswerUnreadable:
            return None

    def note_unreadable(self, values: Iterable[str]) -> None:
        """Remember values whose accounts Moodle cannot show."""
        for value in values:
            self._unreadable.setdefault(folded(value), value)

    def without_holder(self, emails: Iterable[str]) -> list[str]:
        """Give the addresses, each once, that no account found so far has."""
        held = all_folded(account.email or "" for account in self._found.values())
        return list({folded(email): email for email in emails if folded(email) not in held}.values())

    def find_numbered(self, wanted: Counter[str]) -> None:
        """Look up name2, name3 …, further and further, until enough free ones are known.

        How many persons want a name says how many must be free; a name alone that is free needs no look at its numbers.
        """
        reach = dict.fromkeys(wanted, 1)
        while reach:
            taken = self._taken | taken_names(account.username for account in self._found.values())
            further = {base: to * 2 + 1 for base, to in reach.items() if self._lacks(base, to, wanted[base], taken)}
            self.find(
                "username",
                (numbered(base, number) for base, to in further.items() for number in range(reach[base] + 1, to + 1)),
            )
            reach = {base: to for base, to in further.items() if to < _MOST_NUMBERS}

    @staticmethod
    def _lacks(base: str, reach: int, need: int, taken: set[str]) -> bool:
        names = [base, *(numbered(base, number) for number in range(2, reach + 1))]
        return sum(name not in taken for name in names) < need

    def _new(self, name: str, values: Iterable[str]) -> list[str]:
        asked = self._asked.setdefault(name, set())
        new = [value for value in dict.fromkeys(values) if value and value not in asked]
        asked.update(new)
        known = self._known.get(name, set())
        return [value for value in new if folded(value) not in known] if known else new

    def _keep(self, accounts: Iterable[Account]) -> None:
        kept = list(accounts)
        refuse_hidden(kept)
        self._found.update((account.id, account) for account in kept)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What is still to be asked once the accounts with the candidates' idnumbers are known.

    ``idnumbers`` and ``new_emails``: of persons without an account of their own; ``emails``: of those whose account has
    another address; ``names``: usernames before numbering; ``wanted``: how many new usernames may be needed, by that name.
    """

    idnumbers: list[str] = field(default_factory=list)
    new_emails: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    wanted: Counter[str] = field(default_factory=Counter)

    def keys(self) -> set[str]:
        """Give the keys under which an account may be known that no look-up finds."""
        keys = {key("idnumber", idnumber) for idnumber in self.idnumbers}
        keys |= {key("email", email) for email in (*self.new_emails, *self.emails)}
        return keys | {name_key(name) for name in self.names}

    @classmethod
    def of(cls, candidates: pd.DataFrame, linked: Mapping[str, tuple[str, str]]) -> Unsettled:
        """Tell whom ``linked`` (username and e-mail address by idnumber) does not settle."""
        found = cls()
        columns = (candidates[name] for name in ("idnumber", "email", "username", "in_scope"))
        for idnumber, email, name, in_scope in zip(*columns, strict=True):
            username, address = linked.get(idnumber, (None, "")) if idnumber else (None, "")
            if username is None:
                found.idnumbers.extend([idnumber] if idnumber else [])
                found.new_emails.extend([email] if email else [])
            elif email and address.casefold() != email.casefold():
                found.emails.append(email)
            if name and (username is None or not _is_numbered(username, name)):
                found.names.append(name)
                if in_scope:
                    found.wanted[name] += 1
        return found


def _is_numbered(username: str, base: str) -> bool:
    return username.startswith(base) and _DIGITS.fullmatch(username[len(base) :]) is not None
