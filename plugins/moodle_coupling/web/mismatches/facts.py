"""What a mismatch stands on: the person and the accounts as they were compared, and what of them agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from unidecode import unidecode

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.matching.decisions import Option, options, proposed
from moodle_coupling.web.base.couplings import Coupling

NAME: Final = "name"
"""First and last name together, besides each of them."""
FIELDS: Final = ("idnumber", "firstname", "lastname", "email")
"""What a person and an account both have."""
NAMES: Final = frozenset({NAME, "username", "firstname", "lastname", "email"})
"""What may only be shown to those who may see names and addresses."""


class Agreement(StrEnum):
    """How an account's field compares with the person's; NEARLY: but for letter case, accents or spaces."""

    SAME = "same"
    NEARLY = "nearly"
    DIFFERS = "differs"
    NOTHING = "nothing"
    """Neither has one, or it was not read."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a mismatch points at; ``values`` has the fields that were read, none when it is not known."""

    id: int
    values: Mapping[str, str]
    suspended: bool = False

    @property
    def known(self) -> bool:
        """Tell whether the account was among those read."""
        return bool(self.values)


@dataclass(frozen=True, slots=True)
class Facts:
    """The two sides; ``person`` has the fields of matching/decisions.py, and is empty where nobody is meant.

    Of a ``target`` of access, ``person`` is how it is named, and ``accounts`` are the cohorts or courses that may be meant.
    """

    person: Mapping[str, str]
    accounts: tuple[Account, ...]
    raw: Mapping[str, Any] = field(default_factory=dict)
    """As the ledger has them, for matching.decisions."""
    target: Mapping[str, str] = field(default_factory=dict)

    def account(self, account_id: int | None) -> Account | None:
        """Give one of the accounts; None when it is not there."""
        return next((one for one in self.accounts if one.id == account_id), None)

    def agreement(self, name: str, account: Account) -> Agreement:
        """Tell how a field of an account, NAME too, compares with the person's."""
        return _compared(name, self.person, account.values)


def read_facts(text: str) -> Facts:
    """Read what the ledger holds; a part that is not as matching/decisions.py writes it counts as not known."""
    found = MismatchFacts.read(text)
    known = tuple(account_of(int(number), values) for number, values in found.accounts.items())
    target = {name: value for name, value in found.target.items() if isinstance(value, str)}
    person = {target["by"]: target["name"]} if {"by", "name"} <= set(target) else found.person
    return Facts(_texts(person), known, found.plain(), target)


def account_of(number: int, values: Any) -> Account:
    """Give an account by its fields; anything but a mapping means that it was not read."""
    known = values if isinstance(values, Mapping) else {}
    return Account(number, _texts(known), suspended=bool(known.get("suspended")))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    names = [texts[part] for part in ("firstname", "lastname") if part in texts]
    return texts | {NAME: " ".join(filter(None, names))} if names else texts


def _compared(name: str, person: Mapping[str, str], account: Mapping[str, str]) -> Agreement:
    if name not in person or name not in account:
        return Agreement.NOTHING
    ours, theirs = person[name], account[name]
    if not ours.strip() and not theirs.strip():
        return Agreement.NOTHING
    if ours == theirs or (name == "email" and _folded(ours) == _folded(theirs)):
        return Agreement.SAME  # letter case is no difference in an address, to Moodle neither
    return Agreement.NEARLY if _loose(ours) == _loose(theirs) else Agreement.DIFFERS


def _folded(text: str) -> str:
    return text.strip().casefold()


def _loose(text: str) -> str:
    return "".join(unidecode(text).casefold().split())


# ---- What can be decided on a mismatch, and how a choice is written in a form ----


def shares_addresses(coupling: Coupling) -> bool:
    """Tell whether the coupling's Moodle lets several accounts have one address; not, while its file is wrong."""
    return coupling.mapping is not None and coupling.mapping.matching.shared_email


def choices(record: Mapping[str, Any], facts: Facts, *, shared_email: bool) -> tuple[Option | None, tuple[Option, ...]]:
    """Give what is proposed (None for nothing) and all that can be decided, what is proposed first."""
    verdict = record["verdict"]
    every = options(verdict, facts.raw, shared_email=shared_email)
    best = proposed(verdict, facts.raw, record["proposal"], shared_email=shared_email)
    return best, tuple(sorted(every, key=lambda option: option != best))


def value_of(option: Option) -> str:
    """Write an option as the value of a button: 'link:57', or 'ignore:' where no account is meant."""
    return f"{option.kind}:{'' if option.account_id is None else option.account_id}"


def option_of(value: str, offered: Sequence[Option]) -> Option | None:
    """Find the option that a button stands for among those offered."""
    return next((option for option in offered if value_of(option) == value), None)


def the_only_one(kind: DecisionKind, offered: Sequence[Option]) -> Option | None:
    """Give the option of a kind where it leaves no choice of account; None where it is not offered, or leaves one."""
    found = [option for option in offered if option.kind == kind]
    return found[0] if len(found) == 1 else None
