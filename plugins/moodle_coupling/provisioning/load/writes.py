"""Creating and changing accounts: one batch in one call if Moodle takes it, and taken apart until everyone it takes is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleRecordRefused, MoodleRequestTooLarge
from moodle_coupling.provisioning.load.culprits import is_suspect, send_alone, take_apart
from moodle_coupling.provisioning.load.job import Batch, Load
from moodle_coupling.provisioning.load.rows import ChangeItem, NewItem, OutcomeStatus, split_shared
from moodle_coupling.provisioning.lookups import holds, loose_key, same_value
from moodle_coupling.provisioning.snapshot.visibility import refuse_hidden
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.hooks.moodle.records import CreatedAccount, UpdateWarning
    from moodle_coupling.provisioning.load.culprits import Refusal
    from moodle_coupling.provisioning.load.job import Calls


def create_batch(load: Load, items: Sequence[NewItem]) -> None:
    """Create accounts for the items and write down one outcome for each.

    Raises Stopped when nothing more may be sent, and what the hook raises when Moodle is away or says no to us.
    """
    CreateJob(load).run(items)


class CreateJob(Batch[NewItem]):
    """One batch of persons on its way into Moodle."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._lost: set[int] = set(load.in_doubt)
        self._look_again: set[int] = set(load.in_doubt)
        self._email_owner: dict[int, Account] = {}

    def run(self, items: Sequence[NewItem]) -> None:
        """Send the batch; if it is refused, ask first who is already there, and take the rest apart."""
        items = self.without_bad_values(items)
        self._look_again.update(item.index for item in split_shared(items)[1])
        refusal = self.try_send(items) if items else None
        if refusal is None:
            return
        if isinstance(refusal, MoodleRequestTooLarge):
            take_apart(self, items, refusal)
            return
        refused = self.still_open(items)
        items = self.without_bad_values(refused, refusal)
        rest = self._settle_present(items) if items else []
        contested = [item for item in rest if item.index in self._email_owner]
        rest = [item for item in rest if item.index not in self._email_owner]
        if rest:
            take_apart(self, rest, refusal if len(rest) == len(refused) else None)
        for item in contested:
            # Only some sites forbid an address that another account has: Moodle decides.
            send_alone(self, item, explained=True)

    def send(self, items: Sequence[NewItem]) -> Sequence[CreatedAccount]:
        """Create accounts in one call."""
        self.announce(items)
        return self.load.wire.create([item.wire for item in items])

    def refuse(self, item: NewItem, refusal: Refusal, *, explained: bool) -> None:
        """Write down a refusal; after a last look where this very load may have made the account that is in the way."""
        if item.index in self._look_again and not self._settle_present([item]):
            return
        owner = self._email_owner.get(item.index)
        if isinstance(refusal, MoodleRequestTooLarge):
            self.book.write(item.index, OutcomeStatus.REJECTED, "too_large", refusal.said)
        elif owner is not None:
            said = Sentence(
                "load.email_taken",
                email=item.email,
                account=owner.id,
                username=owner.username,
                idnumber=owner.idnumber,
                refusal=refusal.said,
            )
            self.book.write(item.index, OutcomeStatus.REJECTED, "email_taken", said, owner.id)
        elif explained:
            self.book.write(item.index, OutcomeStatus.REJECTED, refusal.errorcode or "refused", refusal.said)
        else:
            self.refused_alone(item.index, refusal)

    def missing_after_loss(self, items: Sequence[NewItem]) -> list[NewItem]:
        """Look several times: Moodle goes on after we hung up."""
        self._look_again.update(item.index for item in items)
        self._lost.update(item.index for item in items)
        absent = list(items)
        for seconds in self.load.pace.looks:
            self.load.pace.sleep(seconds)
            absent = self.missing(absent)
            if not absent:
                break
        return absent

    def missing(self, items: Sequence[NewItem]) -> list[NewItem]:
        """Write down who is in Moodle with exactly this idnumber; give the others."""
        found = self.find("idnumber", [item.idnumber for item in items])
        return self._done_already(items, found.accounts, "")

    def _done_already(self, items: Sequence[NewItem], accounts: Sequence[Account], code: str) -> list[NewItem]:
        owners = {account.idnumber: account for account in accounts}
        rest = []
        for item in items:
            owner = owners.get(item.idnumber)
            if owner is None:
                rest.append(item)
            else:
                said = Sentence("load.found_there", account=owner.id, username=owner.username)
                # Sent by us and the answer lost: most likely we made it, which the code '' says.
                self.book.write(
                    item.index, OutcomeStatus.DONE, "" if item.index in self._lost else code, said, owner.id
                )
        return rest

    def _settle_present(self, items: Sequence[NewItem]) -> list[NewItem]:
        """Ask who of a refused batch is already there, by username and e-mail; give those of whom nothing is settled."""
        by_name = self.find("username", [item.username for item in items])
        by_email = self.find("email", [item.email for item in items])
        rest = self._done_already(items, [*by_name.accounts, *by_email.accounts], "already_there")
        names = {loose_key(account.username): account for account in by_name.accounts}
        emails = {account.email.casefold(): account for account in by_email.accounts if account.email}
        free = []
        for item in rest:
            holder = names.get(loose_key(item.username))
            if holder is not None or item.username in by_name.unreadable:
                self._username_taken(item, holder)
                continue
            if item.email.casefold() in emails:
                self._email_owner[item.index] = emails[item.email.casefold()]
            free.append(item)
        return free

    def _username_taken(self, item: NewItem, holder: Account | None) -> None:
        if holder and item.index in self._lost and not holder.idnumber and holder.email == item.email:
            # Most likely ours, made by the call whose answer was lost, and incomplete. A person must look.
            said = Sentence("load.incomplete_account", account=holder.id)
            self.book.write(item.index, OutcomeStatus.UNKNOWN, "incomplete", said, holder.id)
            return
        said = Sentence("load.username_taken_unread", username=item.username)
        if holder:
            said = Sentence("load.username_taken", username=item.username, account=holder.id, idnumber=holder.idnumber)
        account_id = holder.id if holder else None
        self.book.write(item.index, OutcomeStatus.REJECTED, "username_taken", said, account_id)

    def settle(self, answer: Sequence[CreatedAccount], items: Sequence[NewItem]) -> None:
        """Write down everyone as done, with the account."""
        # The hook has compared the answer with what was sent, one by one: it comes in the order sent.
        for account, item in zip(answer, items, strict=True):
            self.book.accepted(item.index, account.id)


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
            self.book.write(item.index, OutcomeStatus.REJECTED, "too_large", refusal.said, item.account_id)
        elif explained:
            code = refusal.errorcode or "refused"
            self.book.write(item.index, OutcomeStatus.REJECTED, code, refusal.said, item.account_id)
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
            self.book.write(item.index, status, code, Sentence("load.warned", message=warning.message), item.account_id)
            return
        said = Sentence("load.not_written", account=item.account_id, message=warning.message)
        refusal = MoodleRecordRefused(said, function=_FUNCTION, errorcode=warning.code)
        self.refuse(item, refusal, explained=is_suspect(item))


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
        said = Sentence("load.account_gone", account=item.account_id)
        job.book.write(item.index, OutcomeStatus.REJECTED, "account_gone", said, item.account_id)
        return False
    if holds(account, item.wire):
        job.book.write(item.index, OutcomeStatus.DONE, account_id=item.account_id)
        return False
    for name, seen in item.seen.items():
        held = account.value(name)
        if not same_value(name, held, seen):
            said = Sentence(
                "load.changed_meanwhile",
                account=account.id,
                username=account.username,
                field=name,
                held=held or "",
                seen=seen or "",
            )
            job.book.write(item.index, OutcomeStatus.REJECTED, "changed_meanwhile", said, item.account_id)
            return False
    return True
