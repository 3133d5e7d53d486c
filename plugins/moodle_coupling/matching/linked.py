"""Persons whose idnumber one or more accounts have exactly: theirs, unless something else says that it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import Write
from moodle_coupling.matching.compare import is_blank, pairs
from moodle_coupling.matching.evidence import NAMED, first_of, persons_listed
from moodle_coupling.matching.judged import VERDICT_CODES, grouped, listed_ids
from moodle_coupling.matching.likeness import Identity, has_another_name, is_somebody_else
from moodle_coupling.matching.written import of_each, quoted, sentences
from moodle_coupling.people.arrow import blank_where, equal, pa
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import folded
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.matching.judged import Judged
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Texts

_NAMES: Final = ("firstname", "lastname")
_COMPARED: Final = (*_NAMES, "email")
_LONGEST: Final = 200
"""Characters of a name or address that are compared: Moodle's columns hold 100, and words are compared each with each."""
_OWNERS: Final = 3
"""How many persons are named of each account that holds an address."""


def judge_linked(view: View, judged: Judged, mine: Places, theirs: Places) -> None:
    """Judge the persons ``mine`` (places, ascending) by the accounts ``theirs`` with equal idnumbers, pair by pair.

    The e-mail address in Moodle stays as it is where the new one is another account's (``email_kept``).
    """
    many = np.bincount(mine, minlength=len(judged.verdicts))[mine] > 1
    _judge_one(view, judged, mine[~many], theirs[~many])
    _judge_several(view, judged, mine[many], theirs[many])


def _judge_several(view: View, judged: Judged, mine: Places, theirs: Places) -> None:
    groups = grouped(mine, theirs)
    evidence, idnumbers = [], view.mine("idnumber")
    for p, found in groups.items():
        off = view.all_protected(found)
        judged.verdicts[p] = VERDICT_CODES[Verdict.PROTECTED if off else Verdict.DUPLICATE_ACCOUNT]
        evidence.append(
            Sentence(
                "evidence.duplicate_account_protected" if off else "evidence.duplicate_account",
                idnumber=idnumbers[p].as_py(),
                accounts=first_of([view.account(a) for a in found]),
            )
        )
    places = np.array(list(groups), dtype=np.intp)
    judged.evidence.put(places, of_each(evidence))
    judged.other_accounts.put(places, listed_ids(view.ids, groups))
    judged.pointed.append(theirs)


def _judge_one(view: View, judged: Judged, mine: Places, theirs: Places) -> None:
    judged.accounts[mine] = theirs
    judged.verdicts[mine] = VERDICT_CODES[Verdict.LINKED]
    holders = other_holders(view, mine, theirs)
    kept = np.array(list(holders), dtype=np.intp)
    judged.email_kept[kept] = True
    judged.other_accounts.put(kept, listed_ids(view.ids, holders))
    judged.pointed.append(np.array([a for found in holders.values() for a in found], dtype=np.intp))

    judged.verdicts[kept] = VERDICT_CODES[Verdict.EMAIL_TAKEN]
    judged.evidence.put(kept, of_each(_taken_addresses(view, judged, holders)))
    suspended, by_us = view.suspended[theirs], view.suspended_by_us[theirs]
    inactive = view.persons["inactive"].to_numpy(dtype=bool)[mine]
    # Verdict and columns say all of those who returned.
    returned = mine[suspended & by_us & ~inactive]
    judged.verdicts[returned] = VERDICT_CODES[Verdict.RETURNED]
    judged.evidence.put(returned, "")
    _say(view, judged, mine[suspended & ~by_us], Verdict.HELD, "evidence.held")
    other = reassigned(view, mine, theirs)
    unknown = np.array([p for p, known in other.items() if not known], dtype=np.intp)
    _say(view, judged, unknown, Verdict.ID_REASSIGNED, "evidence.reassigned_differs")
    known = {p: name for p, name in other.items() if name}
    person = quoted(pa.array(list(known.values()), type=pa.large_string()))
    _say(view, judged, np.array(list(known), dtype=np.intp), Verdict.ID_REASSIGNED, "evidence.reassigned_known", person=person)  # fmt: skip
    # Nothing is written where the account seems somebody else's, its address neither.
    judged.email_kept[list(other)] = False
    off = view.protected[theirs]
    why = pa.array([view.why[a] for a in theirs[off].tolist()], type=pa.large_string())
    _say(view, judged, mine[off], Verdict.PROTECTED, "evidence.protected", why=why)


