"""What a token can see of other people's accounts: hidden is not empty, and whoever is hidden looks new."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.hooks.moodle.types import Account

SAMPLE_IDS: Final = 200
"""The lowest ids are asked for; a site's guest and first administrator have 1 and 2, or 1 to 20 on a database cluster."""

_ROLE: Final = "Allow it in the service user's role, in the system context."

_SEE_HIDDEN: Final = "Allow moodle/user:viewhiddendetails in the service user's role, in the system context."

_POLICIES: Final = "Site administration > Users > Permissions > User policies"

HIDDEN_BY_SITE: Final = (
    f"is ticked under {_POLICIES} > Hide user fields (hiddenuserfields), and the service user lacks the capability "
    "moodle/user:viewhiddendetails"
)
"""What hides a field, after its name."""

EMAIL_HIDDEN: Final = (
    f"The service user lacks moodle/site:viewuseridentity, or 'Email address' is not ticked under {_POLICIES} > Show user "
    f"identity, or 'Email address' {HIDDEN_BY_SITE}."
)


def unseen_field(field: str) -> tuple[str, str]:
    """Give what is said of a field that no account shows, and how that is mended."""
    message = (
        f"No account shows a value in '{field}', so it is not known whether it is empty everywhere or hidden: a field that "
        f"{HIDDEN_BY_SITE} looks the same. It is neither compared nor written on accounts that are there; new accounts get it."
    )
    remedy = (
        f"{_SEE_HIDDEN} If it is really empty everywhere, fill '{field}' in by hand for one account, such as an "
        "administrator's: that proves that it can be seen, and the next run writes everyone's."
    )
    return message, remedy


@dataclass(frozen=True, slots=True)
class Sample:
    """Accounts other than the service user's own, which it always sees whole, and which of them look-ups found.

    ``found_by_username`` and ``found_by_idnumber`` are None when no account was there to try it on.
    """

    others: tuple[Account, ...]
    found_by_username: bool | None
    found_by_idnumber: bool | None

    def hidden(self) -> Iterator[tuple[str, str, str]]:
        """Give code, message and remedy for all that the token should see and does not."""
        if not self.others:
            yield (
                "accounts_invisible",
                "The service user sees no account but its own, so everyone would look new.",
                f"It lacks moodle/user:viewdetails, and perhaps moodle/user:viewalldetails. {_ROLE}",
            )
            return
        if self.found_by_username is not True or self.found_by_idnumber is False:
            yield (
                "idnumber_invisible",
                "Look-ups by ID number or username silently find nothing, so everyone would look new.",
                f"The service user lacks moodle/user:viewalldetails. {_ROLE}",
            )
        if any(account.email is None for account in self.others):
            yield (
                "email_invisible",
                "E-mail addresses are hidden from the service user, and searches by e-mail silently find nothing.",
                EMAIL_HIDDEN,
            )
        if any(account.suspended is None for account in self.others):
            yield (
                "suspended_invisible",
                "Whether an account is suspended is hidden from the service user: one suspended by hand would count as active.",
                f"'Suspended account' {HIDDEN_BY_SITE}. {_SEE_HIDDEN}",
            )

    def unseen(self, fields: Iterable[str]) -> list[str]:
        """Give those of these fields of Account in which no account shows a value."""
        return [field for field in fields if not any(account.value(field) for account in self.others)]

    def profile_types(self) -> dict[str, str]:
        """Give the types of the profile fields that some account shows, by shortname."""
        return {name: type_ for account in self.others for name, type_ in account.profile_types.items()}


def take_sample(hook: MoodleHook, compared: Iterable[str] = (), known_ids: Iterable[int] = ()) -> Sample:
    """Look at some accounts and look some of them up again.

    Where they do not show all fields of ``compared``, the accounts ``known_ids``, which the coupling wrote to, are looked
    at too. Raises a MoodleError.
    """
    own = hook.site_info(patient=False).userid
    guest = hook.accounts_by_field("username", ["guest"]).accounts
    lowest = hook.accounts_by_field("id", range(1, SAMPLE_IDS + 1)).accounts
    others = {account.id: account for account in (*lowest, *guest) if account.id != own}
    numbered = [account.idnumber for account in others.values() if account.idnumber][:5]
    found = Sample(
        tuple(others.values()),
        bool(guest)
        or _found(hook, "username", [account.username for account in others.values() if account.username][:5]),
        _found(hook, "idnumber", numbered),
    )
    if not found.unseen(compared):
        return found
    written = hook.accounts_by_field("id", known_ids).accounts
    return replace(found, others=(*found.others, *(one for one in written if one.id != own)))


def _found(hook: MoodleHook, field: str, values: list[str]) -> bool | None:
    return bool(hook.accounts_by_field(field, values).accounts) if values else None
