"""Candidates against accounts: one verdict per person and, on full runs, per orphan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import Write
from moodle_coupling.matching.evidence import NAMED, first_of, persons_in, persons_listed
from moodle_coupling.matching.likeness import Identity, has_another_name, is_somebody_else
from moodle_coupling.matching.orphans import find_orphans
from moodle_coupling.matching.questions import judge_questions, points_of
from moodle_coupling.matching.reasons import VERDICT_CODES, Judged, grouped, listed_ids
from moodle_coupling.matching.view import is_blank, pairs, pairs_of_numbers
from moodle_coupling.matching.written import of_each, quoted, sentences
from moodle_coupling.people.arrow import blank_where, equal, pa, pc, stacked, to_series, together
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import folded
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from numpy.typing import NDArray

    from moodle_coupling.matching.orphans import Orphans
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts


# ---- Persons of the source that share an idnumber or an e-mail address ----


@dataclass(frozen=True)
class Duplicates:
    """Places of persons who share something, which field that is, and a sentence each that names the others."""

    places: NDArray[np.intp]
    fields: Texts
    evidence: Texts


def find_duplicates(view: View, standing: Mask, emails: Texts | None) -> Duplicates:
    """Give those of ``standing`` that share an idnumber or, where ``emails`` are given, an address."""
    keys = view.idnumbers
    shared = _shared(np.where(standing, keys.persons, -1), keys.counts)
    ids = _sharing(view, shared, to_series(view.mine("idnumber").take(pa.array(shared))))
    by_email: dict[int, tuple[str, Sentence]] = {}
    if emails is not None:
        coded = pc.dictionary_encode(folded(emails))
        same = _shared(coded.indices.to_numpy(), ~is_nothing(coded.dictionary))
        by_email = _sharing(view, same, to_series(coded.take(pa.array(same)).dictionary_decode()))
    places = np.array([*ids, *(p for p in by_email if p not in ids)], dtype=np.intp)
    fields = ["idnumber" if p in ids else "email" for p in places.tolist()]
    return Duplicates(
        places,
        pa.array(fields, type=pa.large_string()),
        of_each([_sentence(ids.get(p), by_email.get(p)) for p in places.tolist()]),
    )


def _shared(numbers: NDArray[np.integer], counts: Mask) -> NDArray[np.intp]:
    """Give the places whose number stands at another place too, and counts; a negative one does not."""
    places = np.flatnonzero(numbers >= 0)
    often = (np.bincount(numbers[places], minlength=len(counts)) > 1) & counts
    shared: NDArray[np.intp] = places[often[numbers[places]]]
    return shared


def _sharing(view: View, places: NDArray[np.intp], keys: pd.Series[str]) -> dict[int, tuple[str, Sentence]]:
    """Give, by place, what a person shares with others, and who those are."""
    if not len(places):
        return {}
    persons = view.persons[["person_id", "extern_id", "row"]].iloc[places]
    names = pd.Series(persons_in(persons), index=places, dtype="object")
    found: dict[int, tuple[str, Sentence]] = {}
    for key, group in names.groupby(keys.set_axis(places)):
        found.update((at, (str(key), others)) for at, others in zip(group.index, _others(list(group)), strict=True))
    return {at: found[at] for at in places.tolist()}


def _others(names: list[str | Sentence]) -> Iterator[Sentence]:
    """For each name the first others, and how many more there are."""
    for at in range(len(names)):
        few = [name for other, name in enumerate(names[: NAMED + 1]) if other != at][:NAMED]
        yield persons_listed(few, len(names) - 1 - len(few))


def _sentence(idnumber: tuple[str, Sentence] | None, email: tuple[str, Sentence] | None) -> Sentence:
    if idnumber and email:
        return Sentence(
            "evidence.shared_both", idnumber=idnumber[0], persons=idnumber[1], email=email[0], others=email[1]
        )
    if idnumber:
        return Sentence("evidence.shared_idnumber", idnumber=idnumber[0], persons=idnumber[1])
    shared, others = email or ("", Sentence("name.persons", n=0, names=[]))
    return Sentence("evidence.shared_email", email=shared, persons=others)


# ---- Persons whose idnumber one or more accounts have exactly: theirs, unless something else says that it is not.

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


# ---- Candidates against accounts ----

MATCH_COLUMNS: Final = (
    "row",  # Int64; missing for an orphan
    "person_id",
    "extern_id",
    "idnumber",
    "account_id",  # Int64; missing when no account, or more than one, is meant
    "verdict",  # Verdict, '' for a person rejected before matching
    "evidence",  # a written sentence, '' where verdict and columns say all
    "other_accounts",  # JSON [id, …]: the accounts a question points at
    "proposal",  # '' | 'link' | 're-key'
    "may_link",  # bool: the mapping allows to link this account without asking
    "email_kept",  # bool: the new e-mail address is another account's, so the account keeps its own
    "shared_field",  # 'idnumber' or 'email' for a duplicate_person
    "question_open",  # bool: some person points at this orphan
    "explained",  # bool: the source has this orphan's person, who is not in scope
)
"""Columns of the match frame: persons in scope by row, then orphans by account id."""
_AS_THEY_ARE: Final = ("person_id", "extern_id")
"""Columns that nobody looks at on the way to the plan: they share the memory of the frames that they come from."""


def match_view(view: View, *, full: bool, account_ids: Collection[int] = ()) -> pd.DataFrame:
    """Give the verdicts (MATCH_COLUMNS) on every person in scope and, when ``full``, on every orphan.

    ``account_ids``: the orphans among these accounts, though not full. Nothing depends on the order of the rows.
    """
    judged = Judged(len(view.persons))
    standing = ~view.rejected
    doubles = _judge_doubles(view, judged, standing)

    keys = view.idnumbers
    places = np.flatnonzero(standing)
    at, theirs = pairs_of_numbers(keys.persons[places], keys.accounts, keys.counts)
    mine = places[at]
    single = ~doubles[mine]
    judge_linked(view, judged, mine[single], theirs[single])

    unlinked = standing.copy()
    unlinked[mine] = False
    # Duplicates are rejected, but their questions stand: nobody else is linked to an account that they point at.
    points = points_of(view, np.flatnonzero(unlinked))
    judge_questions(view, judged, points, unlinked & ~doubles)
    judged.pointed.append(points.accounts)
    orphans = None
    if full or account_ids:
        orphans = find_orphans(view, judged, only=None if full else account_ids)
    return _frame(view, judged, orphans)


def _judge_doubles(view: View, judged: Judged, standing: np.ndarray) -> np.ndarray:
    """Reject persons who share an idnumber or an address, and tell which they are."""
    # An address that Moodle refuses anyway ('none@none') says nothing about who somebody is.
    emails = None
    if not view.mapping.matching.shared_email:
        emails = blank_where(view.mine("email"), view.email_barred | ~standing)
    found = find_duplicates(view, standing, emails)
    doubles = np.zeros(len(standing), dtype=bool)
    doubles[found.places] = True
    judged.verdicts[doubles] = VERDICT_CODES[Verdict.DUPLICATE_PERSON]
    judged.evidence.put(found.places, found.evidence)
    judged.shared_field.put(found.places, found.fields)
    return doubles


def _frame(view: View, judged: Judged, orphans: Orphans | None) -> pd.DataFrame:
    persons = len(judged.verdicts)
    more = 0 if orphans is None else len(orphans.places)
    ids = np.full(persons + more, 0, dtype=np.int64)
    known = np.r_[judged.accounts >= 0, np.ones(more, dtype=bool)]
    ids[:persons][known[:persons]] = view.ids[judged.accounts[known[:persons]]]
    rows = np.zeros(persons + more, dtype=np.int64)
    rows[:persons] = view.persons["row"].to_numpy(dtype=np.int64)
    texts = {name: view.mine(name) for name in ("person_id", "extern_id", "idnumber")} | judged.texts()
    flags = {"may_link": judged.may_link, "email_kept": judged.email_kept}
    flags |= {name: np.zeros(persons, dtype=bool) for name in ("question_open", "explained")}
    columns: dict[str, pd.Series] = {}
    if orphans is not None:
        ids[persons:] = view.ids[orphans.places]
        columns = {name: stacked(found, orphans.texts[name]) for name, found in texts.items() if name in _AS_THEY_ARE}
        texts = {name: together(found, orphans.texts[name]) for name, found in texts.items() if name not in columns}
        flags = {name: np.r_[found, orphans.flags[name]] for name, found in flags.items()}
    columns |= {name: to_series(found) for name, found in texts.items()}
    columns |= {name: pd.Series(found) for name, found in flags.items()}
    columns["account_id"] = pd.Series(pd.arrays.IntegerArray(ids, ~known))
    columns["row"] = pd.Series(pd.arrays.IntegerArray(rows, np.arange(persons + more) >= persons))
    return pd.DataFrame({name: columns[name] for name in MATCH_COLUMNS})