def _say(view: View, judged: Judged, some: Places, verdict: Verdict, code: str, **more: Texts) -> None:
    """Give those persons a verdict and a sentence; ``more`` are its parameters besides account and idnumber."""
    if not len(some):
        return
    judged.verdicts[some] = VERDICT_CODES[verdict]
    named = view.accounts_named(judged.accounts[some])
    idnumbers = quoted(view.mine("idnumber").take(pa.array(some)))
    judged.evidence.put(some, sentences(code, account=named, idnumber=idnumbers, **more))


def _taken_addresses(view: View, judged: Judged, holders: dict[int, list[int]]) -> list[Sentence]:
    """Say which accounts hold the address that a person would get, and whose they are."""
    named = np.unique(np.array([a for found in holders.values() for a in found[:NAMED]], dtype=np.intp))
    theirs, emails, idnumbers = view.theirs("idnumber"), view.mine("email"), view.mine("idnumber")
    owners = view.owners(named)

    def name(a: int) -> Sentence:
        account, whose = view.account(a), owners.get(theirs[a].as_py())
        if not whose:
            return account
        return Sentence("name.account_of", account=account, persons=persons_listed(whose[:_OWNERS]))

    return [
        Sentence(
            "evidence.email_taken",
            account=view.account(int(judged.accounts[p])),
            idnumber=idnumbers[p].as_py(),
            email=emails[p].as_py(),
            holders=first_of([name(a) for a in found[:NAMED]], len(found[NAMED:])),
        )
        for p, found in holders.items()
    ]


def other_holders(view: View, mine: Places, theirs: Places) -> dict[int, list[int]]:
    """Give the other accounts that hold the address a person would get, where Moodle forbids that; only those found.

    ``theirs``: for each person of ``mine`` the account that is, or becomes, the person's.
    """
    policy = view.email_policy()
    if policy == Write.ON_CREATE or view.mapping.matching.shared_email:
        return {}
    new, old = view.mine("email").take(pa.array(mine)), view.theirs("email").take(pa.array(theirs))
    some = np.flatnonzero(~equal(new, old) & ~is_nothing(new) & ~view.email_barred[mine])
    new, old = folded(new.take(pa.array(some))), old.take(pa.array(some))
    wanted = ~equal(new, folded(old))
    if policy == Write.IF_EMPTY:
        wanted &= is_blank(old)
    some = some[wanted]
    found, holders = pairs(new.filter(pa.array(wanted)), view.theirs_folded("email"))
    return grouped(mine[some[found]], holders)


def reassigned(view: View, mine: Places, theirs: Places) -> dict[int, str]:
    """Give the persons whose account seems somebody else's: the person that the ledger knows it by, '' for none.

    Those with '' differ in first name, last name and e-mail address.
    ``theirs``: for each person of ``mine`` the account that has the idnumber. Names are judged (docs/decisions/0019) only where
    a plain comparison of whole columns leaves a doubt: usually a few of many.
    """
    if not set(_NAMES) <= set(view.accounts.columns):
        return {}
    ours, others = pa.array(mine), pa.array(theirs)
    differ = [~equal(view.mine(name).take(ours), view.theirs(name).take(others)) for name in _NAMES]
    some = np.flatnonzero(differ[0] | differ[1])
    mine, theirs, both = mine[some], theirs[some], (differ[0] & differ[1])[some]
    ours, others = pa.array(mine), pa.array(theirs)
    known, person_ids = view.known_person.take(others), view.mine("person_id").take(ours)
    elsewhere = ~is_nothing(known) & ~is_nothing(person_ids) & ~equal(known, person_ids)
    emails = folded(view.mine("email").take(ours)), folded(view.theirs("email").take(others))
    doubtful = elsewhere | (both & ~equal(*emails))
    found: dict[int, str] = {}
    for p, one, other, person in zip(
        mine[doubtful].tolist(),
        _identities(view.mine, mine[doubtful]),
        _identities(view.theirs, theirs[doubtful]),
        blank_where(known, ~elsewhere).filter(pa.array(doubtful)).to_pylist(),
        strict=True,
    ):
        if person and has_another_name(one, other):
            found[p] = person
        elif is_somebody_else(one, other):
            found[p] = ""
    return found


def _identities(column: Callable[[str], Texts], places: Places) -> list[Identity]:
    texts = (column(name).take(pa.array(places)).to_pylist() for name in _COMPARED)
    return [Identity(*(text.strip()[:_LONGEST] for text in each)) for each in zip(*texts, strict=True)]
