"""Persons whose idnumber no account has exactly: at which accounts they point, by which key, and what that makes them.

Whoever points at none is new; everyone else is a question that a human must answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.evidence import account_named, clauses, first_of, persons_listed
from moodle_coupling.matching.reasons import VERDICT_CODES, listed_ids
from moodle_coupling.matching.view import is_blank, loose, nothing, pairs
from moodle_coupling.matching.written import Pieces, numbers, of_each, quoted, sentences
from moodle_coupling.people.arrow import at_once, blank_where, equal, is_in, join, pa, scattered
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import folded
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from moodle_coupling.matching.reasons import Judged
    from moodle_coupling.matching.view import Places, View
    from moodle_coupling.people.arrow import Mask, Texts

NEAR: Final = "idnumber"
EMAIL: Final = "email"
USERNAME: Final = "username"
KEYS: Final = (NEAR, EMAIL, USERNAME)
_NAMES: Final = ("firstname", "lastname")


@dataclass(frozen=True)
class Points:
    """Who points at which account, a pair for each key: places of persons and accounts, and the number of the key in KEYS."""

    persons: Places
    accounts: Places
    keys: Places

    @cached_property
    def distinct(self) -> tuple[Places, Places]:
        """Persons and accounts, each pair once, by person and then by account."""
        if not len(self.persons):
            return self.persons, self.accounts
        order = np.lexsort((self.accounts, self.persons))
        persons, accounts = self.persons[order], self.accounts[order]
        first = np.r_[True, (persons[1:] != persons[:-1]) | (accounts[1:] != accounts[:-1])]
        return persons[first], accounts[first]

    def by_key(self, key: str) -> Places:
        """Give the persons who point by a key."""
        persons: Places = self.persons[self.keys == KEYS.index(key)]
        return persons


def points_of(view: View, persons: Places) -> Points:
    """Give at which accounts these persons (places) point, of whom no account has the exact idnumber."""
    mine = pa.array(persons)
    found = find_points(lambda name: view.mine(name).take(mine), view)
    return Points(persons[found.persons], found.accounts, found.keys)


def find_points(column: Callable[[str], Texts], view: View) -> Points:
    """Give at which accounts persons point; ``column`` gives a column of theirs."""
    found = at_once(
        [
            lambda: pairs(folded(column(NEAR)), view.theirs_folded(NEAR)),
            lambda: _email_points(column, view),
            lambda: _username_points(column, view),
        ]
    )
    keys = np.repeat(np.arange(len(KEYS)), [len(persons) for persons, _ in found])
    persons, accounts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Points(persons, accounts, keys)


def _email_points(column: Callable[[str], Texts], view: View) -> tuple[Places, Places]:
    emails, theirs = folded(column(EMAIL)), view.theirs_folded(EMAIL)
    if not view.mapping.matching.shared_email:
        return pairs(emails, theirs)
    if not set(_NAMES) <= set(view.accounts.columns):
        return pairs(nothing(0), theirs)
    # Address and name in one key: an address of a whole department would otherwise pair everyone with everyone.
    some = np.flatnonzero(is_in(theirs, emails) & ~is_nothing(theirs))
    there = pa.array(some)
    persons, accounts = pairs(
        _address_and_name(emails, *(column(name) for name in _NAMES)),
        _address_and_name(theirs.take(there), *(view.theirs(name).take(there) for name in _NAMES)),
    )
    return persons, some[accounts]


def _address_and_name(emails: Texts, firstnames: Texts, lastnames: Texts) -> Texts:
    names = loose(join(firstnames, lastnames))
    return blank_where(join(emails, "\n", names), is_nothing(emails) | is_nothing(names))


def _username_points(column: Callable[[str], Texts], view: View) -> tuple[Places, Places]:
    theirs = view.theirs_folded(USERNAME)
    if not RECIPES[view.mapping.username.recipe].identifies:
        # A name makes a question only while the account has no idnumber; otherwise the two are namesakes.
        theirs = blank_where(theirs, ~is_blank(view.theirs(NEAR)))
    return pairs(folded(column(USERNAME)), theirs)


@dataclass(frozen=True)
class _Crowd:
    """Who else is at an account: persons that point at it too, and persons whose exact idnumber it has."""

    counts: NDArray[np.intp]
    ends: NDArray[np.intp]
    pointing: Places
    owners: dict[str, list[str | Sentence]]

    @classmethod
    def at(cls, view: View, points: Points) -> _Crowd:
        persons, accounts = points.distinct
        counts = np.bincount(accounts, minlength=len(view.accounts))
        by_account = persons[np.argsort(accounts, kind="stable")]
        return cls(counts, np.cumsum(counts), by_account, view.owners(accounts))

    def rivals(self, p: int, accounts: list[int]) -> Places:
        """Give who points at one of the accounts besides ``p``, in order."""
        each = [self.pointing[self.ends[a] - self.counts[a] : self.ends[a]] for a in accounts]
        persons: Places = each[0] if len(each) == 1 else np.unique(np.concatenate(each))
        others: Places = persons[persons != p]
        return others


def judge_questions(view: View, judged: Judged, points: Points, who: Mask) -> None:
    """Judge the persons ``who`` by what they point at; ``points`` may hold other persons' too, who are then named."""
    crowd = _Crowd.at(view, points)
    persons, accounts = points.distinct
    count = np.bincount(persons, minlength=len(who))
    count[~who] = -1
    judged.verdicts[count == 0] = VERDICT_CODES[Verdict.NEW]
    single = count[persons] == 1
    _judge_single(view, judged, points, _Pointers(persons[single], accounts[single], crowd))
    _judge_ambiguous(view, judged, points, count > 1, crowd)
    _tell_unreadable(view, judged, who)


