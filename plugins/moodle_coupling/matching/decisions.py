"""What can be decided on a mismatch, and what the next run does for each choice."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import MISMATCHES, DecisionKind, Verdict, offered
from moodle_coupling.matching.evidence import account_named, clauses, first_of, person_named
from moodle_coupling.matching.frames import SUSPEND
from moodle_coupling.words.meanings import target_named
from moodle_coupling.words.sentence import ENGLISH, Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


# ---- What a mismatch stands on: when any of it changes, a decision taken on it no longer holds ----

PERSON_FACTS: Final = ("person_id", "extern_id", "idnumber", "firstname", "lastname", "email")
ACCOUNT_FACTS: Final = ("username", "idnumber", "firstname", "lastname", "email", "suspended")


def mismatches_with_facts(plan: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Give the plan's rows that a human must judge, with ``facts``: JSON of the person and the accounts meant.

    Where the sources do not agree on who it is, also of what each of them says.
    """
    found = plan[are_mismatches(plan)].reset_index(drop=True)
    meant = [_accounts_of(row) for row in found[["account_id", "other_accounts"]].to_dict("records")]
    wanted = {account for accounts_ in meant for account in accounts_}
    known = _known(accounts[accounts["id"].isin(wanted)])
    persons = found[list(PERSON_FACTS)].to_dict("records")
    # The English text and not the sentence: it is what decisions of before there were sentences stand on.
    said = found["evidence"].where(found["verdict"] == Verdict.SOURCES_DISAGREE, "").map(ENGLISH.say)
    texts = [
        MismatchFacts(person=person, accounts={str(a): known.get(a) for a in ids}, sources=ENGLISH.say(text)).written()
        for person, ids, text in zip(persons, meant, said, strict=True)
    ]
    return found.assign(facts=pd.Series(texts, index=found.index, dtype="str"))


def account_print(values: Mapping[str, Any]) -> str:
    """Give a digest of what an account looks like (ACCOUNT_FACTS): a choice of an account that the facts do not name is bound to it."""
    facts = [bool(values.get(name)) if name == "suspended" else str(values.get(name) or "") for name in ACCOUNT_FACTS]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()


def are_mismatches(plan: pd.DataFrame) -> pd.Series[bool]:
    """Tell which rows of a plan a human must judge: mismatches, and orphans with whom the mapping's policy does nothing."""
    listed = (plan["verdict"] == Verdict.ORPHAN) & (plan["proposal"] == SUSPEND)
    return plan["verdict"].isin(MISMATCHES) | listed


def _accounts_of(row: dict[Any, Any]) -> list[int]:
    ids: Iterable[int] = json.loads(row["other_accounts"] or "[]")
    account = row["account_id"]
    return sorted({*ids, *([] if pd.isna(account) else [int(account)])})


def _known(accounts: pd.DataFrame) -> dict[int, dict[str, Any]]:
    columns = [name for name in ACCOUNT_FACTS if name in accounts.columns]
    rows = accounts[columns].to_dict("records")
    return {
        int(id_): {str(name): bool(value) if name == "suspended" else str(value) for name, value in row.items()}
        for id_, row in zip(accounts["id"], rows, strict=True)
    }


# ---- What can be decided on a mismatch ----

_CHOOSING: Final = frozenset({DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.SUSPEND, DecisionKind.STANDS_FOR})
"""Kinds that are about one account (or cohort, or course); the others are about all that the mismatch points at."""
_PROPOSED: Final = {"link": DecisionKind.LINK, "re-key": DecisionKind.REKEY, "suspend": DecisionKind.SUSPEND}


ELSEWHERE: Final = frozenset(
    {Verdict.ID_MISSING, Verdict.ID_DIFFERS, Verdict.ID_OTHER_SCHEME, Verdict.ID_CASE, Verdict.AMBIGUOUS}
)
"""Verdicts on persons of whom no account has the idnumber: such a person may get an account that the mismatch does not point at."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a mismatch points at, as the facts have it; texts are '' where they were not read."""

    id: int
    username: str = ""
    idnumber: str = ""
    email: str = ""
    suspended: bool = False

    @property
    def named(self) -> Sentence:
        """What it is called in a sentence."""
        return account_named(self.id, self.username)


