"""Looking right before the write whether what a plan takes over, suspends or reactivates is still as the plan saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.provisioning.load.readback import holds, same_value
from moodle_coupling.provisioning.snapshot.hidden import refuse_hidden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.hooks.moodle.types import Account
    from moodle_coupling.provisioning.load.job import Calls
    from moodle_coupling.provisioning.load.rows import ChangeItem


def still_as_seen(job: Calls, items: Sequence[ChangeItem]) -> list[ChangeItem]:
    """Give the items that may be sent; of the others it is written down why not.

    An approval may have waited for hours, and someone may have decided otherwise in Moodle meanwhile. One call per batch
    that changes an idnumber or suspends or reactivates somebody; an ordinary update is not looked at.
    """
    guarded = [item for item in items if item.seen]
    if not guarded:
        return list(items)
    found = job.find("id", [str(item.account_id) for item in guarded])
    refuse_hidden(found.accounts)
    accounts = {account.id: account for account in found.accounts}
    return [item for item in items if not item.seen or _may_go(job, item, accounts.get(item.account_id))]


def _may_go(job: Calls, item: ChangeItem, account: Account | None) -> bool:
    if account is None:
        message = f"Account {item.account_id} cannot be seen in Moodle any more: nothing was sent."
        job.book.write(item.index, OutcomeStatus.REJECTED, "account_gone", message, item.account_id)
        return False
    if holds(account, item.wire):
        job.book.write(item.index, OutcomeStatus.DONE, account_id=item.account_id)
        return False
    for name, seen in item.seen.items():
        held = account.value(name)
        if not same_value(name, held, seen):
            message = (
                f"Account {account.id} ({account.username}) has {name} '{held or ''}' by now, where the plan saw "
                f"'{seen or ''}': nothing was sent. The next run plans anew."
            )
            job.book.write(item.index, OutcomeStatus.REJECTED, "changed_meanwhile", message, item.account_id)
            return False
    return True
