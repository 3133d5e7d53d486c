"""The snapshot: the accounts of a Moodle that matter to these candidates, read back as a frame."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.hooks.moodle.probes import SAMPLE_IDS
from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.provisioning.snapshot.everyone import Beforehand, Everyone, read_by_number
from moodle_coupling.provisioning.snapshot.keys import odd_keys
from moodle_coupling.provisioning.snapshot.lookup import Finder
from moodle_coupling.provisioning.snapshot.reading import Pieces, Reading, Tracker, joined
from moodle_coupling.provisioning.snapshot.visibility import Visibility, tell_unseen, without_unproved
from moodle_coupling.provisioning.wire import Moodle, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pandas as pd

    from moodle_coupling.provisioning.snapshot.keys import AccountKeys
    from moodle_coupling.provisioning.snapshot.lookup import Unsettled
    from moodle_coupling.provisioning.snapshot.reading import Keeper


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: ``accounts`` (the accounts frame), the values that could not be looked up, and the calls it took.

    ``unreadable`` holds ids, idnumbers, usernames or e-mail addresses, as they were asked: an account with one of them
    is there, and odd. ``unreadable_keys``: (field, value) of which that is certain, since Moodle took the value and could not
    show the account. ``strategy``: how everyone was read ('' when not everyone was); ``total``: how many accounts there are in
    the whole Moodle, None when not everyone was read. With strategy ``report`` it is more than ``accounts`` has: those that
    no plan can be about are counted only. ``profile_types``: the types of profile fields, by shortname, as far as an account
    shows them. ``unseen``: fields that the plan would compare and of which it is not proved that the token sees
    them; ``accounts`` has no such column.
    """

    accounts: pd.DataFrame
    unreadable: tuple[str, ...]
    calls: int
    strategy: str = ""
    total: int | None = None
    profile_types: Mapping[str, str] = field(default_factory=dict)
    unreadable_keys: tuple[tuple[str, str], ...] = ()
    unseen: tuple[str, ...] = ()


def read_accounts(  # noqa: PLR0913 - each is the run's own, and given by name
    hook: Moodle,
    candidates: pd.DataFrame,
    *,
    full: bool = False,
    account_ids: Collection[int] = (),
    settings: SnapshotSettings | None = None,
    known: pd.DataFrame | None = None,
    keys: AccountKeys | None = None,
    shared_email: bool = False,
    keep: Keeper | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    untyped: Collection[str] = (),
    visibility: Visibility | None = None,
) -> Snapshot:
    """Read the accounts that these candidates (CANDIDATE_COLUMNS) can be, or can be confused with.

    Looked up are their idnumbers; then, for those whose account does not settle it, e-mail addresses and usernames;
    then numbered usernames, until as many free ones are seen as persons may need. MariaDB compares without letter case
    and accents, so what comes back is compared again: kept is what equals a key that was asked, letter case and
    surrounding spaces aside. PostgreSQL compares exactly, so accounts that were known by such a key (``keys``) or link
    (``known``) are read by id, and so are the newcomers (:mod:`moodle_coupling.provisioning.snapshot.accounts`).

    ``full`` reads everyone first, so that orphans show; ``settings`` say how (docs/snapshot.md). Everyone is read too
    where ``keys`` says that it must be, or where too many addresses would have to be searched. Without ``keys`` an
    account whose idnumber or address is spelled in an odd way may be missed on a run that is not full. ``account_ids``
    are looked up by id too. ``known``: the ledger's links (account_id, idnumber and, where there is one, username);
    whoever of them was not seen under that idnumber is looked up by id: all of them when ``full``, else those of the
    candidates. ``shared_email``: the mapping says that addresses may be shared. ``keep`` keeps the pieces of a reading of
    everyone until it is finished. ``progress`` hears how many accounts were read, and of how many (None: not known), about
    once a second, in the caller's thread. ``visibility`` says which fields must be proved visible, at most three calls;
    without it nothing is known of that.

    ``untyped``: shortnames of profile fields whose type must be found out.

    Raises MoodleAccessDenied when the token sees less of an account than it must: hidden is not empty, and everyone
    would look new. Raises SettingError when the mapping asks for a custom report that is not there or does not show
    what it must. Otherwise what the hook raises.
    """
    wire = Wire(hook)
    beforehand = Beforehand(candidates, known, frozenset(int(id_) for id_ in account_ids))
    if not full:
        finder = read_changed(wire, beforehand, keys, shared_email=shared_email)
        if finder is not None:
            types = _types(wire, finder.found(), untyped)
            accounts, unseen = _seen(wire, finder.found(), visibility, again=False)
            return Snapshot(
                accounts,
                tuple(sorted(finder.unreadable)),
                _calls(wire),
                profile_types=types,
                unreadable_keys=finder.unreadable_keys,
                unseen=unseen,
            )

    everyone = Everyone(wire, settings or SnapshotSettings(), beforehand, keep, Tracker(progress))
    finder = Finder(wire, everyone.read())
    finder.find_numbered(finder.find_for(candidates).wanted)
    accounts = joined([everyone.beyond(finder.found()), finder.found()])
    finder.find("id", beforehand.unseen(accounts))
    accounts = joined([accounts, finder.found()])
    total = everyone.finish(accounts, keys)
    accounts, unseen = _seen(wire, accounts, visibility, again=True)
    unreadable = tuple(sorted(everyone.unreadable | finder.unreadable))
    types = _types(wire, accounts, untyped)
    unread_keys = finder.unreadable_keys
    return Snapshot(accounts, unreadable, _calls(wire), str(everyone.strategy), total, types, unread_keys, unseen)


