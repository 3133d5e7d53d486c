"""The sentences that say what a decision does, in English and in Dutch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.verdicts import DecisionKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a mismatch points at, as the facts have it; texts are '' where they were not read."""

    id: int
    username: str = ""
    idnumber: str = ""
    email: str = ""
    suspended: bool = False

    def __str__(self) -> str:
        return f"account {self.id} ({self.username})" if self.username else f"account {self.id}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """A mismatch as the facts have it."""

    verdict: str
    person: Mapping[str, Any]
    accounts: tuple[Account, ...]

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

    def named(self, *, dutch: bool = False) -> str:
        """Name the person: by the source's ids, else by the idnumber."""
        person_id, extern_id = str(self.person.get("person_id", "")), str(self.person.get("extern_id", ""))
        word = "persoon" if dutch else "person"
        if person_id and extern_id and person_id != extern_id:
            return f"{word} {person_id} (extern id {extern_id})"
        if person_id or extern_id:
            return f"{word} {person_id}" if person_id else f"{word} {'met' if dutch else 'with'} extern id {extern_id}"
        return f"de persoon met ID-nummer '{self.idnumber}'" if dutch else f"the person with idnumber '{self.idnumber}'"


def effects(kind: DecisionKind, about: Circumstances, account: Account | None) -> tuple[str, str]:
    """Say what the next run does when this is decided, in English and in Dutch; ``account`` is the one chosen."""
    english, dutch = _TELL[kind](about, account or Account(0))
    return _sentence(english), _sentence(dutch)


def _link(about: Circumstances, account: Account) -> tuple[str, str]:
    if about.verdict == Verdict.HELD:
        return (
            f"{account} is reactivated and from then on kept up to date as {about.named()}'s",
            f"{account} wordt weer geactiveerd en voortaan bijgehouden als dat van {about.named(dutch=True)}",
        )
    if about.verdict == Verdict.ID_REASSIGNED:
        return _kept(about, account)
    if about.verdict == Verdict.DUPLICATE_ACCOUNT:
        others = about.others(account)
        return (
            (
                f"{account} stays {about.named()}'s and is kept up to date; idnumber '{about.idnumber}' is taken off "
                f"{_all(others)}, and nothing else of {'it' if len(others) == 1 else 'them'} changes"
            ),
            (
                f"{account} blijft van {about.named(dutch=True)} en wordt bijgehouden; ID-nummer '{about.idnumber}' wordt "
                f"weggehaald bij {_all(others, dutch=True)}, waaraan verder niets verandert"
            ),
        )
    return _given(about, account, "", "")


def _kept(about: Circumstances, account: Account) -> tuple[str, str]:
    """Say that an account is the person's after all: name and address become those of the source."""
    english = (
        f"it is the same person: {account} stays {about.named()}'s, and gets name and e-mail address of the source"
    )
    dutch = f"het is dezelfde persoon: {account} blijft van {about.named(dutch=True)} en krijgt naam en e-mailadres uit de bron"
    if account.suspended:
        english += "; it stays suspended, and the run after that says what comes of that"
        dutch += "; het blijft geblokkeerd, en de run daarna zegt wat daarmee gebeurt"
    return english, dutch


def _rekey(about: Circumstances, account: Account) -> tuple[str, str]:
    return _given(about, account, f" instead of '{account.idnumber}'", f" in plaats van '{account.idnumber}'")


def _given(about: Circumstances, account: Account, instead: str, in_plaats: str) -> tuple[str, str]:
    """Say that an account gets the person's idnumber, and what comes with that."""
    english = (
        f"{account} gets {about.named()}'s idnumber '{about.idnumber}'{instead} and is kept up to date from the source"
    )
    dutch = (
        f"{account} krijgt ID-nummer '{about.idnumber}' van {about.named(dutch=True)}{in_plaats} en wordt voortaan "
        "bijgehouden vanuit de bron"
    )
    if account.suspended:
        english += "; it stays suspended, and the run after that asks about it"
        dutch += "; het blijft geblokkeerd, en de run daarna vraagt wat daarmee moet"
    others = about.others(account)
    if others:
        english += f"; {_all(others)} {'stays' if len(others) == 1 else 'stay'} as {'it is' if len(others) == 1 else 'they are'}"
        dutch += f"; aan {_all(others, dutch=True)} verandert niets"
    return english, dutch


