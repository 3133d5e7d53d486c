"""Reading accounts back: batches that fit a call, who is already there, and does an account hold what was sent."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from moodle_coupling.contract.fields import FIELDS, PROFILE_WIDTH, is_kept
from moodle_coupling.hooks.moodle.records import (
    CONTROL_VARIABLES,
    AccountChange,
    NewAccount,
    changed_account,
    flatten,
    most_bytes,
    new_account,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.provisioning.wire import Wire


CREATE_SIZE: Final = 50
"""Accounts per create call. Measured on Moodle 5.1: 10 / 50 / 100 / 500 per call make 272 / 300 / 344 / 305 accounts a
second, so more brings little and makes a refused batch dearer."""

UPDATE_SIZE: Final = 200
"""Accounts per update call (50 and 200 per call: 331 and 341 a second); an update batch is not all or nothing."""

LOOKUP_SIZE: Final = 500
"""Values per lookup (50 / 500 / 4,900 per call: 259 / 300 / 303 accounts a second)."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Half of PHP's usual post_max_size on a Moodle host (8 MB): over it PHP throws the whole body away, token included."""

T = TypeVar("T")


def batches(items: Iterable[T], *, max_count: int, max_variables: int, max_bytes: int = MAX_BYTES) -> Iterator[list[T]]:
    """Give the items in order, in batches that fit a call.

    ``items`` are accounts to write (NewAccount, AccountChange, or anything with ``wire`` being one of these) or texts.
    An item that is too large by itself is a batch of its own: Moodle then says what is wrong with it.
    """
    batch: list[T] = []
    variables, size = CONTROL_VARIABLES, 0
    for item in items:
        more_variables, more_bytes = cost(item)
        full = len(batch) >= max_count or variables + more_variables > max_variables or size + more_bytes > max_bytes
        if batch and full:
            yield batch
            batch, variables, size = [], CONTROL_VARIABLES, 0
        batch.append(item)
        variables += more_variables
        size += more_bytes
    if batch:
        yield batch


def cost(item: Any) -> tuple[int, int]:
    """Give the form variables that one item takes in a call, and bytes that it surely does not exceed."""
    if isinstance(item, str):
        return 1, most_bytes((("values[99999]", item),))
    account: NewAccount | AccountChange = getattr(item, "wire", item)
    record = changed_account(account) if isinstance(account, AccountChange) else new_account(account)
    pairs = flatten({"users": {"99999": record}})
    return len(pairs), most_bytes(pairs)


# A username outside these makes Moodle refuse the whole lookup (on sites without extendedusernamechars).
_USERNAME: Final = re.compile(r"[a-z0-9._@-]+")
_OTHER_VARIABLES: Final = 1  # 'field'
_ECHOED: Final = frozenset(field.name for field in FIELDS if field.echoed)


@dataclass(slots=True)
class Found:
    """Accounts found, values of which the account spoils Moodle's whole answer, and the calls it took."""

    accounts: list[Account] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    calls: int = 0


def can_look_up(name: str, value: str) -> bool:
    """Tell whether Moodle takes this value in a lookup; one that it does not take refuses the whole call."""
    if not value.strip() or value != value.strip():
        return False
    if name == "username":
        return _USERNAME.fullmatch(value) is not None
    if value.isascii():
        return value.isprintable()
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in value)


def lookup_batches(wire: Wire, name: str, values: Iterable[str]) -> Iterator[list[str]]:
    """Give the values that can be looked up, each once, in batches that fit a call."""
    askable = [value for value in dict.fromkeys(values) if can_look_up(name, value)]
    limit = wire.hook.settings.max_input_vars - _OTHER_VARIABLES
    return batches(askable, max_count=LOOKUP_SIZE, max_variables=limit)


def look_up(wire: Wire, name: str, values: Iterable[str]) -> Found:
    """Look accounts up by idnumber, username, email or id, in as many calls as it takes."""
    found = Found()
    for batch in lookup_batches(wire, name, values):
        read = wire.find(name, batch)
        found.accounts += read.accounts
        found.unreadable.update(read.unreadable)
        found.calls += 1
    return found


def literally(text: str) -> str:
    r"""Give the LIKE pattern that only this text fits: ``_``, ``%`` and ``\`` stand for themselves."""
    return "".join(f"\\{character}" if character in "_%\\" else character for character in text)


def loose_key(text: str) -> str:
    """Give a key that is equal where MariaDB sees two texts as equal: letter case and accents count for nothing."""
    plain = unicodedata.normalize("NFKD", text.strip()).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))


def holds(account: Account, sent: AccountChange) -> bool:
    """Tell whether everything sent is seen to be there; False also where that cannot be seen."""
    return all(
        name in _ECHOED and same_value(name, account.value(name), value) for name, value in sent.fields.items()
    ) and all(
        # Moodle cuts a text at its field's width without a word; of a moment only the site's time zone would tell.
        is_kept(account.profile_types.get(name, ""), account.profile.get(name, ""), value[:PROFILE_WIDTH])
        for name, value in sent.profile.items()
    )


def same_value(name: str, held: object, sent: object) -> bool:
    """Tell whether a field holds that value, as far as Moodle tells values of that field apart."""
    left, right = _plain(held), _plain(sent)
    return left.casefold() == right.casefold() if name == "email" else left == right


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return unicodedata.normalize("NFC", str(value if value is not None else "")).strip()
