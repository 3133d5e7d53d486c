"""What can go wrong with the ledger, by what the caller should do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.errors import CouplingError, InputError, SettingError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

UPGRADE_COMMAND = "moodle-coupling db upgrade"


class LedgerUrlError(SettingError):
    """``[moodle_coupling] ledger_url`` is not an address a ledger can have; its secrets are never repeated."""


class LedgerSchemaError(InputError):
    """The ledger's schema is missing, older or newer than this code; nothing was read or written."""


class LedgerUnavailable(CouplingError):
    """The ledger's database does not answer, is locked, or its disk is full; what was being written was not written.

    Trying again later is safe: every write of the ledger is one transaction and can be repeated.
    """


class NotInLedger(InputError):
    """The ledger has no run (or mismatch, or approval) with that id."""


class LedgerConflict(CouplingError):
    """Someone else was first, or the state is no longer what the caller took it to be; nothing was written."""


class AlreadyDecided(LedgerConflict):
    """The mismatch was decided by someone else since it was read.

    Attributes: ``mismatch`` (id), ``by``, ``at`` (UTC), ``kind`` of the decision that stands.
    """

    def __init__(self, mismatch: int, *, by: str, at: dt.datetime, kind: str) -> None:
        super().__init__(
            Sentence("ledger.already_decided", mismatch=mismatch, kind=kind, by=by, at=f"{at:%Y-%m-%d %H:%M:%S}")
        )
        self.mismatch = mismatch
        self.by = by
        self.at = at
        self.kind = kind


class MismatchChanged(LedgerConflict):
    """The mismatch is gone, or its facts changed, since it was read. Attributes: ``mismatch`` (id), ``status``."""

    def __init__(self, mismatch: int, *, status: str) -> None:
        super().__init__(Sentence("ledger.mismatch_changed", mismatch=mismatch, status=str(status)))
        self.mismatch = mismatch
        self.status = status


class NotItsAccount(InputError):
    """A decision named an account that the mismatch does not point at, or none of it was left; nothing was written."""

    def __init__(self, mismatch: int, accounts: Iterable[int], chosen: int | None) -> None:
        there = [str(account) for account in sorted(accounts)]
        if chosen is None:
            said = Sentence("ledger.no_account", mismatch=mismatch)
        elif there:
            said = Sentence("ledger.not_its_account", mismatch=mismatch, account=chosen, accounts=", ".join(there))
        else:
            said = Sentence("ledger.no_account_at_all", mismatch=mismatch, account=chosen)
        super().__init__(said)


class LeaseLost(LedgerConflict):
    """This run no longer holds its environment: its lease ran out and another took over. Send nothing more."""


class NotPlanned(LedgerConflict):
    """A row was about to be sent that is not in the run's plan, or that has its final outcome already."""


class PlanInFlight(LedgerConflict):
    """A new plan was offered while rows of the run's earlier plan are sent and not settled; read back first."""
