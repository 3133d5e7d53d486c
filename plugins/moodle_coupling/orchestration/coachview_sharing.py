"""Coachviews whose requests and token all workers share: through the ledger."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING

from moodle_coupling.hooks.coachview.budget import Held, StateAway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.ledger.ledger import Ledger


def through_the_ledger(ledger: Callable[[], Ledger] | None = None) -> Sharing:
    """Give what shares documents through a ledger, by default the configured one; it is opened at the first use."""
    opened = _Once(ledger)
    return lambda key: _Document(opened, key)


class _Once:
    """A ledger that is opened when it is needed, and again where that failed; closed when no hook uses it."""

    def __init__(self, make: Callable[[], Ledger] | None) -> None:
        self._make = make
        self._ledger: Ledger | None = None

    def __call__(self) -> Ledger:
        if self._ledger is None:
            from moodle_coupling.orchestration.run import the_ledger

            self._ledger = (self._make or the_ledger)()
            weakref.finalize(self, self._ledger.close)
        return self._ledger


class _Document:
    """One document in the ledger, as the hook wants it."""

    def __init__(self, ledger: Callable[[], Ledger], key: str) -> None:
        self._ledger = ledger
        self._key = key

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        from moodle_coupling.ledger.errors import LedgerSchemaError, LedgerUnavailable, LedgerUrlError
        from moodle_coupling.ledger.shared_documents import held

        try:
            with held(self._ledger(), self._key) as (document, now):
                yield Held(document, now.timestamp())
        except (LedgerUnavailable, LedgerSchemaError, LedgerUrlError) as error:
            raise StateAway(error.said) from error
