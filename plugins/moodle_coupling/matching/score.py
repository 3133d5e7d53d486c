"""How alike a person and an account are: a score of 100 from address, names and ids, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.matching.likeness import same_address, same_first_name, same_last_name
from moodle_coupling.people.letters import without_accents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moodle_coupling.contract.facts import MismatchFacts


class How(StrEnum):
    """How a field of an account compares with the person's."""

    SAME = "same"
    NEARLY = "nearly"
    OTHER_ID = "other_id"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Part:
    """What one field adds to the score: ``points`` of ``most``."""

    field: str
    how: How
    points: int
    most: int


_MOST: Final = {"email": 40, "lastname": 20, "firstname": 20, "idnumber": 20}
_SHARE: Final = {How.SAME: 1.0, How.NEARLY: 0.7, How.OTHER_ID: 0.7, How.DIFFERS: 0.0}


def parts(person: Mapping[str, Any], account: Mapping[str, Any]) -> tuple[Part, ...]:
    """Compare a person with an account, as the facts have them; a field that one of them lacks counts neither for nor against."""
    found = []
    for field, most in _MOST.items():
        ours, theirs = str(person.get(field) or "").strip(), str(account.get(field) or "").strip()
        if ours and theirs:
            how = _idnumber(ours, theirs, person) if field == "idnumber" else _text(field, ours, theirs)
            found.append(Part(field, how, round(most * _SHARE[how]), most))
    return tuple(found)


def score(of: Iterable[Part]) -> int | None:
    """Give the score of 100; None where nothing could be compared."""
    every = tuple(of)
    most = sum(part.most for part in every)
    return round(100 * sum(part.points for part in every) / most) if most else None


def best_score(facts: MismatchFacts) -> int | None:
    """Give the score of the account that is most alike; None where there is no person, or no account that was read."""
    known = [score(parts(facts.person, account)) for account in facts.accounts.values() if account]
    return max((one for one in known if one is not None), default=None) if facts.person else None


def _idnumber(ours: str, theirs: str, person: Mapping[str, Any]) -> How:
    if ours == theirs:
        return How.SAME
    if ours.casefold() == theirs.casefold():
        return How.NEARLY
    return How.OTHER_ID if theirs in {person.get("person_id"), person.get("extern_id")} else How.DIFFERS


def _text(field: str, ours: str, theirs: str) -> How:
    if without_accents(ours) == without_accents(theirs):
        return How.SAME
    return How.NEARLY if _ALIKE[field](ours, theirs) else How.DIFFERS


_ALIKE: Final[dict[str, Callable[[str, str], bool]]] = {
    "email": same_address,
    "lastname": same_last_name,
    "firstname": same_first_name,
}
