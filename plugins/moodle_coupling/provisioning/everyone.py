"""Reading all accounts of a Moodle with nothing but the functions every version has."""

from __future__ import annotations

import string
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleAnswerUnreadable
from moodle_coupling.provisioning.looking import Found

if TYPE_CHECKING:
    from moodle_coupling.hooks.moodle_types import Account
    from moodle_coupling.provisioning.wire import Wire

_FIRST: Final = (*string.ascii_lowercase, *string.digits, *"!#$&'*+-/=?^`{|}~.", "\\_", "\\%")
"""Characters with which an address Moodle takes can begin; letter case does not count in its search, and _ and % are
wildcards unless escaped."""
_NEXT: Final = (*_FIRST, "@")
_DEEPEST: Final = 6


def read_everyone(wire: Wire) -> Found:
    """Read every account whose e-mail address begins with an ASCII character, guest and service users too.

    In slices by the first character of the address: a large site does not answer for everyone at once (299 accounts a
    second in one call, measured). A slice that one odd account spoils is cut into smaller ones; what cannot be read even
    at six characters is in ``unreadable``, as the beginning of an address with ``%``. Not seen: accounts with an empty
    address, or with one that begins with any other character; both are old imports, since Moodle refuses them today.
    """
    found = Found()
    slices = list(_FIRST)
    with ThreadPoolExecutor(wire.hook.settings.parallel_requests, thread_name_prefix="moodle") as pool:
        while slices:
            spoilt = []
            for part, accounts in zip(slices, pool.map(lambda part: _read_slice(wire, part), slices), strict=True):
                found.calls += 1
                if accounts is None:
                    spoilt.append(part)
                else:
                    found.accounts += accounts
            too_deep = [part for part in spoilt if _length(part) >= _DEEPEST]
            found.unreadable.update(f"{part}%" for part in too_deep)
            slices = [part + character for part in spoilt if part not in too_deep for character in _NEXT]
    return found


def _read_slice(wire: Wire, beginning: str) -> list[Account] | None:
    try:
        return list(wire.search("email", f"{beginning}%"))
    except MoodleAnswerUnreadable:
        return None


def _length(beginning: str) -> int:
    return len(beginning.replace("\\", ""))
