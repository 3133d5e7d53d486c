"""What goes over the wire to and from Moodle, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moodle_coupling.contract.fields import MAPPED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Account:
    """A Moodle user as read back. Absent and empty are the same to Moodle: both are '' here.

    ``email`` and ``suspended``, which every account has, are None when the token may not see them (hidden is not empty).
    ``mapped`` holds the fields that a mapping may name (MAPPED_FIELDS of contract/fields.py).
    ``profile`` maps a profile field's shortname to its raw value; empty ones are left out by Moodle.
    ``profile_types`` maps those shortnames to the field's type (contract/profile_types.py).
    """

    id: int
    username: str
    firstname: str = ""
    lastname: str = ""
    email: str | None = None
    idnumber: str = ""
    suspended: bool | None = False
    mapped: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    profile_types: Mapping[str, str] = field(default_factory=dict, compare=False)

    def value(self, name: str) -> str | bool | None:
        """Give a field of contract/fields.py by its name."""
        if name in MAPPED_FIELDS:
            return self.mapped.get(name, "")
        found: str | bool | None = getattr(self, name)
        return found


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to create.

    ``fields`` are core_user_create_users' own keys (username, firstname, lastname, email, idnumber, auth, lang, country,
    city, createpassword …); ``profile`` maps shortname to value, empty ones left out.
    """

    fields: Mapping[str, str | int | bool]
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """Changed fields of one existing account; a profile field is cleared with ''."""

    id: int
    fields: Mapping[str, str | int | bool]
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """What core_user_create_users gives back for one account, in the order sent."""

    id: int
    username: str


@dataclass(frozen=True, slots=True)
class UpdateWarning:
    """Why core_user_update_users did not write one account; everyone else of the call was written.

    ``account_id`` is None when Moodle's warning names no account.
    """

    account_id: int | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """A custom report that the service user may see. ``source`` is the class of what it reports on."""

    id: int
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page of a custom report, as people read it.

    ``headers`` and what is in the ``rows`` are in the site's language and HTML-escaped; ``total`` counts the rows of the
    whole report.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What the site says of itself and of the token's service; the private access key is left out on purpose."""

    sitename: str
    siteurl: str
    release: str
    version: str
    userid: int
    username: str
    lang: str = ""
    functions: frozenset[str] = frozenset()
