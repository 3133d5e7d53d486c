"""Forgetting persons in the ledger on behalf of someone who asks for it."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from moodle_coupling.errors import InputError
from moodle_coupling.ledger.approvals import waiting
from moodle_coupling.ledger.forgetting import Forgotten, PersonIds, forget_person
from moodle_coupling.ledger.leases import holder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.ledger.ledger import Ledger

_KEYS = ("person_id", "extern_id", "idnumber")
_MOST = 1000


def forget(ledger: Ledger, environment: str | None, asked: str) -> Forgotten:
    """Forget one person, known by a person id, extern id, idnumber or e-mail address, in one environment or (None) in all.

    Raises InputError when the ledger knows several persons by that id: one person's person id may be another's extern
    id, and what is forgotten does not come back.
    """
    wanted = asked.strip()
    if not wanted:
        raise InputError("Say which person to forget: a person id, extern id, idnumber or e-mail address.")
    people = _known(ledger, environment, wanted)
    persons = sorted({person for person, _ in people if person})
    theirs = {idnumber for person, idnumber in people if person}
    others = sorted({f"idnumber {idnumber}" for person, idnumber in people if not person and idnumber not in theirs})
    if len(persons) + len(others) > 1:
        raise InputError(
            f"'{wanted}' is the id of several persons in the ledger ({', '.join([*persons, *others])}): nobody was "
            "forgotten. Give the person id of the one who is meant, and --environment where ids differ by environment."
        )
    ids = PersonIds(
        person_ids=tuple(persons) or (wanted,),
        idnumbers=tuple(sorted({idnumber for _, idnumber in people if idnumber})) or (wanted,),
        emails=(wanted,) if "@" in wanted else (),
    )
    return forget_person(ledger, environment, ids)


def refuse_while_writing(ledger: Ledger, environments: Iterable[str]) -> None:
    """Refuse to forget while a run writes or waits: its outcomes would bring the person back. Raises InputError."""
    for environment in environments:
        busy = holder_of(ledger, environment)
        if busy is not None:
            raise InputError(
                f"Nobody was forgotten: {busy.holder} writes to '{environment}' now. Try again when it is done."
            )
        if waiting(ledger, environment):
            raise InputError(
                f"Nobody was forgotten: a plan for '{environment}' waits for an approval, and loading it would bring the "
                "person back. Approve or reject it first."
            )


def counted(forgotten: Forgotten) -> str:
    """Say how much was forgotten, in words."""
    links, outcomes, mismatches, activities, absences, protections, mentions, account_keys = astuple(forgotten)
    return (
        f"{links} links, {outcomes} outcomes, {mismatches} mismatches, {activities} activities, {absences} absences, "
        f"{account_keys} account keys and {protections} protections no longer tell who it was; taken out of {mentions} rows about others."
    )


def _known(ledger: Ledger, environment: str | None, wanted: str) -> set[tuple[str, str]]:
    """Give the person ids and idnumbers that go with exactly this id or address."""
    from moodle_coupling.ledger.people import find_people

    found = find_people(ledger, wanted, limit=_MOST)
    if environment is not None:
        found = found[found["environment"] == environment]
    exact = found["email"].str.lower() == wanted.lower()
    for name in _KEYS:
        exact |= found[name] == wanted
    some = found[exact]
    by_person = some[some["person_id"] == wanted]
    # A person id goes before the others, as it does wherever an id is asked for.
    some = some if by_person.empty else by_person
    return set(zip(some["person_id"], some["idnumber"], strict=True))