def _judge_ambiguous(view: View, judged: Judged, points: Points, who: Mask, crowd: _Crowd) -> None:
    found: dict[int, dict[str, list[int]]] = {}
    order = np.lexsort((points.accounts, points.persons))
    order = order[who[points.persons[order]]]
    some = (each[order].tolist() for each in (points.persons, points.accounts, points.keys))
    for p, a, key in zip(*some, strict=True):
        found.setdefault(p, {}).setdefault(KEYS[key], []).append(a)
    places = np.array(list(found), dtype=np.intp)
    pointed = {p: sorted({a for accounts in by_key.values() for a in accounts}) for p, by_key in found.items()}
    judged.verdicts[places] = [
        VERDICT_CODES[Verdict.PROTECTED if view.all_protected(accounts) else Verdict.AMBIGUOUS]
        for accounts in pointed.values()
    ]
    said = [_ambiguous_sentence(view, p, by_key, crowd) for p, by_key in found.items()]
    judged.evidence.put(places, of_each(said))
    judged.other_accounts.put(places, listed_ids(view.ids, pointed))


def _ambiguous_sentence(view: View, p: int, by_key: dict[str, list[int]], crowd: _Crowd) -> Sentence:
    person = {name: view.mine(name)[p].as_py() for name in KEYS}
    pointing = [
        Sentence(
            "clause.key_at",
            key=_key(key, person[key]),
            accounts=first_of([_with_idnumber(view, a, crowd) for a in by_key[key]]),
        )
        for key in KEYS
        if key in by_key
    ]
    parts = [Sentence("clause.nobody", idnumber=person["idnumber"]), Sentence("clause.several", parts=pointing)]
    pointed = sorted({a for accounts in by_key.values() for a in accounts})
    rivals = crowd.rivals(p, pointed)
    if len(rivals):
        parts.append(Sentence("clause.rivals_of_one", n=len(rivals), persons=view.persons_listed(rivals)))
    if view.all_protected(pointed):
        parts.append(Sentence("clause.all_protected"))
    return clauses(parts)


def _key(key: str, value: str) -> Sentence:
    """Name a key with its value."""
    codes = {NEAR: "name.key_near", EMAIL: "name.key_email", USERNAME: "name.key_username"}
    return Sentence(codes[key], value=value)


