"""What can be decided on a mismatch, and what the next run does for each choice, in English and in Dutch."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.verdicts import DecisionKind, Verdict, offered
from moodle_coupling.matching.decision_words import Account, Circumstances, effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHOOSING: Final = frozenset({DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.SUSPEND})
"""Kinds that are about one account; the others are about all that the mismatch points at."""
_PROPOSED: Final = {"link": DecisionKind.LINK, "re-key": DecisionKind.REKEY, "suspend": DecisionKind.SUSPEND}


@dataclass(frozen=True)
class Option:
    """One choice. ``account_id`` is the account meant, None for all that the mismatch points at, or none.

    ``effect`` and ``effect_nl`` say in a sentence what the next run does, with ids and usernames.
    """

    kind: DecisionKind
    account_id: int | None
    effect: str
    effect_nl: str


def options(verdict: str, facts: Mapping[str, Any], *, shared_email: bool) -> list[Option]:
    """Give what can be decided on a mismatch, most likely first; none for a verdict that is no mismatch.

    ``facts`` is the JSON of matching/facts.py, read. ``shared_email``: this Moodle takes several accounts with one address.
    """
    about = Circumstances(verdict, dict(facts.get("person") or {}), tuple(_accounts(facts.get("accounts") or {})))
    return [option for kind in offered(verdict) for option in _of_kind(kind, about, shared_email=shared_email)]


def proposed(verdict: str, facts: Mapping[str, Any], proposal: str, *, shared_email: bool) -> Option | None:
    """Give the option that the plan's ``proposal`` means; None where there is none, or it leaves a choice of account."""
    kind = _PROPOSED.get(proposal)
    found = [option for option in options(verdict, facts, shared_email=shared_email) if option.kind == kind]
    return found[0] if len(found) == 1 else None


def choosable(kind: DecisionKind, verdict: str, accounts: Iterable[Account], idnumber: str) -> list[Account]:
    """Give the accounts that a decision of this kind can mean; ``idnumber`` is the person's ('' for an orphan)."""
    some = list(accounts)
    if kind == DecisionKind.SUSPEND:
        return [account for account in some if not account.suspended]
    if verdict in (Verdict.HELD, Verdict.ID_REASSIGNED):
        return [account for account in some if account.idnumber == idnumber]
    if verdict == Verdict.AMBIGUOUS:
        return [account for account in some if bool(account.idnumber.strip()) == (kind == DecisionKind.REKEY)]
    return some


def _of_kind(kind: DecisionKind, about: Circumstances, *, shared_email: bool) -> list[Option]:
    if kind == DecisionKind.CREATE_SEPARATE and not _address_is_free(about, shared_email=shared_email):
        return []
    if kind not in _CHOOSING:
        return [Option(kind, None, *effects(kind, about, None))]
    found = choosable(kind, about.verdict, about.accounts, about.idnumber)
    return [Option(kind, account.id, *effects(kind, about, account)) for account in found]


def _address_is_free(about: Circumstances, *, shared_email: bool) -> bool:
    """Tell whether a new account could have the person's address, as far as the facts show."""
    mine = _folded(str(about.person.get("email", "")))
    there: Iterable[Account] = about.accounts
    if about.verdict == Verdict.ID_REASSIGNED:
        # Nothing is created yet: whose the address is on another account, the run after that asks.
        there = [account for account in there if account == about.own()]
    return mine != "" and (shared_email or all(_folded(account.email) != mine for account in there))


def _accounts(facts: Mapping[str, Any]) -> Iterable[Account]:
    for number, values in sorted(facts.items(), key=lambda item: int(item[0])):
        known = values or {}
        texts = {name: str(known.get(name) or "") for name in ("username", "idnumber", "email")}
        yield Account(int(number), suspended=bool(known.get("suspended")), **texts)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()
