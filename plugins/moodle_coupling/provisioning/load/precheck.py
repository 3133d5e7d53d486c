"""Looking before sending: who is in Moodle already, and what became of what an earlier try sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from moodle_coupling.provisioning.load.creation import CreateJob
from moodle_coupling.provisioning.load.culprits import Sendable
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.provisioning.load.parallel import in_parallel
from moodle_coupling.provisioning.load.readback import lookup_batches
from moodle_coupling.provisioning.load.updates import UpdateJob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.provisioning.load.job import Load
    from moodle_coupling.provisioning.load.rows import NewItem, Work

Item = TypeVar("Item", bound=Sendable)


def settle_doubtful(load: Load, work: Work) -> None:
    """Write down which rows that an earlier try sent are in Moodle as planned.

    That try's request may still be going on there (Moodle does not stop when a client goes away), so there is a wait
    before each look, as after a lost answer.
    """
    creates = [item for item in work.creates if item.index in load.in_doubt]
    changes = [item for item in work.changes if item.index in load.in_doubt]
    creating, updating = CreateJob(load), UpdateJob(load)
    for seconds in load.pace.looks:
        if not creates and not changes:
            return
        load.pace.sleep(seconds)
        creates = creating.missing(creates)
        changes = updating.missing(changes)


def still_open(load: Load, items: Iterable[Item]) -> list[Item]:
    """Give the items that have no outcome yet."""
    return [item for item in items if load.book.status(item.index) is None]


def not_yet_there(load: Load, items: list[NewItem]) -> list[NewItem]:
    """Write down who has an account with exactly this idnumber by now (an earlier try, another run); give the others.

    Moodle itself would take a second account with the same idnumber. About one call per 500 persons.
    """
    there: dict[str, Any] = {}
    unreadable: set[str] = set()

    def look(values: list[str]) -> None:
        found = load.wire.find("idnumber", values)
        there.update({account.idnumber: account for account in found.accounts})
        unreadable.update(found.unreadable)

    in_parallel(load.wire, look, list(lookup_batches(load.wire, "idnumber", (item.idnumber for item in items))))
    rest = []
    for item in items:
        account = there.get(item.idnumber)
        if account is not None:
            message = f"Account {account.id} ({account.username}) has this idnumber already; nothing was sent."
            code = "" if item.index in load.in_doubt else "already_there"
            load.book.write(item.index, OutcomeStatus.DONE, code, message, account.id)
        elif item.idnumber in unreadable:
            message = "An account has this idnumber already, and Moodle cannot show it (most likely an odd username)."
            load.book.write(item.index, OutcomeStatus.REJECTED, "account_unreadable", message)
        else:
            rest.append(item)
    return rest
