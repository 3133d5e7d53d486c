"""How many persons go into one call: by count, by form variables and by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from moodle_coupling.hooks.moodle.accounts import changed_account, new_account
from moodle_coupling.hooks.moodle.form import CONTROL_VARIABLES, body_size, count_variables
from moodle_coupling.hooks.moodle.types import AccountChange, NewAccount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    """Give the form variables and the bytes that one item takes in a call."""
    if isinstance(item, str):
        return 1, body_size({"values": {"99999": item}})
    params = {"users": {"99999": _nested(getattr(item, "wire", item))}}
    return count_variables(params) - CONTROL_VARIABLES, body_size(params)


def _nested(account: NewAccount | AccountChange) -> dict[str, object]:
    record = changed_account(account) if isinstance(account, AccountChange) else new_account(account)
    return dict(record)