@dataclass(frozen=True, slots=True)
class Candidate(Account):
    """A cohort or course that a name may stand for; ``values`` as the facts have them."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> Sentence:
        """What it is called in a sentence."""
        return target_named(self.id, self.values)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """A mismatch as the facts have it."""

    verdict: str
    person: Mapping[str, Any]
    accounts: tuple[Account, ...]
    target: Mapping[str, Any] = field(default_factory=dict)
    """Of a target of access its kind and name."""

    @property
    def idnumber(self) -> str:
        """The person's idnumber; of an orphan the account's."""
        return str(self.person.get("idnumber", ""))

    def others(self, account: Account | None) -> tuple[Account, ...]:
        """Give the accounts that are not this one."""
        return tuple(one for one in self.accounts if one != account)

    def own(self) -> Account | None:
        """Give the person's own account: the one that has the idnumber, where just one has it."""
        mine = [one for one in self.accounts if one.idnumber == self.idnumber != ""]
        return mine[0] if len(mine) == 1 else None

    def address_is_elsewhere(self, account: Account) -> bool:
        """Tell whether an account other than this one has the person's address."""
        mine = _folded(str(self.person.get("email", "")))
        return any(_folded(one.email) == mine for one in self.others(account))

    def named(self) -> Sentence:
        """Name the person: by the source's ids, else by the idnumber."""
        person_id, extern_id = str(self.person.get("person_id", "")), str(self.person.get("extern_id", ""))
        if person_id or extern_id:
            return Sentence("name.person", name=person_named(person_id, extern_id, 0))
        return Sentence("name.person_idnumber", idnumber=self.idnumber)


@dataclass(frozen=True)
class Option:
    """One choice. ``account_id`` is the account meant, None for all that the mismatch points at, or none.

    ``effect`` says what the next run does, with ids and usernames.
    """

    kind: DecisionKind
    account_id: int | None
    effect: Sentence


def options(verdict: str, facts: Mapping[str, Any], *, shared_email: bool) -> list[Option]:
    """Give what can be decided on a mismatch, most likely first; none for a verdict that is no mismatch.

    ``facts`` is the JSON of matching/decisions.py, read. ``shared_email``: this Moodle takes several accounts with one address.
    """
    about = circumstances(verdict, facts)
    return [option for kind in offered(verdict) for option in _of_kind(kind, about, shared_email=shared_email)]


def proposed(verdict: str, facts: Mapping[str, Any], proposal: str, *, shared_email: bool) -> Option | None:
    """Give the option that the plan's ``proposal`` means; None where there is none, or it leaves a choice of account."""
    kind = _PROPOSED.get(proposal)
    found = [option for option in options(verdict, facts, shared_email=shared_email) if option.kind == kind]
    return found[0] if len(found) == 1 else None


def linked_elsewhere(verdict: str, facts: Mapping[str, Any], account: Account, *, shared_email: bool) -> Option | None:
    """Give the option of making an account the person's at which the mismatch does not point; None where that is no option."""
    about = circumstances(verdict, facts)
    if verdict not in ELSEWHERE or account in about.accounts or account.idnumber == about.idnumber:
        return None
    kind = elsewhere_kind(account)
    said = effect_of(kind, about, account)
    if not _address_is_free(about, shared_email=shared_email):
        said = Sentence("effect.and_keeps_email", effect=said)
    return Option(kind, account.id, said)


def elsewhere_kind(account: Account) -> DecisionKind:
    """Give what it is called to make an account the person's: another idnumber is replaced, and a missing one given."""
    return DecisionKind.REKEY if account.idnumber.strip() else DecisionKind.LINK


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
        return [Option(kind, None, effect_of(kind, about, None))]
    found = choosable(kind, about.verdict, about.accounts, about.idnumber)
    return [Option(kind, account.id, effect_of(kind, about, account)) for account in found]


def _address_is_free(about: Circumstances, *, shared_email: bool) -> bool:
    """Tell whether a new account could have the person's address, as far as the facts show."""
    mine = _folded(str(about.person.get("email", "")))
    there: Iterable[Account] = about.accounts
    if about.verdict == Verdict.ID_REASSIGNED:
        # Nothing is created yet: whose the address is on another account, the run after that asks.
        there = [account for account in there if account == about.own()]
    return mine != "" and (shared_email or all(_folded(account.email) != mine for account in there))


def circumstances(verdict: str, facts: Mapping[str, Any]) -> Circumstances:
    """Give a mismatch as its facts (the JSON of matching/decisions.py, read) have it."""
    target = dict(facts.get("target") or {})
    make = _candidates if target else _accounts
    return Circumstances(verdict, dict(facts.get("person") or {}), tuple(make(facts.get("accounts") or {})), target)


def _accounts(facts: Mapping[str, Any]) -> Iterable[Account]:
    for number, values in sorted(facts.items(), key=lambda item: int(item[0])):
        known = values or {}
        texts = {name: str(known.get(name) or "") for name in ("username", "idnumber", "email")}
        yield Account(int(number), suspended=bool(known.get("suspended")), **texts)


def _candidates(facts: Mapping[str, Any]) -> Iterable[Account]:
    for number, values in sorted(facts.items(), key=lambda item: int(item[0])):
        yield Candidate(int(number), values=values or {})


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()


