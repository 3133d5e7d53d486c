"""Finding persons, and the references by which pages name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.people import Who, find_linked, find_people, latest_row, who_of_account, who_of_row
from moodle_coupling.web.base.forms import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.web.base.access import Access

_KINDS: Final = {"o": "outcome", "m": "mismatch"}
_LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}
_MOST_DIGITS: Final = 18
MOST: Final = 50
"""Persons that are shown; of more one must type more."""
_IDS: Final = ("person_id", "extern_id", "idnumber")


def sealed(typed: str) -> str:
    """Give the reference for an id that somebody typed."""
    return f"x{seal(typed)}"


def who_is(ledger: Ledger, environment: str, ref: str) -> Who | None:
    """Give who is meant; None for a reference to nothing (any more), or to another environment."""
    kind, rest = ref[:1], ref[1:]
    if kind == "x":
        typed = unseal(rest)
        return Who(person_id=typed, idnumber=typed, typed=True) if typed else None
    if not (rest.isascii() and rest.isdecimal() and len(rest) <= _MOST_DIGITS):
        return None
    if kind == "a":
        return who_of_account(ledger, environment, int(rest))
    return who_of_row(ledger, environment, _KINDS[kind], int(rest)) if kind in _KINDS else None


def find_ref(ledger: Ledger, environment: str, who: Who) -> str:
    """Give the reference to a person in an environment, by the latest row about the person; '' when there is none."""
    found = latest_row(ledger, environment, who)
    return "" if found is None else f"{_LETTERS[found[0]]}{found[1]}"


@dataclass(slots=True)
class Found:
    """One person: every name, address and username known, and the reference by environment."""

    who: Who
    names: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    usernames: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> tuple[str, str]:
        """Give an environment and the reference there."""
        return next(iter(self.refs.items()))


def search(ledger: Ledger, access: Access, text: str) -> list[Found]:
    """Find persons in the environments that the user may read.

    By a whole id, username or e-mail address, or by words with which parts of the name begin, in any order and without accents. Who may not see an environment's names finds persons there by a whole id only.
    """
    text = text.strip()
    readable = access.environments()
    if not text or not readable:
        return []
    groups: dict[tuple[str, str], Found] = {}
    for one in _rows(ledger, text, readable):
        sees = access.sees_names(one["environment"])
        if sees or text in {one[name] for name in _IDS} or text == str(one.get("account_id")):
            _add(ledger, groups, one, sees=sees)
    return list(groups.values())[:MOST]


def _rows(ledger: Ledger, text: str, readable: list[str]) -> Iterable[dict[str, Any]]:
    for one in records(find_people(ledger, text, limit=MOST * 4)):
        if one["environment"] in readable:
            yield one
    # Those of whom nothing is written down but their account: nothing ever had to be done for them.
    nothing = {"extern_id": "", "firstname": "", "lastname": "", "email": ""}
    for one in find_linked(ledger, text, readable, limit=MOST):
        yield nothing | one


def _add(ledger: Ledger, groups: dict[tuple[str, str], Found], one: dict[str, Any], *, sees: bool) -> None:
    key = next(((name, one[name]) for name in _IDS if one[name]), ("username", one["username"]))
    who = Who(one["person_id"], one["extern_id"], one["idnumber"], one.get("account_id"))
    found = groups.get(key)
    if found is None:
        if len(groups) >= MOST:
            return
        found = groups[key] = Found(who)
    environment = one["environment"]
    if environment not in found.refs:
        ref = find_ref(ledger, environment, who) or (f"a{who.account_id}" if who.account_id else "")
        if ref:
            found.refs[environment] = ref
    if sees:
        name = f"{one['firstname']} {one['lastname']}".strip()
        for known, value in ((found.names, name), (found.emails, one["email"]), (found.usernames, one["username"])):
            if value and value not in known:
                known.append(value)
