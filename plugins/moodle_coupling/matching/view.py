"""What matching looks at: persons and accounts in a fixed order, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.matching.evidence import NAMED, account_named, person_named, persons_in, persons_listed
from moodle_coupling.matching.frames import ALWAYS_PROTECTED, REQUIRED
from moodle_coupling.matching.written import numbers, quoted, sentences
from moodle_coupling.people.arrow import (
    as_mask,
    both,
    change_where,
    choose,
    equal,
    is_in,
    not_ascii,
    pa,
    pc,
    same_text,
    taken,
    to_texts,
    together,
)
from moodle_coupling.people.arrow import is_blank as is_nothing
from moodle_coupling.people.cleaning import folded, trimmed, without_case
from moodle_coupling.people.letters import without_accents
from moodle_coupling.words.sentence import Sentence, read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as Mapping_

    from numpy.typing import NDArray

    from moodle_coupling.mapping import Mapping, Write
    from moodle_coupling.people.arrow import Mask, Texts

    Places = NDArray[np.intp]


# ---- When two texts are the same to Moodle, and when two names are those of one person ----

UNKNOWN_COUNTRY: Final = "0"
"""What Moodle stores for a country it does not know (seen on 5.1)."""
_SPACES: Final = r"[\t-\r\x1c-\x20]+"


def loose(texts: Texts) -> Texts:
    """Give names without letter case, diacritics and spaces: Jürgen and JURGEN are the same."""
    odd = not_ascii(texts)
    letters = pc.replace_substring_regex(pc.ascii_lower(texts), _SPACES, "")
    return pc.if_else(pa.array(odd), change_where(texts, odd, _loose), letters) if odd.any() else letters


def is_blank(texts: Texts) -> Mask:
    """Tell which texts are empty or only spaces."""
    return is_nothing(pc.utf8_trim_whitespace(texts))


def differs(field: str, old: Texts, new: Texts) -> Mask:
    """Tell where writing ``new`` would change what Moodle holds in ``field``.

    Surrounding spaces, the Unicode form and the letter case of an e-mail address are no difference. Entities are: Moodle
    stores ``&amp;`` as it was sent and gives it back so (seen on 5.1), hence it is not the same as ``&``.
    """
    found = ~equal(old, new)
    if not found.any():
        return found
    # The expensive comparison only where the cheap one sees a difference: usually a few of many.
    mask = pa.array(found)
    some_old, some_new = trimmed(old.filter(mask)), trimmed(new.filter(mask))
    if field == "email":
        some_old, some_new = without_case(some_old), without_case(some_new)
    really = ~equal(some_old, some_new)
    if field == "country":
        # An unknown country is stored as 0 again and again: sending it every night changes nothing.
        known = as_mask(pc.match_substring_regex(some_new, "^[A-Z]{2}$"))
        really &= ~(equal(some_old, UNKNOWN_COUNTRY) & ~known)
    found[found] = really
    return found


def is_empty(field: str, values: Texts) -> Mask:
    """Tell where Moodle holds nothing in ``field``."""
    empty = is_blank(values)
    return empty | equal(values, UNKNOWN_COUNTRY) if field == "country" else empty


def pairs(left: Texts, right: Texts) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in left and in right, by left and then by right, whose texts are equal and not empty."""
    coded = pc.dictionary_encode(left)
    known = pc.fill_null(pc.index_in(right, value_set=coded.dictionary), -1).to_numpy()
    return pairs_of_numbers(coded.indices.to_numpy(), known, ~is_nothing(coded.dictionary))