def _with_idnumber(view: View, a: int, crowd: _Crowd) -> Sentence:
    account, idnumber = view.account(a), view.theirs("idnumber")[a].as_py()
    if not idnumber.strip():
        return Sentence("name.account_without", account=account)
    owners = crowd.owners.get(idnumber)
    if not owners:
        return Sentence("name.account_with", account=account, idnumber=idnumber)
    return Sentence("name.account_with_of", account=account, idnumber=idnumber, persons=persons_listed(owners))


@dataclass(frozen=True)
class _Pointers:
    """Persons who point at one account each, and that account."""

    persons: Places
    accounts: Places
    crowd: _Crowd


def _judge_single(view: View, judged: Judged, points: Points, pointers: _Pointers) -> None:
    mine, at = pointers.persons, pointers.accounts
    if not len(mine):
        return
    ours, others = pa.array(mine), pa.array(at)
    theirs = view.theirs(NEAR).take(others)
    by_key = {key: np.isin(mine, points.by_key(key)) for key in KEYS}
    other_id = view.mine("other_id").take(ours)
    missing = is_blank(theirs)
    verdicts = np.full(len(mine), VERDICT_CODES[Verdict.ID_DIFFERS], dtype=np.int8)
    verdicts[equal(theirs, other_id) & ~is_nothing(other_id)] = VERDICT_CODES[Verdict.ID_OTHER_SCHEME]
    verdicts[missing] = VERDICT_CODES[Verdict.ID_MISSING]
    verdicts[by_key[NEAR]] = VERDICT_CODES[Verdict.ID_CASE]
    verdicts[view.protected[at]] = VERDICT_CODES[Verdict.PROTECTED]
    judged.verdicts[mine], judged.accounts[mine] = verdicts, at
    judged.other_accounts.put(mine, join("[", numbers(view.ids[at]), "]"))

    rivals = _rivals(pointers)
    owners = _owners(theirs, pointers.crowd)
    alone, unowned = _without(rivals, len(mine)), _without(owners, len(mine))
    judged.evidence.put(mine, _single_sentences(view, pointers, verdicts, by_key, owners, rivals))
    rekeyed = np.isin(verdicts, [VERDICT_CODES[Verdict.ID_CASE], VERDICT_CODES[Verdict.ID_OTHER_SCHEME]])
    judged.proposal.put(mine[rekeyed & alone & unowned], "re-key")
    open_ = (verdicts == VERDICT_CODES[Verdict.ID_MISSING]) & alone
    surname = loose(view.theirs("lastname").take(others))
    same_surname = ~is_nothing(surname) & equal(loose(view.mine("lastname").take(ours)), surname)
    judged.proposal.put(mine[open_ & by_key[EMAIL] & same_surname], "link")
    allowed = np.zeros(len(mine), dtype=bool)
    for key in view.mapping.matching.link_on:
        allowed |= by_key[key]
    # Someone suspended that account on purpose: linking it would answer a question that nobody asked us.
    judged.may_link[mine] = open_ & allowed & ~view.suspended[at]


def _rivals(pointers: _Pointers) -> dict[int, Places]:
    """Give, by number of the pair, who points at the account too."""
    crowd = pointers.crowd
    some = np.flatnonzero(crowd.counts[pointers.accounts] > 1)
    pairs_ = zip(some.tolist(), pointers.persons[some].tolist(), pointers.accounts[some].tolist(), strict=True)
    return {number: crowd.rivals(p, [a]) for number, p, a in pairs_}


def _owners(theirs: Texts, crowd: _Crowd) -> dict[int, list[str | Sentence]]:
    """Name, by number of the pair, whose idnumber the account has exactly."""
    some = np.flatnonzero(is_in(theirs, crowd.owners))
    return {number: crowd.owners[theirs[number].as_py()] for number in some.tolist()}


def _without(some: dict[int, Any], length: int) -> Mask:
    mask = np.ones(length, dtype=bool)
    mask[list(some)] = False
    return mask