def _create(about: Circumstances, _account: Account) -> tuple[str, str]:
    own = about.own() if about.verdict == Verdict.ID_REASSIGNED else None
    if own is not None:
        others = about.others(own)
        then, dan = (
            f"makes a new account for {about.named()}",
            f"maakt een nieuw account voor {about.named(dutch=True)}",
        )
        if others:
            then = f"asks whether {_all(others)} is {about.named()}'s, or makes a new account"
            dan = f"vraagt of {_all(others, dutch=True)} van {about.named(dutch=True)} is, of maakt een nieuw account"
        return (
            (
                f"it is another person: idnumber '{about.idnumber}' is taken off {own}, of which nothing else changes, and the run "
                f"after that {then}"
            ),
            (
                f"het is iemand anders: ID-nummer '{about.idnumber}' wordt weggehaald bij {own}, waaraan verder niets verandert, en "
                f"de run daarna {dan}"
            ),
        )
    return (
        (
            f"{about.named()} gets a new account with idnumber '{about.idnumber}' and the next free username; nothing of "
            f"{_all(about.accounts)} changes"
        ),
        (
            f"{about.named(dutch=True)} krijgt een nieuw account met ID-nummer '{about.idnumber}' en de eerste vrije "
            f"gebruikersnaam; aan {_all(about.accounts, dutch=True)} verandert niets"
        ),
    )


def _suspend(about: Circumstances, account: Account) -> tuple[str, str]:
    english = (
        f"{account} with idnumber '{account.idnumber}' is suspended: nobody logs in with it, and nothing is deleted"
    )
    dutch = f"{account} met ID-nummer '{account.idnumber}' wordt geblokkeerd: niemand logt ermee in, en er wordt niets verwijderd"
    if about.verdict != Verdict.ORPHAN:
        english += f"; about {about.named()} nothing is decided by that, so the next comparison asks again"
        dutch += f"; over {about.named(dutch=True)} is daarmee niets besloten, dus de volgende vergelijking vraagt het opnieuw"
    return english, dutch


def _do_not_touch(about: Circumstances, _account: Account) -> tuple[str, str]:
    english = f"{_all(about.accounts)} {'is' if len(about.accounts) == 1 else 'are'} never written, from now on and until someone takes the protection off"
    dutch = f"{_all(about.accounts, dutch=True)} {'wordt' if len(about.accounts) == 1 else 'worden'} vanaf nu niet meer geschreven, totdat iemand de bescherming opheft"
    if about.verdict == Verdict.ORPHAN:
        return english, dutch
    if about.own() is None and about.verdict != Verdict.DUPLICATE_ACCOUNT:
        english += f"; {about.named()} gets no account"
        dutch += f"; {about.named(dutch=True)} krijgt geen account"
    else:
        english += f", so that nothing of {about.named()} arrives there"
        dutch += f", zodat niets van {about.named(dutch=True)} daar aankomt"
    return english, dutch


def _ignore(about: Circumstances, _account: Account) -> tuple[str, str]:
    who, wie = _all(about.accounts), _all(about.accounts, dutch=True)
    alone = about.verdict == Verdict.ORPHAN and len(about.accounts) == 1
    if about.verdict == Verdict.SOURCES_DISAGREE:
        return (
            f"nothing is written of {about.named()}; it is not asked again as long as the sources say the same",
            f"van {about.named(dutch=True)} wordt niets geschreven; het wordt niet opnieuw gevraagd zolang de bronnen hetzelfde zeggen",
        )
    if about.verdict != Verdict.ORPHAN:
        who, wie = f"{about.named()} and {who}", f"{about.named(dutch=True)} en {wie}"
    own = about.own() if about.verdict == Verdict.EMAIL_TAKEN else None
    if own is not None:
        english = f"{own} keeps its e-mail address and is kept up to date in all else"
        dutch = f"{own} houdt zijn e-mailadres en wordt verder wel bijgehouden"
    else:
        english, dutch = "nothing is written for this", "hiervoor wordt niets geschreven"
    return (
        f"{english}; it is not asked again as long as {who} {'stays as it is' if alone else 'stay as they are'}",
        f"{dutch}; het wordt niet opnieuw gevraagd zolang {wie} zo {'blijft' if alone else 'blijven'}",
    )


def _later(_about: Circumstances, _account: Account) -> tuple[str, str]:
    return (
        "no run does anything for this: it stays open, with your note",
        "geen run doet hier iets voor: het blijft open, met uw notitie",
    )


_TELL: Final[dict[DecisionKind, Callable[[Circumstances, Account], tuple[str, str]]]] = {
    DecisionKind.LINK: _link,
    DecisionKind.REKEY: _rekey,
    DecisionKind.CREATE_SEPARATE: _create,
    DecisionKind.SUSPEND: _suspend,
    DecisionKind.DO_NOT_TOUCH: _do_not_touch,
    DecisionKind.IGNORE: _ignore,
    DecisionKind.LATER: _later,
}


def _all(accounts: Sequence[Account], *, dutch: bool = False) -> str:
    """Name accounts, at most ten."""
    names = [str(account) for account in accounts[:_NAMED]]
    more = len(accounts) - len(names)
    if more:
        names.append(f"nog {more}" if dutch else f"{more} more")
    if len(names) < 2:
        return "".join(names) or ("het account" if dutch else "the account")
    return f"{', '.join(names[:-1])} {'en' if dutch else 'and'} {names[-1]}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
