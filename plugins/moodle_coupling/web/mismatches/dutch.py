"""The evidence of a mismatch in Dutch, made from its facts; who else is involved is read from the English sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from moodle_coupling.web.mismatches.facts import Account, Agreement, Facts
from moodle_coupling.words.catalogue import ENGLISH, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED: Final = 10
DUTCH: Final = Texts("nl")
_WORDS: Final = (
    (re.compile(r"^persons\b"), "personen"),
    (re.compile(r"^person\b"), "persoon"),
    (re.compile(r" and (\d+) more\b"), r" en nog \1"),
    (re.compile(r" and "), " en "),
    (re.compile(r"\bwith extern id "), "met extern id "),
    (re.compile(r"\bon row (?=\d)"), "op rij "),
    (re.compile(r"\(not in scope\)"), "(buiten deze Moodle)"),
)
"""Words of matching/evidence.py, for persons."""
_OWNERS: Final = re.compile(r"; that is the idnumber of (persons? .+?)(?=; persons? [^;]+ points? at it too\.$|\.$)")
_RIVALS: Final = re.compile(r"; (persons? [^;]+?) (?:also )?(points?) at (it too|one of them)\.$")
_FORMER: Final = re.compile(r"which only (persons? .+?) has, who (has left|is outside)")


def evidence(verdict: str, facts: Facts, account_id: int | None, english: str) -> str:
    """Say in Dutch why this is a mismatch; '' for a verdict, or facts, that nobody foresaw."""
    tell = TELL.get(verdict)
    if tell is None or not (facts.accounts or verdict in WITHOUT_ACCOUNTS):
        return ""
    return tell(facts, account_id, english)


def _disagreement(_facts: Facts, _account_id: int | None, english: str) -> str:
    """Put a sentence of people/rules.py, and how to mend it, into Dutch; what the sources say stays as it is."""
    before, after = ENGLISH("rule.sources_disagree", value="{value}").split("{value}")
    said = english.removeprefix(before).removesuffix(ENGLISH("rule.sources_disagree.mend")).rstrip().removesuffix(after)
    return f"{DUTCH('rule.sources_disagree', value=said)} {DUTCH('rule.sources_disagree.mend')}"


def _pointed(facts: Facts, _account_id: int | None, english: str) -> str:
    account = facts.accounts[0]
    said = f"{_nobody(facts)}; {_keys(facts, account)} bij {_label(account)}, {_their_id(facts, account, english)}"
    return f"{said}{_company(english)}."


def _nearly(facts: Facts, _account_id: int | None, english: str) -> str:
    account = facts.accounts[0]
    theirs = account.values.get("idnumber", "")
    said = f"{_nobody(facts)}, maar {_label(account)} heeft '{theirs}': hetzelfde op hoofdletters of spaties na"
    return f"{said}{_company(english)}."


def _ambiguous(facts: Facts, _account_id: int | None, english: str) -> str:
    parts = [
        f"{_keys(facts, account)} bij {_label(account)} {_with_id(account)}{_whose(account, english)}"
        for account in facts.accounts[:_NAMED]
    ]
    said = f"{_nobody(facts)}; {_and(parts, len(facts.accounts) - len(parts), last=', maar ')}"
    return f"{said}{_company(english)}."


def _email_taken(facts: Facts, account_id: int | None, english: str) -> str:
    own = facts.account(account_id)
    others = [one for one in facts.accounts if own is None or one.id != own.id]
    holders = _and([f"{_label(one)}{_whose(one, english)}" for one in others[:_NAMED]], len(others) - _NAMED)
    email = facts.person.get("email", "")
    return f"{_has_id(own or facts.accounts[0], facts)}, maar het e-mailadres '{email}' is van {holders}."


def _duplicate(facts: Facts, _account_id: int | None, _english: str) -> str:
    named = [_label(one) for one in facts.accounts[:_NAMED]]
    listed = _and(named, len(facts.accounts) - len(named))
    return f"ID-nummer '{facts.person.get('idnumber', '')}' staat bij {listed}."


def _reassigned(facts: Facts, account_id: int | None, english: str) -> str:
    account = facts.account(account_id) or facts.accounts[0]
    known = re.search(r"knows it as person (.+)'s, and the name differs", english)
    why = "voornaam, achternaam en e-mailadres verschillen alle drie"
    if known is not None:
        why = f"deze koppeling kent het als dat van persoon {known[1]}, en de naam verschilt"
    return f"{_has_id(account, facts)}, maar lijkt van iemand anders te zijn: {why}."


def _unreadable(facts: Facts, _account_id: int | None, english: str) -> str:
    known = re.match(r"(?:Account (\d+)|An account) with (idnumber|e-mail) ", english)
    number, key = known.groups() if known is not None else (None, "idnumber")
    account = f"Account {number}" if number else "Een account"
    word, value = (
        ("e-mailadres", facts.person.get("email", ""))
        if key == "e-mail"
        else ("ID-nummer", facts.person.get("idnumber", ""))
    )
    return (
        f"{account} met {word} '{value}' is er, en Moodle kan het niet tonen: waarschijnlijk mag de gebruikersnaam daar niet meer. "
        "Geef het in Moodle een gebruikersnaam die de site toestaat; dan wordt het vergeleken zoals elk ander."
    )


def _held(facts: Facts, account_id: int | None, _english: str) -> str:
    account = facts.account(account_id) or facts.accounts[0]
    return f"{_has_id(account, facts)}, maar is geblokkeerd door iemand anders dan deze koppeling."


def _orphan(facts: Facts, account_id: int | None, english: str) -> str:
    account = facts.account(account_id) or facts.accounts[0]
    head = f"{_capital(_label(account))} heeft ID-nummer '{account.values.get('idnumber', '')}'"
    former = _FORMER.search(english)
    if former is None:
        return f"{head}, en dat is van niemand in de bron."
    where = "die weg is (inactief in de bron)" if former[2] == "has left" else "die buiten deze Moodle valt"
    return f"{head}, dat alleen {_persons(former[1])} heeft, {where}."


WITHOUT_ACCOUNTS: Final = frozenset({"sources_disagree", "unreadable"})
"""Verdicts of which the facts have no account."""
TELL: Final = {
    "id_missing": _pointed,
    "id_differs": _pointed,
    "id_other_scheme": _pointed,
    "id_case": _nearly,
    "ambiguous": _ambiguous,
    "email_taken": _email_taken,
    "id_reassigned": _reassigned,
    "unreadable": _unreadable,
    "sources_disagree": _disagreement,
    "duplicate_account": _duplicate,
    "held": _held,
    "orphan": _orphan,
}


def _nobody(facts: Facts) -> str:
    return f"Geen account heeft ID-nummer '{facts.person.get('idnumber', '')}'"


def _keys(facts: Facts, account: Account) -> str:
    """Name what points at an account: what agrees, or else the username, of which the facts have one side only."""
    named = []
    if facts.agreement("idnumber", account) is Agreement.NEARLY:
        named.append(f"ID-nummer '{facts.person['idnumber']}' (op hoofdletters of spaties na)")
    if facts.agreement("email", account) is Agreement.SAME:
        named.append(f"het e-mailadres '{facts.person['email']}'")
    named = named or [f"de gebruikersnaam '{account.values.get('username', '')}'"]
    return f"{_and(named)} {'hoort' if len(named) == 1 else 'horen'}"


def _their_id(facts: Facts, account: Account, english: str) -> str:
    theirs = account.values.get("idnumber", "")
    if not theirs.strip():
        return "dat geen ID-nummer heeft" + (" en geblokkeerd is" if account.suspended else "")
    if theirs in {facts.person.get("person_id"), facts.person.get("extern_id")}:
        return f"dat ID-nummer '{theirs}' heeft: het andere id van deze persoon"
    unknown = "" if _OWNERS.search(english) else ", dat in de bron niet voorkomt"
    return f"dat ID-nummer '{theirs}' heeft{unknown}"


def _with_id(account: Account) -> str:
    theirs = account.values.get("idnumber", "")
    return f"met ID-nummer '{theirs}'" if theirs.strip() else "zonder ID-nummer"


def _has_id(account: Account, facts: Facts) -> str:
    return f"{_capital(_label(account))} heeft ID-nummer '{facts.person.get('idnumber', '')}'"


def _company(english: str) -> str:
    owners, rivals = _OWNERS.search(english), _RIVALS.search(english)
    text = f"; dat is het ID-nummer van {_persons(owners[1])}" if owners else ""
    if rivals:
        verb = "hoort" if rivals[2] == "points" else "horen"
        where = "daar ook bij" if rivals[3] == "it too" else "ook bij een ervan"
        text += f"; {_persons(rivals[1])} {verb} {where}"
    return text


def _whose(account: Account, english: str) -> str:
    found = re.search(
        rf"account {account.id} \([^)]*\)(?: with idnumber '[^']*')? of (persons? .+?)"
        r"(?=, while |, account \d| and account \d|; |\.$)",
        english,
    )
    return f" van {_persons(found[1])}" if found else ""


def _persons(listed: str) -> str:
    for english, dutch in _WORDS:
        listed = english.sub(dutch, listed)
    return listed


def _label(account: Account) -> str:
    username = account.values.get("username", "")
    return f"account {account.id} ({username})" if username else f"account {account.id}"


def _and(parts: Sequence[str], more: int = 0, *, last: str = " en ") -> str:
    every = [*parts, f"nog {more}"] if more > 0 else list(parts)
    return last.join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