def _types(wire: Wire, accounts: pd.DataFrame, untyped: Collection[str]) -> Mapping[str, str]:
    """Give the types that were shown; of a field whose type nobody showed this time somebody who has it is asked, or the lowest ids."""
    for shortname in untyped:
        column = PROFILE_PREFIX + shortname
        if shortname not in wire.profile_types and column in accounts:
            wire.find("id", [str(id_) for id_ in accounts.loc[accounts[column] != "", "id"].head(1)])
    if any(shortname not in wire.profile_types for shortname in untyped):
        wire.find("id", [str(id_) for id_ in range(1, SAMPLE_IDS + 1)])
    return wire.profile_types


def _seen(
    wire: Wire, accounts: pd.DataFrame, visibility: Visibility | None, *, again: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give the accounts without the fields that may be hidden, and which of those the plan would have compared."""
    if visibility is None:
        return accounts, ()
    unproved = visibility.unproved(wire, accounts, again=again)
    unseen = tuple(field for field in visibility.compared if field in unproved)
    tell_unseen(unseen)
    return without_unproved(accounts, unproved), unseen


def _calls(wire: Wire) -> int:
    return sum(wire.calls.values())


log = logging.getLogger(__name__)

MOST_SEARCHES: Final = 250
"""Addresses to search at most. A search scans Moodle's accounts (some 1.5 µs each, measured), reading everyone by a report
takes 0.33 ms each: from 220 searches on that is no slower, on a site of any size."""

BEYOND: Final = 2000
"""Ids without an account above the highest known one after which no newcomer is expected: four calls. A reading of
everyone goes further; refused creates use up numbers, by the hundred."""


def read_changed(wire: Wire, beforehand: Beforehand, keys: AccountKeys | None, *, shared_email: bool) -> Finder | None:
    """Look up who the candidates can be, or be confused with; None when everyone must be read for that.

    Without ``keys`` only look-ups and links count.
    """
    highest = None if keys is None else keys.highest()
    if keys is not None and highest is None:
        log.info("Everyone is read: it was never done here, or more than a week ago.")
        return None
    candidates = beforehand.candidates
    finder = Finder(wire)
    unsettled = finder.find_for(candidates)
    pointed: Collection[int] = ()
    if keys is not None and highest is not None:
        if unsettled.idnumbers:
            finder.note_unreadable(_keep_newcomers(wire, beforehand, keys, highest))
        pointed = keys.accounts_with(unsettled.keys())
    finder.find("id", beforehand.unseen(finder.found(), candidates["idnumber"], also=pointed))
    if keys is not None:
        doubtful = _doubtful(finder, unsettled, shared_email=shared_email)
        if len(doubtful) > MOST_SEARCHES:
            log.info("Everyone is read: %d addresses would have to be searched one by one.", len(doubtful))
            return None
        finder.search(doubtful)
    finder.find_numbered(unsettled.wanted)
    return finder


def _doubtful(finder: Finder, unsettled: Unsettled, *, shared_email: bool) -> list[str]:
    """Give the addresses that are worth a search: missing their holder would spoil what is written.

    Where addresses may be shared Moodle takes a second account with one; where not, it refuses the whole update of an
    account that is to get one, but also the second account: so a new person's address is not searched there.
    """
    return finder.without_holder(unsettled.new_emails if shared_email else unsettled.emails)


def _keep_newcomers(wire: Wire, beforehand: Beforehand, keys: AccountKeys, highest: int) -> set[str]:
    """Read who came since the last look and keep their odd keys; give the ids of those whom Moodle cannot show.

    Accounts of our own making are known by their links and not read.
    """
    reading = Reading(wire, Pieces(None, "newcomers"), Tracker())
    ours = {id_ for id_ in beforehand.ids() if id_ > highest}
    asked = read_by_number(reading, (), start=highest + 1, beyond=BEYOND, skip=ours)
    there = reading.ids | ours | {int(id_) for id_ in reading.unreadable}
    keys.keep_more(odd_keys(reading.accounts()), max((id_ for id_ in there if id_ <= asked), default=highest))
    return reading.unreadable
