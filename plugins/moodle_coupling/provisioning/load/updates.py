"""Changing accounts: Moodle writes each on its own and warns of those it did not write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import (
    MoodleRecordRefused,
    MoodleRequestTooLarge,
)
from moodle_coupling.provisioning.load.bisection import take_apart
from moodle_coupling.provisioning.load.culprits import is_suspect
from moodle_coupling.provisioning.load.guard import still_as_seen
from moodle_coupling.provisioning.load.job import Batch, Load
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.provisioning.load.readback import holds
from moodle_coupling.provisioning.load.rows import ChangeItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.hooks.moodle.types import UpdateWarning
    from moodle_coupling.provisioning.load.bisection import Refusal

_FUNCTION: Final = "core_user_update_users"

# Moodle's warning → our code and status; whatever else it says keeps its own code and is a rejection.
_WARNINGS: Final = {
    "useremailduplicate": ("email_taken", OutcomeStatus.REJECTED),
    "useremailinvalid": ("email_invalid", OutcomeStatus.REJECTED),
    "usernotupdatedadmin": ("protected", OutcomeStatus.SKIPPED),
    "usernotupdatedguest": ("protected", OutcomeStatus.SKIPPED),
    "usernotupdateddeleted": ("account_gone", OutcomeStatus.REJECTED),
    "invaliduserid": ("account_gone", OutcomeStatus.REJECTED),
}


def update_batch(load: Load, items: Sequence[ChangeItem]) -> None:
    """Change the items' accounts and write down one outcome for each; raises as ``create_batch`` does."""
    job = UpdateJob(load)
    items = still_as_seen(job, job.without_bad_values(items))
    refusal = job.try_send(items) if items else None
    if refusal is None:
        return
    refused = job.still_open(items)
    rest = job.without_bad_values(refused, refusal)
    if rest:
        take_apart(job, rest, refusal if len(rest) == len(refused) else None)


class UpdateJob(Batch[ChangeItem]):
    """One batch of changes on its way into Moodle; sending a change twice does no harm."""

    def send(self, items: Sequence[ChangeItem]) -> Sequence[UpdateWarning]:
        """Change accounts in one call."""
        self.announce(items)
        return self.load.wire.update([item.wire for item in items])

    def missing_after_loss(self, items: Sequence[ChangeItem]) -> list[ChangeItem]:
        """Look once: to send a change twice does no harm."""
        self.load.pace.sleep(self.load.pace.looks[0] if self.load.pace.looks else 0)
        return self.missing(items)

    def refuse(self, item: ChangeItem, refusal: Refusal, *, explained: bool) -> None:
        """Write down a refusal of the one change."""
        if isinstance(refusal, MoodleRequestTooLarge):
            self.book.write(item.index, OutcomeStatus.REJECTED, "too_large", str(refusal), item.account_id)
        elif explained:
            code = refusal.errorcode or "refused"
            self.book.write(item.index, OutcomeStatus.REJECTED, code, str(refusal), item.account_id)
        else:
            self.refused_alone(item.index, refusal, item.account_id)

    def missing(self, items: Sequence[ChangeItem]) -> list[ChangeItem]:
        """Write down whose account holds what was sent; give the others."""
        accounts = {
            account.id: account for account in self.find("id", [str(item.account_id) for item in items]).accounts
        }
        rest = []
        for item in items:
            if item.account_id in accounts and holds(accounts[item.account_id], item.wire):
                self.book.write(item.index, OutcomeStatus.DONE, account_id=item.account_id)
            else:
                rest.append(item)
        return rest

    def settle(self, answer: Sequence[UpdateWarning], items: Sequence[ChangeItem]) -> None:
        """Write down whom Moodle warns of, and everyone else as done."""
        by_account = {warning.account_id: warning for warning in answer}
        meant = {item.account_id for item in items}
        written = [item for item in items if item.account_id not in by_account]
        # Those first: a refusal may stop the load, and what Moodle wrote must be known by then.
        for item in written:
            self.book.accepted(item.index, item.account_id)
        for item in items:
            if item.account_id in by_account:
                self._warned(item, by_account[item.account_id])
        nameless = [warning for warning in answer if warning.account_id not in meant]
        if nameless:
            for item in self.missing(written):
                self._warned(item, nameless[0])

    def _warned(self, item: ChangeItem, warning: UpdateWarning) -> None:
        if warning.code in _WARNINGS:
            code, status = _WARNINGS[warning.code]
            self.book.write(item.index, status, code, f"Moodle: {warning.message}", item.account_id)
            return
        message = f"Moodle did not write account {item.account_id}: {warning.message}"
        refusal = MoodleRecordRefused(message, function=_FUNCTION, errorcode=warning.code)
        self.refuse(item, refusal, explained=is_suspect(item))
