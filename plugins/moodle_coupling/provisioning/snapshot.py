"""The snapshot: the accounts of a Moodle that matter to these candidates, read back as a frame."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.matching.accounts import accounts_frame
from moodle_coupling.people.numbering import numbered
from moodle_coupling.provisioning.everyone import read_everyone
from moodle_coupling.provisioning.looking import lookup_batches
from moodle_coupling.provisioning.wire import Moodle, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import pandas as pd

    from moodle_coupling.hooks.moodle_types import Account
    from moodle_coupling.mapping_snapshot import SnapshotSettings
    from moodle_coupling.provisioning.keeping import Keeper

_MOST_NUMBERS: Final = 10_000
_DIGITS: Final = re.compile(r"[0-9]*")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: ``accounts`` (the accounts frame), the values that could not be looked up, and the calls it took.

    ``strategy``: how everyone was read ('' when not everyone was); ``total``: how many accounts there are, None when not
    everyone was read.
    """

    accounts: pd.DataFrame
    unreadable: tuple[str, ...]
    calls: int
    strategy: str = ""
    total: int | None = None


def read_accounts(  # noqa: PLR0913 - each is the run's own, and given by name
    hook: Moodle,
    candidates: pd.DataFrame,
    *,
    full: bool = False,
    account_ids: Collection[int] = (),
    settings: SnapshotSettings | None = None,
    known: pd.DataFrame | None = None,
    keep: Keeper | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Snapshot:
    """Read the accounts that these candidates (CANDIDATE_COLUMNS) can be, or can be confused with.

    Looked up are their idnumbers; then, for those whose account does not settle it, e-mail addresses and usernames; then
    numbered usernames, until as many free ones are seen as persons may need. MariaDB compares without letter case and
    accents, so what comes back is compared again: kept is what equals a key that was asked, letter case and surrounding
    spaces aside.

    ``full`` reads everyone first (see :func:`read_everyone` for whom it cannot see), so that orphans show; ``settings``
    say how. ``account_ids`` are looked up by id too. ``known``: the ledger's links (account_id, idnumber and, where there
    is one, username); whoever is among them and was not seen is looked up by id. ``keep`` keeps the pieces of a full
    reading. ``progress`` hears how many accounts were read, and of how many (None: not known), about once a second.

    Raises MoodleAccessDenied when an account comes back without e-mail address: hidden is not empty, and everyone would
    look new. Otherwise what the hook raises.
    """
    reader = _Reader(hook)
    if full:
        reader.take_everyone()
    reader.find("idnumber", (spelling for value in candidates["idnumber"] for spelling in _spellings(value)))
    linked = {account.idnumber: account for account in reader.accounts()}
    people = _People.of(candidates, linked)
    reader.find_several(
        {
            "email": (spelling for value in people.emails for spelling in (value, value.lower())),
            "username": people.names,
        }
    )
    reader.find_numbered(people.wanted)
    return Snapshot(accounts_frame(reader.accounts()), tuple(sorted(reader.unreadable)), reader.calls())


def _spellings(idnumber: str) -> tuple[str, ...]:
    # For databases that compare exactly (PostgreSQL): the near misses people make.
    plain = idnumber.strip()
    return plain, plain.lower(), plain.upper()


@dataclass(frozen=True, slots=True)
class _People:
    """What is still to be asked once the accounts with the candidates' idnumbers are known.

    ``wanted``: how many new usernames may be needed, by the name before numbering.
    """

    emails: list[str]
    names: list[str]
    wanted: Counter[str]

    @classmethod
    def of(cls, candidates: pd.DataFrame, linked: dict[str, Account]) -> _People:
        emails, names, wanted = [], [], Counter[str]()
        columns = (candidates[name] for name in ("idnumber", "email", "username", "in_scope"))
        for idnumber, email, name, in_scope in zip(*columns, strict=True):
            account = linked.get(idnumber) if idnumber else None
            if account is None or (account.email or "").casefold() != email.casefold():
                emails.append(email)
            if name and (account is None or not _is_numbered(account.username, name)):
                names.append(name)
                if in_scope:
                    wanted[name] += 1
        return cls(emails, names, wanted)


def _is_numbered(username: str, base: str) -> bool:
    return username.startswith(base) and _DIGITS.fullmatch(username[len(base) :]) is not None


class _Reader:
    """Looks accounts up, several calls at once, and keeps what really matches."""

    def __init__(self, hook: Moodle) -> None:
        self._wire = Wire(hook)
        self._known: dict[int, Account] = {}
        self._asked: dict[str, set[str]] = {}
        self._everyone_known = False
        self.unreadable: set[str] = set()

    def accounts(self) -> list[Account]:
        """Give the accounts found so far."""
        return list(self._known.values())

    def calls(self) -> int:
        """Give how many calls were made."""
        return sum(self._wire.calls.values())

    def take_everyone(self) -> None:
        """Read everyone who can be read at once."""
        read = read_everyone(self._wire)
        self._keep(read.accounts)
        self.unreadable |= read.unreadable
        self._everyone_known = True

    def find(self, name: str, values: Iterable[str]) -> None:
        """Look up by one field."""
        self.find_several({name: values})

    def find_several(self, wanted: dict[str, Iterable[str]]) -> None:
        """Look up by several fields at once; each value once, and none of which the account is known already."""
        jobs = [(name, batch) for name, values in wanted.items() for batch in self._batches(name, values)]
        with ThreadPoolExecutor(self._wire.hook.settings.parallel_requests, thread_name_prefix="moodle") as pool:
            for (name, batch), read in zip(
                jobs, pool.map(lambda job: self._wire.find(job[0], job[1]), jobs), strict=True
            ):
                asked = {_folded(value) for value in batch}
                self._keep(account for account in read.accounts if _folded(_value(account, name)) in asked)
                self.unreadable.update(read.unreadable)

    def find_numbered(self, wanted: Counter[str]) -> None:
        """Look up name2, name3 …, further and further, until enough free ones are known.

        How many persons want a name says how many must be free; a name alone that is free needs no look at its numbers.
        """
        reach = dict.fromkeys(wanted, 1)
        while reach:
            taken = {_folded(account.username) for account in self._known.values()}
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

    def _batches(self, name: str, values: Iterable[str]) -> list[list[str]]:
        asked = self._asked.setdefault(name, set())
        new = [value for value in dict.fromkeys(values) if value and value not in asked]
        asked.update(new)
        if self._everyone_known:
            # Whoever was seen is known by every key; only someone who was not seen is worth a question.
            known = {_folded(_value(account, name)) for account in self._known.values()}
            new = [value for value in new if _folded(value) not in known]
        return list(lookup_batches(self._wire, name, new))

    def _keep(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            if account.email is None:
                raise MoodleAccessDenied(
                    f"Account {account.id} ({account.username}) came back without its e-mail address: the token may not "
                    "see it, and matching would take everyone for new. Give the service user's role "
                    "moodle/site:viewuseridentity and moodle/user:viewalldetails."
                )
            self._known[account.id] = account


def _value(account: Account, name: str) -> str:
    return str(getattr(account, name) or "")


def _folded(text: str) -> str:
    return text.strip().casefold()
