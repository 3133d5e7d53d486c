"""Everyone by the beginning of the e-mail address, and by number whoever that does not show."""

from __future__ import annotations

import string
from collections import deque
from typing import TYPE_CHECKING, Final

from moodle_coupling.provisioning.load.readback import literally
from moodle_coupling.provisioning.snapshot.numbers import read_by_number
from moodle_coupling.provisioning.snapshot.parts import Refusal, Slice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from moodle_coupling.provisioning.snapshot.reading import Reading

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