def effect_of(kind: DecisionKind, about: Circumstances, account: Account | None) -> Sentence:
    """Say what the next run does when this is decided; ``account`` is the one chosen."""
    return _EFFECTS[kind](about, account or Account(0))


def _link(about: Circumstances, account: Account) -> Sentence:
    who = {"account": account.named, "person": about.named()}
    if about.verdict == Verdict.HELD:
        return Sentence("effect.reactivated", **who)
    if about.verdict == Verdict.ID_REASSIGNED:
        return Sentence("effect.same_person_suspended" if account.suspended else "effect.same_person", **who)
    if about.verdict == Verdict.DUPLICATE_ACCOUNT:
        others = about.others(account)
        return Sentence("effect.one_of_several", n=len(others), idnumber=about.idnumber, others=_named(others), **who)
    return _given(about, account, Sentence("effect.gets_idnumber", idnumber=about.idnumber, **who))


def _rekey(about: Circumstances, account: Account) -> Sentence:
    who = {"account": account.named, "person": about.named()}
    gets = Sentence("effect.gets_other_idnumber", idnumber=about.idnumber, theirs=account.idnumber, **who)
    return _given(about, account, gets)


def _given(about: Circumstances, account: Account, gets: Sentence) -> Sentence:
    """Say that an account gets the person's idnumber, and what comes with that."""
    parts, others = [gets], about.others(account)
    if account.suspended:
        parts.append(Sentence("effect.stays_suspended"))
    if others:
        parts.append(Sentence("effect.others_stay", n=len(others), others=_named(others)))
    return clauses(parts)


def _create(about: Circumstances, _account: Account) -> Sentence:
    own, person = about.own() if about.verdict == Verdict.ID_REASSIGNED else None, about.named()
    if own is None:
        accounts = _named(about.accounts)
        return Sentence("effect.new_account", person=person, idnumber=about.idnumber, accounts=accounts)
    others, freed = about.others(own), {"idnumber": about.idnumber, "account": own.named, "person": person}
    if not others:
        return Sentence("effect.another_person", **freed)
    return Sentence("effect.another_person_asked", others=_named(others), **freed)


def _suspend(about: Circumstances, account: Account) -> Sentence:
    named = {"account": account.named, "idnumber": account.idnumber}
    if about.verdict == Verdict.ORPHAN:
        return Sentence("effect.suspended", **named)
    return Sentence("effect.suspended_stranger", person=about.named(), **named)


def _do_not_touch(about: Circumstances, _account: Account) -> Sentence:
    accounts = {"n": len(about.accounts), "accounts": _named(about.accounts)}
    if about.verdict == Verdict.ORPHAN:
        return Sentence("effect.off", **accounts)
    no_account = about.own() is None and about.verdict != Verdict.DUPLICATE_ACCOUNT
    return Sentence("effect.off_without_account" if no_account else "effect.off_own", person=about.named(), **accounts)


def _stands_for(about: Circumstances, account: Account) -> Sentence:
    return Sentence("effect.stands_for", meant=account.named, **_target_in(about))


def _target_in(about: Circumstances) -> dict[str, Any]:
    return {"kind": Sentence(f"access.kind.{about.target['kind']}"), "name": str(about.target["name"])}


def _ignore(about: Circumstances, _account: Account) -> Sentence:
    if about.target:
        return Sentence("effect.target_left", **_target_in(about))
    if about.verdict == Verdict.SOURCES_DISAGREE:
        return Sentence("effect.disagreement_ignored", person=about.named())
    who: list[Any] = [_named(about.accounts)]
    alone = about.verdict == Verdict.ORPHAN and len(about.accounts) == 1
    if about.verdict != Verdict.ORPHAN:
        who = [about.named(), *who]
    own = about.own() if about.verdict == Verdict.EMAIL_TAKEN else None
    done = Sentence("effect.nothing_written") if own is None else Sentence("effect.keeps_email", account=own.named)
    return clauses([done, Sentence("effect.not_asked_again", n=1 if alone else 2, who=who)])


def _later(_about: Circumstances, _account: Account) -> Sentence:
    return Sentence("effect.later")


_EFFECTS: Final[dict[DecisionKind, Callable[[Circumstances, Account], Sentence]]] = {
    DecisionKind.LINK: _link,
    DecisionKind.REKEY: _rekey,
    DecisionKind.CREATE_SEPARATE: _create,
    DecisionKind.SUSPEND: _suspend,
    DecisionKind.DO_NOT_TOUCH: _do_not_touch,
    DecisionKind.STANDS_FOR: _stands_for,
    DecisionKind.IGNORE: _ignore,
    DecisionKind.LATER: _later,
}


def _named(accounts: Sequence[Account]) -> list[Any]:
    """Name accounts, the first ten of them."""
    return first_of([account.named for account in accounts]) or [Sentence("name.the_account")]
