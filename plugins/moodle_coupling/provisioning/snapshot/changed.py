"""The accounts that the persons of a run for what changed can be, without reading everyone.

What look-ups do not find on every database comes from four sides: the odd keys that were kept at the last reading of
everyone, the ledger's links, the accounts that came since, and a search of the few addresses that nobody seems to have.
Whatever points at an account, the account is read from Moodle before it is judged.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from moodle_coupling.provisioning.snapshot.checkpoint import Pieces
from moodle_coupling.provisioning.snapshot.keys import odd_keys
from moodle_coupling.provisioning.snapshot.lookup import Finder
from moodle_coupling.provisioning.snapshot.numbers import read_by_number
from moodle_coupling.provisioning.snapshot.reading import Reading
from moodle_coupling.provisioning.snapshot.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.provisioning.snapshot.everyone import Beforehand
    from moodle_coupling.provisioning.snapshot.keys import AccountKeys
    from moodle_coupling.provisioning.snapshot.lookup import Unsettled
    from moodle_coupling.provisioning.wire import Wire

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
