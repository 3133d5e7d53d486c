"""Proof of what was written: profile fields are read back on a sample, for Moodle takes any value of them without an error."""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from moodle_coupling.contract.profile_fields import is_kept
from moodle_coupling.provisioning.load.outcomes import NOT_KEPT, UNSEEN, WITHHELD, OutcomeStatus
from moodle_coupling.provisioning.load.rows import ChangeItem, NewItem
from moodle_coupling.provisioning.lookups import look_up
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.contract.account import Account
    from moodle_coupling.provisioning.load.book import Book
    from moodle_coupling.provisioning.wire import Wire

Item = TypeVar("Item", NewItem, ChangeItem)

FIRST: Final = 5
"""So many accounts of each field are read back, whatever the value;"""
VALUES: Final = 20
"""then those with a value that was not read back yet, up to so many different ones: the options of a menu, the years of a date."""
MOST: Final = 60
"""Accounts that are read back in one load at most, whatever its size."""

_DATE: Final = re.compile(r"(\d{4})-\d{2}-\d{2}(-\d{2}){0,3}")


class Proof:
    """What is known of the profile fields of one load: which of them Moodle keeps as they are sent; for several threads.

    A field of which Moodle did not keep a value is not sent again in this load: nobody else's good value shall be lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: Counter[str] = Counter()
        self._values: defaultdict[str, set[str]] = defaultdict(set)
        self._left = MOST
        self._shown: set[str] = set()
        self._spoilt: set[str] = set()
        self._withheld: dict[int, list[str]] = {}

    def without_spoilt(self, items: Sequence[Item], book: Book) -> list[Item]:
        """Give the items without the fields that Moodle does not keep; whoever has nothing left is written down as skipped."""
        with self._lock:
            spoilt = set(self._spoilt)
        kept = []
        for item in items:
            held_back = sorted(spoilt & set(item.wire.profile))
            if held_back:
                profile = {name: value for name, value in item.wire.profile.items() if name not in spoilt}
                item = replace(item, wire=replace(item.wire, profile=profile))  # noqa: PLW2901  # the same person
                self._withheld[item.index] = held_back
            if item.wire.fields or item.wire.profile:
                kept.append(item)
            else:
                book.write(item.index, OutcomeStatus.SKIPPED, WITHHELD, _withheld(held_back), _account_of(item))
        return kept

    def look(self, items: Sequence[NewItem] | Sequence[ChangeItem], wire: Wire, book: Book) -> None:
        """Read a sample of the items that are done back, and write down of whom Moodle kept something else."""
        done = {outcome.index: outcome for outcome in book.known(item.index for item in items)}
        done = {index: one for index, one in done.items() if one.status is OutcomeStatus.DONE and one.account_id}
        for item in items:
            if item.index in done and item.index in self._withheld:
                said = _withheld(self._withheld[item.index])
                book.write(item.index, OutcomeStatus.DONE, WITHHELD, said, done[item.index].account_id)
        sample = {done[item.index].account_id: item for item in self._sample([i for i in items if i.index in done])}
        if not sample:
            return
        found = look_up(wire, "id", [str(id_) for id_ in sample])
        with self._lock:
            self._shown |= {name for account in found.accounts for name in account.profile}
        for account in found.accounts:
            self._judge(account, sample[account.id], book)

    def _sample(self, items: Sequence[NewItem | ChangeItem]) -> list[NewItem | ChangeItem]:
        with self._lock:
            chosen = []
            for item in items:
                if self._left and any(self._is_new(name, value) for name, value in item.wire.profile.items()):
                    chosen.append(item)
                    self._left -= 1
                    self._read.update(item.wire.profile.keys())
                    for name, value in item.wire.profile.items():
                        self._values[name].add(_kind(value))
            return chosen

    def _is_new(self, name: str, value: str) -> bool:
        seen = self._values[name]
        return self._read[name] < FIRST or (len(seen) < VALUES and _kind(value) not in seen)

    def _judge(self, account: Account, item: NewItem | ChangeItem, book: Book) -> None:
        lost = [
            name
            for name, sent in item.wire.profile.items()
            if not is_kept(account.profile_types.get(name, ""), account.profile.get(name, ""), sent)
        ]
        if not lost:
            return
        had = item.had if isinstance(item, ChangeItem) else frozenset()
        spoilt = [name for name in lost if name in self._shown or name in had]
        with self._lock:
            self._spoilt.update(spoilt)
        code, say = (NOT_KEPT, _not_kept) if spoilt else (UNSEEN, _unseen)
        said = in_turn(say(name, account.profile.get(name, ""), item.wire.profile[name]) for name in spoilt or lost)
        book.write(item.index, OutcomeStatus.DONE, code, said, account.id)


def _account_of(item: NewItem | ChangeItem) -> int | None:
    return item.account_id if isinstance(item, ChangeItem) else None


def _kind(value: str) -> str:
    date = _DATE.fullmatch(value)
    return date[1] if date else value


def _not_kept(name: str, held: str, sent: str) -> Sentence:
    return Sentence("load.not_kept", name=name, held=held, sent=sent)


def _unseen(name: str, _held: str, sent: str) -> Sentence:
    return Sentence("load.unseen", name=name, sent=sent)


def _withheld(names: Sequence[str]) -> Sentence:
    return Sentence("load.withheld", names=list(names))
