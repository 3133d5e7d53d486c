"""Custom reports on the source "Users": what they are, and how Moodle words what it shows in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from moodle_coupling.sandbox.moodle.exceptions import country_name, escaped, fullname, long_moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.moodle.profile_fields import ProfileField

PROFILE_PREFIX = "profilefield_"
_HEADINGS = {
    "en": {
        "username": "Username", "idnumber": "ID number", "email": "Email address", "firstname": "First name",
        "lastname": "Last name", "city": "City/town", "institution": "Institution", "department": "Department",
        "suspended": "Suspended", "auth": "Authentication", "timecreated": "Time created",
        "fullnamewithlink": "Full name with link", "fullname": "Full name", "country": "Country",
        "lastaccess": "Last access", "confirmed": "Confirmed",
    },
    "nl": {
        "username": "Gebruikersnaam", "idnumber": "ID-nummer", "email": "E-mailadres", "firstname": "Voornaam",
        "lastname": "Achternaam", "city": "Plaats", "institution": "Instelling", "department": "Afdeling",
        "suspended": "Geblokkeerd", "auth": "Authenticatie", "timecreated": "Tijdstip aangemaakt",
        "fullnamewithlink": "Volledige naam met link", "fullname": "Volledige naam", "country": "Land",
        "lastaccess": "Laatste toegang", "confirmed": "Bevestigd",
    },
}  # fmt: skip
_YES_NO = {"en": ("No", "Yes"), "nl": ("Nee", "Ja")}
_AUTH_NAMES = {
    "en": {"manual": "Manual accounts", "oidc": "OpenID Connect", "oauth2": "OAuth 2", "nologin": "No login"},
    "nl": {"manual": "Handmatige accounts", "oidc": "OpenID Connect", "oauth2": "OAuth 2", "nologin": "Geen login"},
}


class Site(Protocol):
    """What of a site's settings shows in its reports."""

    lang: str
    siteurl: str
    timezone: str

    def profile_field(self, shortname: str) -> ProfileField | None:
        """Return the profile field of that short name."""


@dataclass(frozen=True)
class CustomReport:
    """A custom report. ``columns`` as in ``COLUMNS``, or ``profilefield_<shortname>``.

    ``sort``: the column it sorts by, '' for none. ``audience``: ids of users who may see it without
    moodle/reportbuilder:viewall. ``hides_suspended``: it has a condition that leaves suspended accounts out.
    """

    id: int
    name: str
    columns: tuple[str, ...] = ("username", "idnumber", "email")
    sort: str = "username"
    audience: tuple[int, ...] = ()
    hides_suspended: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.columns if name not in COLUMNS and not name.startswith(PROFILE_PREFIX)]
        if unknown:
            raise ValueError(f"there is no column {unknown[0]!r}; there are {', '.join(COLUMNS)}")


def custom_reports(value: Any) -> list[CustomReport]:
    """Return the reports that a list, or its JSON text, describes."""
    items = json.loads(value or "[]") if isinstance(value, str) else value
    return [item if isinstance(item, CustomReport) else CustomReport(**_tuples(item)) for item in items]


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}


def heading(column: str, site: Site) -> str:
    """Return what stands above a column."""
    if column.startswith(PROFILE_PREFIX):
        field = site.profile_field(column.removeprefix(PROFILE_PREFIX))
        return field.title() if field else column.removeprefix(PROFILE_PREFIX)
    return _HEADINGS.get(site.lang, _HEADINGS["en"])[column]


def cell(column: str, user: dict[str, Any], profile: dict[str, str], site: Site) -> str:
    """Return what a report shows of a user in a column: whatever the site hides elsewhere, and no default of a field."""
    if column.startswith(PROFILE_PREFIX):
        field = site.profile_field(column.removeprefix(PROFILE_PREFIX))
        return field.display(profile.get(field.shortname, ""), site.timezone) if field else ""
    return COLUMNS[column](user, column, site)


def _text(user: dict[str, Any], column: str, _site: Site) -> str:
    return escaped(user[column])


def _country(user: dict[str, Any], _column: str, site: Site) -> str:
    return country_name(user["country"], site.lang)


def _fullname(user: dict[str, Any], _column: str, _site: Site) -> str:
    return fullname(user)  # the one text in a report that is not escaped


def _link(user: dict[str, Any], _column: str, site: Site) -> str:
    return f'<a href="{site.siteurl}/user/profile.php?id={user["id"]}">{fullname(user)}</a>'


def _yes_or_no(user: dict[str, Any], column: str, site: Site) -> str:
    return _YES_NO.get(site.lang, _YES_NO["en"])[bool(user[column])]


def _auth_name(user: dict[str, Any], _column: str, site: Site) -> str:
    return _AUTH_NAMES.get(site.lang, _AUTH_NAMES["en"]).get(user["auth"], str(user["auth"]))


def _moment(user: dict[str, Any], column: str, site: Site) -> str:
    return long_moment(user[column], site.timezone) if user[column] else ""


COLUMNS: dict[str, Callable[[dict[str, Any], str, Site], str]] = {
    **dict.fromkeys(
        ("username", "idnumber", "email", "firstname", "lastname", "city", "institution", "department"), _text
    ),
    **dict.fromkeys(("suspended", "confirmed"), _yes_or_no),
    **dict.fromkeys(("timecreated", "lastaccess"), _moment),
    "auth": _auth_name,
    "country": _country,
    "fullname": _fullname,
    "fullnamewithlink": _link,
}
