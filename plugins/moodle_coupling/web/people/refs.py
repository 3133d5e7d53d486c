"""Who is meant by the last part of a person's address: a row of the ledger, so that no name and no id stands in it.

``o12`` is whoever outcome 12 is about, ``m12`` whoever mismatch 12 is about, ``a12`` whose account 12 is by the ledger's
links, and ``x…`` an id that somebody typed, sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.ledger.people import Who, latest_row, who_of_account, who_of_row
from moodle_coupling.web.mismatches.search import seal, unseal

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

_KINDS: Final = {"o": "outcome", "m": "mismatch"}
_LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}
_MOST_DIGITS: Final = 18


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
