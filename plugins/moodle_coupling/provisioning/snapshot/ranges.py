"""Everyone by account number, or by the beginning of the e-mail address and by number whoever that does not show."""

from __future__ import annotations

import itertools
import logging
import string
from collections import deque
from typing import TYPE_CHECKING, Final

from moodle_coupling.provisioning.lookups import literally
from moodle_coupling.provisioning.snapshot.reading import Lookups, Piece, Refusal, Slice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from moodle_coupling.provisioning.snapshot.reading import Reading


log = logging.getLogger(__name__)

AT_ONCE: Final = 1000
"""Ids per piece, two calls."""

BEYOND: Final = 10_000
"""Ids without an account after which nobody is expected any more. Every refused create uses up numbers, so a gap of
a few hundred is ordinary; asking for 500 ids that nobody has takes a call of some 15 ms."""

LONGEST_GAP: Final = 2_000_000
"""A longer stretch between two known accounts is not gone through: this one takes 4,000 calls, half a minute by two
connections."""


def read_by_number(
    reading: Reading,
    anchors: Iterable[int],
    *,
    start: int = 1,
    beyond: int | None = None,
    skip: Collection[int] = (),
) -> int:
    """Read the accounts of all ids from ``start`` up that were not read yet; give the highest id that was asked.

    ``anchors`` are ids known to have been an account's. Between two of them that are further apart than LONGEST_GAP
    only BEYOND ids on either side are asked; the log says so. ``beyond`` ids without an account end it (None: BEYOND).
    ``skip`` are ids of accounts that need not be read.
    """
    gap = BEYOND if beyond is None else beyond
    stretches = _Stretches(_stretches({*anchors, *reading.ids}, start), {*reading.ids, *skip}, gap)
    for part, piece in reading.read(stretches.take):
        if isinstance(piece, Piece) and isinstance(part, Lookups):
            stretches.heard(piece.highest())
            total = stretches.expected(len(reading.ids))
            if total is not None:
                reading.tracker.expect(max(total, reading.tracker.done), about=True)
    return stretches.asked


def far_apart(anchors: Collection[int]) -> bool:
    """Tell whether so many numbers lie between known accounts that going through them all would take too long."""
    return len(_stretches(anchors, 1)) > 1


def _stretches(anchors: Collection[int], start: int) -> list[tuple[int, int]]:
    """Give the stretches of ids to go through, as first and last, by what is known."""
    found = [(start, start - 1)]
    for anchor in sorted(anchor for anchor in anchors if anchor >= start):
        first, last = found[-1]
        if anchor - last <= LONGEST_GAP:
            found[-1] = (first, anchor)
        else:
            found.append((anchor - BEYOND, anchor))
    return found


class _Stretches:
    """Gives the ids of the stretches piece by piece; each goes on beyond its last known id until nobody comes."""

    def __init__(self, stretches: list[tuple[int, int]], read: Collection[int], beyond: int) -> None:
        self._beyond = beyond
        self._todo = stretches[::-1]
        self._guess_to = stretches[0][1] if len(stretches) == 1 and not read else 0
        # A copy: what is read meanwhile must not change the parts, by whose names a later try finds the pieces.
        self._read = frozenset(read)
        self._next, self._last = self._todo.pop()
        self._under_way = 0
        for (_, before), (after, _) in itertools.pairwise(stretches):
            log.warning("Ids %d to %d are not all asked: too far from any known account.", before + 1, after - 1)

    @property
    def asked(self) -> int:
        """The highest id that was asked, or is known anyway."""
        return self._next - 1

    def take(self) -> Lookups | None:
        """Give the next ids that were not read yet; None when nobody more is expected, as far as is heard."""
        while (start := self._start()) is not None:
            self._next = start + AT_ONCE
            values = [str(id_) for id_ in range(start, self._next) if id_ not in self._read]
            if len(values) < AT_ONCE:
                self._last = max(self._last, *(id_ for id_ in range(start, self._next) if id_ in self._read))
            if values:
                self._under_way += 1
                return Lookups(f"ids-{start}-{self._next - 1}", "id", values)
        return None

    def _start(self) -> int | None:
        if self._next > self._last + self._beyond:
            if not self._todo or self._under_way:
                return None
            start, self._last = self._todo.pop()
            self._next = max(self._next, start)
        return self._next

    def heard(self, highest: int) -> None:
        """Take in the highest id that was somebody's in a piece that was taken."""
        self._under_way -= 1
        self._last = max(self._last, highest)

    def expected(self, found: int) -> int | None:
        """Guess how many accounts there are, from how many the first ids gave; None where there is nothing to go by."""
        if self._guess_to <= self.asked or not found:
            return None
        return round(found * self._guess_to / self.asked)


_FIRST: Final = (*string.ascii_lowercase, *string.digits, *"!#$&'*+-/=?^`{|}~.", "_", "%")
"""Characters with which an address Moodle takes can begin; letter case does not count in its search."""
_NEXT: Final = (*_FIRST, "@")
_DEEPEST: Final = 6
_MOST: Final = 3000
"""Accounts that one call should give at most, as far as can be foreseen: ten seconds of work for the site (299
accounts a second, measured), and some megabytes."""


def read_by_listing(reading: Reading, anchors: Iterable[int], addresses: Collection[str]) -> int:
    """Read everyone in slices by the beginning of the address, then by number whoever was not among them.

    So accounts with an empty address, or one that begins with no ASCII character, are seen too, and a slice that one
    odd account spoils is read account by account. ``addresses``, of the persons of the source, tell beforehand which
    slices would be large; one that is too large nevertheless is cut. Gives the highest id that was asked.
    """
    todo = deque(_beginnings([address.casefold() for address in addresses]))

    def take() -> Slice | None:
        return _slice(todo.popleft()) if todo else None

    for part, result in reading.read(take):
        if isinstance(result, Refusal) and result.too_large and isinstance(part, Slice):
            beginning = _beginning(part)
            # At the deepest it is left to the numbers.
            todo.extend(beginning + character for character in _NEXT if len(beginning) < _DEEPEST)
    return read_by_number(reading, anchors)


def _beginnings(addresses: list[str], beginning: str = "") -> list[str]:
    if len(beginning) == _DEEPEST or (beginning and len(addresses) <= _MOST):
        return [beginning]
    fitting: dict[str, list[str]] = {}
    for address in addresses:
        fitting.setdefault(address[len(beginning) : len(beginning) + 1], []).append(address)
    characters = _NEXT if beginning else _FIRST
    return [
        deeper for character in characters for deeper in _beginnings(fitting.get(character, []), beginning + character)
    ]


def _slice(beginning: str) -> Slice:
    return Slice(f"mail-{beginning.encode().hex()}", f"{literally(beginning)}%")


def _beginning(part: Slice) -> str:
    return bytes.fromhex(part.name.removeprefix("mail-")).decode()