def _single_sentences(  # each is a fact of its own
    view: View,
    pointers: _Pointers,
    verdicts: np.ndarray,
    by_key: dict[str, Mask],
    owners: dict[int, list[str | Sentence]],
    rivals: dict[int, Places],
) -> Texts:
    """Say at which account each person points, and what is known of it."""
    mine, at = pointers.persons, pointers.accounts
    everyone, ours, others = np.arange(len(mine)), pa.array(mine), pa.array(at)
    idnumbers, theirs = quoted(view.mine(NEAR).take(ours)), view.theirs(NEAR).take(others)
    keys = Pieces(len(mine))
    for key, code in ((EMAIL, "name.key_email"), (USERNAME, "name.key_username")):
        found = everyone[by_key[key]]
        keys.add(found, sentences(code, value=quoted(view.mine(key).take(pa.array(mine[found])))))
    counts = keys.counts()
    listed = {"n": numbers(counts), "keys": keys.between("[", "]")}
    account = {"account": view.accounts_named(at), "theirs": quoted(theirs)}

    parts, near = Pieces(len(mine)), by_key[NEAR]

    def say(some: Mask, code: str, **parameters: Texts) -> None:
        mask = pa.array(some)
        if some.any():
            filled = {name: texts.filter(mask) for name, texts in parameters.items()}
            parts.add(everyone[some], sentences(code, **filled))

    say(near, "clause.near", idnumber=idnumbers, **account)
    say(near & (counts > 0), "clause.keys_too", **listed)
    say(~near, "clause.nobody", idnumber=idnumbers)
    missing, suspended = is_blank(theirs), view.suspended[at]
    owned, scheme = ~_without(owners, len(mine)), verdicts == VERDICT_CODES[Verdict.ID_OTHER_SCHEME]
    for some, code in (
        (missing & suspended, "clause.at_none_suspended"),
        (missing & ~suspended, "clause.at_none"),
        (~missing & scheme, "clause.at_other_id"),
        (~missing & ~scheme & owned, "clause.at_owned"),
        (~missing & ~scheme & ~owned, "clause.at_unknown"),
    ):
        say(~near & some, code, **listed, **account)
    said = [Sentence("clause.owners", persons=persons_listed(names)) for names in owners.values()]
    parts.add(np.array(list(owners), dtype=np.intp), of_each(said))
    said = [Sentence("clause.rivals", persons=view.persons_listed(each), n=len(each)) for each in rivals.values()]
    parts.add(np.array(list(rivals), dtype=np.intp), of_each(said))
    off = view.protected[at]
    why = scattered(len(mine), everyone[off], pa.array([view.why[a] for a in at[off].tolist()], type=pa.large_string()))
    say(off, "clause.protected", why=why)
    return sentences("clauses", parts=parts.between("[", "]"))


def _tell_unreadable(view: View, judged: Judged, who: Mask) -> None:
    """Say of whom the account is there and cannot be shown, whatever else was found of a person without one: nothing is written.

    Its key is an idnumber or an address: the recipe makes no username that Moodle cannot show. Where addresses may be shared,
    one says nothing about whose the account is.
    """
    # An idnumber says more: it comes last, and wins.
    for key in (NEAR,) if view.mapping.matching.shared_email else (EMAIL, NEAR):
        asked = {value.strip().casefold() for name, value in view.unreadable if name == key} - {""}
        if not asked:
            continue
        texts, idnumbers = view.mine(key), view.mine(NEAR)
        some = np.flatnonzero(is_in(folded(texts), asked) & who)
        said = [_hidden(view.links, key, texts[p].as_py(), idnumbers[p].as_py()) for p in some.tolist()]
        judged.verdicts[some], judged.accounts[some] = VERDICT_CODES[Verdict.UNREADABLE], -1
        judged.evidence.put(some, of_each(said))
        judged.other_accounts.put(some, "[]")
        judged.proposal.put(some, "")
        judged.may_link[some] = False


def _hidden(links: pd.DataFrame | None, key: str, value: str, idnumber: str) -> Sentence:
    known = [] if links is None else list(links.loc[links["idnumber"] == idnumber, "account_id"])
    account = account_named(int(known[0])) if known else Sentence("name.an_account")
    code = "evidence.unreadable_idnumber" if key == NEAR else "evidence.unreadable_email"
    return Sentence(code, account=account, value=value)