def pairs_of_numbers(
    left: NDArray[np.integer], right: NDArray[np.integer], counts: Mask
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in left and in right, by left and then by right, that have the same number.

    ``counts`` tells of each number whether it counts; a negative one in ``right`` never does.
    """
    places = np.flatnonzero(right >= 0)
    places = places[np.argsort(right[places], kind="stable")]
    each = np.bincount(right[places], minlength=len(counts))
    starts = np.cumsum(each) - each
    each[~counts] = 0
    many = each[left]
    ours = np.repeat(np.arange(len(left)), many)
    within = np.arange(len(ours)) - np.repeat(np.cumsum(many) - many, many)
    return ours, places[np.repeat(starts[left], many) + within]


def nothing(length: int) -> Texts:
    """Give that many empty texts."""
    return same_text("", length)


def _loose(text: str) -> str:
    return "".join(without_accents(text).split())


# ---- What matching looks at ----

_OF_EVERYONE: Final = ("row", "person_id", "extern_id", "idnumber", "email", "username", "firstname", "lastname")
_FLAGS: Final = ("in_scope", "inactive")


@dataclass(frozen=True)
class Idnumbers:
    """Idnumbers as numbers: equal ones have the same, in the order of ``everyone``, ``persons`` and ``accounts``.

    ``counts`` tells of each number whether it is an idnumber, and not ''.
    """

    everyone: Places
    persons: Places
    accounts: Places
    counts: Mask

    def of(self, some: Places) -> Mask:
        """Tell of each number whether it is among these."""
        mask = np.zeros(len(self.counts), dtype=bool)
        mask[some] = True
        return mask & self.counts


@dataclass(frozen=True)
class View:
    """Frames side by side; a person or account is known by its place, which is its index label too.

    ``everyone`` are all candidates by row, then the bystanders; ``persons`` those candidates in scope; ``accounts`` by id.
    ``rejected``, ``email_barred`` are per person; ``linked_by_us``, ``suspended_by_us``, ``known_person`` and
    ``known_username`` (the PersonId under which the ledger knows it and the username it had; '' for none) per account. ``why``: protected accounts → why, as a written sentence. ``links``: what the
    ledger knows, as it came. ``unreadable``: (field, value) of accounts that are there and that Moodle cannot show.
    """

    mapping: Mapping
    everyone: pd.DataFrame
    persons: pd.DataFrame
    accounts: pd.DataFrame
    rejected: Mask
    email_barred: Mask
    why: dict[int, str]
    linked_by_us: Mask
    suspended_by_us: Mask
    known_person: Texts
    known_username: Texts
    idnumbers: Idnumbers
    links: pd.DataFrame | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    _mine: dict[str, Texts] = field(default_factory=dict)
    _theirs: dict[str, Texts] = field(default_factory=dict)
    _folded: dict[str, Texts] = field(default_factory=dict)

    def mine(self, name: str) -> Texts:
        """Give a column of the persons."""
        if name not in self._mine:
            self._mine[name] = to_texts(self.persons[name])
        return self._mine[name]

    def theirs(self, name: str) -> Texts:
        """Give a column of the accounts; '' where it was not read."""
        if name not in self._theirs:
            read_ = name in self.accounts
            self._theirs[name] = to_texts(self.accounts[name]) if read_ else same_text("", len(self.accounts))
        return self._theirs[name]

    def theirs_folded(self, name: str) -> Texts:
        """Give a column of the accounts without letter case and surrounding spaces."""
        if name not in self._folded:
            self._folded[name] = folded(self.theirs(name))
        return self._folded[name]

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The accounts' ids, ascending."""
        return self.accounts["id"].to_numpy(dtype=np.int64)

    @cached_property
    def suspended(self) -> Mask:
        """Which accounts are suspended."""
        return self.accounts["suspended"].to_numpy(dtype=bool)

    @cached_property
    def protected(self) -> Mask:
        """Which accounts are never written."""
        mask = np.zeros(len(self.accounts), dtype=bool)
        mask[list(self.why)] = True
        return mask

    def forget_folded(self) -> None:
        """Let go of what only matching needs: several columns of all accounts."""
        self._folded.clear()

    def places(self, ids: Iterable[int]) -> Places:
        """Give the places of those accounts that are there, ascending."""
        return np.flatnonzero(np.isin(self.ids, np.fromiter(ids, dtype=np.int64)))

    def owners(self, places: Places, *, outside: bool = True) -> dict[str, list[str | Sentence]]:
        """Give who has the idnumber of one of these accounts, by idnumber, as they are called; ``outside``: also out of scope."""
        numbers_ = self.idnumbers
        mask = numbers_.of(numbers_.accounts[places])[numbers_.everyone]
        if not outside:
            mask &= self.everyone["in_scope"].to_numpy(dtype=bool)
        some = self.everyone[mask]
        found: dict[str, list[str | Sentence]] = {}
        for idnumber, name, inside in zip(some["idnumber"], persons_in(some), some["in_scope"], strict=True):
            found.setdefault(str(idnumber), []).append(name if inside else Sentence("name.outside", name=name))
        return found

    def person(self, p: int) -> str | Sentence:
        """Name a person."""
        person_ids, extern_ids, rows = self._people
        return person_named(person_ids[p].as_py(), extern_ids[p].as_py(), int(rows[p]))

    def persons_listed(self, places: Places) -> Sentence:
        """Name the first of these persons, and say how many more there are."""
        return persons_listed([self.person(p) for p in places[:NAMED].tolist()], len(places[NAMED:]))

    def account(self, a: int) -> Sentence:
        """Name an account."""
        return account_named(int(self.ids[a]), self._usernames[a].as_py())

    def accounts_named(self, places: Places) -> Texts:
        """Name accounts, as written sentences."""
        ids, usernames = numbers(self.ids[places]), self._usernames.take(pa.array(places))
        named = sentences("name.account", id=ids, username=quoted(usernames))
        nameless = is_nothing(usernames)
        return choose(nameless, sentences("name.account_number", id=ids), named) if nameless.any() else named

    def why_protected(self, a: int) -> Sentence | None:
        """Say why an account is never written; None if it may be."""
        return read(self.why.get(a, ""))

    def all_protected(self, accounts: Iterable[int]) -> bool:
        """Tell whether every one of these accounts is protected."""
        return all(a in self.why for a in accounts)

    @cached_property
    def _people(self) -> tuple[Texts, Texts, Any]:
        return self.mine("person_id"), self.mine("extern_id"), self.persons["row"].to_numpy()

    @cached_property
    def _usernames(self) -> Texts:
        return self.theirs("username")

    def email_policy(self) -> Write:
        """Say when the e-mail address of an existing account is written."""
        return self.mapping.write_policy("email")


def make_view(  # noqa: PLR0913  # each is a frame or a fact of its own
    candidates: pd.DataFrame,
    accounts: pd.DataFrame,
    mapping: Mapping,
    *,
    reasons: pd.DataFrame | None = None,
    links: pd.DataFrame | None = None,
    service_userid: int | None = None,
    bystanders: pd.DataFrame | None = None,
    protections: Mapping_[int, str] | None = None,
    unreadable: Iterable[tuple[str, str]] = (),
) -> View:
    """Lay candidates and accounts side by side; raises KeyError when the accounts lack a column of REQUIRED.

    ``unreadable``: (field, value) of accounts that are there and that Moodle cannot show.
    """
    candidates = _in_order(candidates, "row")
    inside = candidates["in_scope"].to_numpy(dtype=bool)
    persons = candidates if inside.all() else candidates[inside].reset_index(drop=True)
    everyone = candidates[[name for name in (*_OF_EVERYONE, *_FLAGS) if name in candidates]]
    if bystanders is not None and len(bystanders):
        everyone = pd.concat([everyone, bystanders[list(everyone.columns)]], ignore_index=True)
    known = _accounts(accounts)
    stopped, barred = _stopped(persons, reasons)
    ours, (idnumbers, why) = both(
        lambda: _links_of(known, links),
        lambda: (
            _numbered(everyone, np.flatnonzero(inside), known),
            protected_accounts(known, mapping, service_userid, protections or {}),
        ),
    )
    return View(
        mapping=mapping,
        everyone=everyone,
        persons=persons,
        accounts=known,
        rejected=stopped | is_blank(to_texts(persons["idnumber"])),
        email_barred=barred,
        why=why,
        linked_by_us=ours.linked,
        suspended_by_us=ours.suspended,
        known_person=ours.person_id,
        known_username=ours.username,
        idnumbers=idnumbers,
        links=links,
        unreadable=tuple(unreadable),
    )


def _in_order(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    # Sorting copies everything, also where the order is right already.
    if frame[name].is_monotonic_increasing:
        return frame.reset_index(drop=True)
    return frame.sort_values(name, ignore_index=True)


def _accounts(accounts: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in REQUIRED if name not in accounts.columns]
    if missing:
        raise KeyError(f"accounts frame without {', '.join(missing)}")
    known = _in_order(accounts, "id")
    return known if "suspended" in known.columns else known.assign(suspended=False)


def _numbered(everyone: pd.DataFrame, persons: Places, accounts: pd.DataFrame) -> Idnumbers:
    texts = together(to_texts(everyone["idnumber"]), to_texts(accounts["idnumber"]))
    coded = pc.dictionary_encode(texts)
    found = coded.indices.to_numpy().astype(np.intp)
    of_everyone = found[: len(everyone)]
    return Idnumbers(of_everyone, of_everyone[persons], found[len(everyone) :], ~is_nothing(coded.dictionary))


def _stopped(persons: pd.DataFrame, reasons: pd.DataFrame | None) -> tuple[Mask, Mask]:
    if reasons is None or reasons.empty:
        return np.zeros(len(persons), dtype=bool), np.zeros(len(persons), dtype=bool)
    blocks = reasons["blocks"]
    emails = (blocks == "create") & (reasons["field"] == "email")
    rows = persons["row"].to_numpy()
    return np.isin(rows, reasons.loc[blocks == "all", "row"]), np.isin(rows, reasons.loc[emails, "row"])


def protected_accounts(
    accounts: pd.DataFrame, mapping: Mapping, service_userid: int | None, marked: Mapping_[int, str]
) -> dict[int, str]:
    """Say why accounts are never written, by their place in the frame; by name and not by id, since the admin is not number 2 everywhere."""
    ids, idnumbers = accounts["id"].to_numpy(dtype=np.int64), to_texts(accounts["idnumber"])
    usernames = folded(to_texts(accounts["username"]))
    settings, mapped = mapping.matching, Sentence("protected.mapping").written()
    by_hand = np.flatnonzero(np.isin(ids, np.fromiter(marked, dtype=np.int64)))
    why = {int(a): Sentence("protected.by", by=marked[int(ids[a])]).written() for a in by_hand}
    found = is_in(idnumbers, settings.protected_idnumbers)
    found[found] = ~is_blank(idnumbers.filter(pa.array(found)))
    found |= is_in(usernames, {name.strip().casefold() for name in settings.protected_usernames})
    why |= dict.fromkeys(np.flatnonzero(found).tolist(), mapped)
    if service_userid is not None:
        said = Sentence("protected.service").written()
        why |= dict.fromkeys(np.flatnonzero(ids == service_userid).tolist(), said)
    for name in ALWAYS_PROTECTED:
        said = Sentence("protected.builtin", name=name).written()
        why |= dict.fromkeys(np.flatnonzero(equal(usernames, name)).tolist(), said)
    return why


@dataclass(frozen=True)
class _Links:
    """What the ledger knows of each account."""

    linked: Mask
    suspended: Mask
    person_id: Texts
    username: Texts


def _links_of(accounts: pd.DataFrame, links: pd.DataFrame | None) -> _Links:
    length = len(accounts)
    if links is None or links.empty:
        nobody = np.zeros(length, dtype=bool)
        return _Links(nobody, nobody, same_text("", length), same_text("", length))
    at = _place_of_each(accounts["id"].to_numpy(dtype=np.int64), links["account_id"].to_numpy(dtype=np.int64))
    there = at >= 0
    # A link holds for the idnumber it was made on: an account that was re-keyed by hand is not ours to suspend.
    linked = there & equal(taken(to_texts(links["idnumber"]), at), to_texts(accounts["idnumber"]))
    by_us = np.zeros(length, dtype=bool)
    by_us[there] = (links["suspended_by_us"].fillna(value=False).to_numpy() == 1)[at[there]]
    known = [
        taken(to_texts(links[name]), np.where(linked, at, -1)) if name in links.columns else same_text("", length)
        for name in ("person_id", "username")
    ]
    return _Links(linked, by_us, *known)


def _place_of_each(wanted: NDArray[np.int64], values: NDArray[np.int64]) -> Places:
    """Give the place in ``values`` where each is last, -1 where it is not there."""
    order = np.argsort(values, kind="stable")
    at = np.searchsorted(values[order], wanted, side="right") - 1
    found = order[np.maximum(at, 0)] if len(order) else np.full(len(wanted), -1, dtype=np.intp)
    return np.where((at >= 0) & (values[found] == wanted), found, -1)
