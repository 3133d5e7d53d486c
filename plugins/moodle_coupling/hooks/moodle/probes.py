"""What is found out about a site by asking: what a token sees of other people's accounts, and which values Moodle takes.

Hidden is not empty, and whoever is hidden looks new. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from moodle_coupling.contract.auth_plugins import NEEDS_PASSWORD, NEVER_FOR_NEW
from moodle_coupling.contract.fields import FIELD_BY_NAME
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from moodle_coupling.contract.account import Account
    from moodle_coupling.hooks.moodle.connection import MoodleSettings
    from moodle_coupling.hooks.moodle.records import AccountsRead, SiteInfo
    from moodle_coupling.hooks.wire import RawAnswer


SAMPLE_IDS: Final = 200
"""The lowest ids are asked for; a site's guest and first administrator have 1 and 2, or 1 to 20 on a database cluster."""

_SEE_HIDDEN: Final = Sentence("check.see_hidden")
EMAIL_HIDDEN: Final = Sentence(
    "check.email_hidden", by_site=Sentence("check.hidden_by_site", label=Sentence("check.label.email"))
)
SUSPENDED_HIDDEN: Final = Sentence("check.hidden_by_site", label=Sentence("check.label.suspended"))


def unseen_field(field: str) -> tuple[Sentence, Sentence]:
    """Give what is said of a field that no account shows, and how that is mended."""
    return (
        Sentence("check.field_unseen", field=field),
        Sentence("check.field_unseen.mend", field=field, see_hidden=_SEE_HIDDEN),
    )


class Site(Protocol):
    """The part of MoodleHook that a check asks a site with; each method raises a MoodleError."""

    @property
    def settings(self) -> MoodleSettings:
        """The connection's settings."""

    def site_info(self, *, patient: bool = True) -> SiteInfo:
        """Ask the site about itself and the token's service."""

    def call_once(self, function: str, /, **params: Any) -> Any:
        """Call a web service function without trying again."""

    def post(self, body: bytes, function: str, **other: str) -> RawAnswer:
        """Post one body and give the raw answer."""

    def accounts_by_field(self, field: str, values: Iterable[str | int]) -> AccountsRead:
        """Look accounts up by id, idnumber, username or email."""

    def takes_values(self, values: Sequence[Value]) -> bool:
        """Tell whether Moodle takes these values; nothing is written."""

    def takes_variables(self, count: int) -> bool:
        """Tell whether a form of so many variables arrives whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Accounts other than the service user's own, which it always sees whole, and which of them look-ups found.

    ``found_by_username`` and ``found_by_idnumber`` are None when no account was there to try it on.
    """

    others: tuple[Account, ...]
    found_by_username: bool | None
    found_by_idnumber: bool | None

    def hidden(self) -> Iterator[tuple[str, Sentence, Sentence]]:
        """Give code, what is the matter and the remedy for all that the token should see and does not."""
        if not self.others:
            yield _hidden("accounts_invisible", Sentence("check.accounts_invisible.mend"))
            return
        if self.found_by_username is not True or self.found_by_idnumber is False:
            yield _hidden("idnumber_invisible", Sentence("check.idnumber_invisible.mend"))
        if any(account.email is None for account in self.others):
            yield _hidden("email_invisible", EMAIL_HIDDEN)
        if any(account.suspended is None for account in self.others):
            mend = Sentence("check.suspended_invisible.mend", by_site=SUSPENDED_HIDDEN, see_hidden=_SEE_HIDDEN)
            yield _hidden("suspended_invisible", mend)

    def unseen(self, fields: Iterable[str]) -> list[str]:
        """Give those of these fields of Account in which no account shows a value."""
        return [field for field in fields if not any(account.value(field) for account in self.others)]

    def profile_types(self) -> dict[str, str]:
        """Give the types of the profile fields that some account shows, by shortname."""
        return {name: type_ for account in self.others for name, type_ in account.profile_types.items()}


def take_sample(hook: Site, compared: Iterable[str] = (), known_ids: Iterable[int] = ()) -> Sample:
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


def _hidden(code: str, mend: Sentence) -> tuple[str, Sentence, Sentence]:
    return code, Sentence(f"check.{code}"), mend


def _found(hook: Site, field: str, values: list[str]) -> bool | None:
    return bool(hook.accounts_by_field(field, values).accounts) if values else None


Value: TypeAlias = tuple[str, str]
"""A Moodle field's name and a value of it."""

CHOICES: Final = ("auth", "lang", "theme")
"""Fields of which Moodle takes only what is installed on the site (recordings 117, 118, 151, 159, 580 to 618)."""


def refused_values(values: Sequence[Value], takes: Callable[[Sequence[Value]], bool]) -> list[Value]:
    """Give those that are not taken: one call when all are, else about log2(n) + 1 more for each that is not.

    The parameter check judges a value by itself: where many are refused and all but one are taken, that one is to blame.
    """
    found: list[Value] = []
    rest = list(values)
    while rest and not takes(rest):
        refused = rest
        while len(refused) > 1:
            left, right = refused[: len(refused) // 2], refused[len(refused) // 2 :]
            if takes(left):
                rest = [value for value in rest if value not in left]
                refused = right
            else:
                refused = left
        found += refused
        rest = [value for value in rest if value not in refused]
    return found


def unfit_for_new(auths: Collection[str], *, with_password: bool) -> dict[str, Sentence]:
    """Give the auth plugins among these with which Moodle makes no account, and why; '' is manual."""
    found = {}
    for auth in auths:
        if auth in NEVER_FOR_NEW:
            found[auth] = Sentence("value.never_for_new", auth=auth)
        elif not with_password and (auth or "manual") in NEEDS_PASSWORD:
            found[auth] = Sentence("value.needs_password", auth=auth or "manual")
    return found


def not_taken(value: Value) -> Sentence:
    """Say, as a clause, that Moodle does not take a value; one that tells something of a person is not repeated."""
    field, text = value
    known = FIELD_BY_NAME.get(field)
    if known is not None and not known.names_someone:
        return Sentence("value.not_taken", field=field, value=text)
    return Sentence("value.not_taken_unnamed", field=field)


def mend_value(field: str) -> Sentence:
    """Say what a person does about it."""
    return Sentence(f"value.{field}.mend") if field in CHOICES else Sentence("value.mend", field=field)
