"""Custom reports on the source "Users": what they are, and how Moodle words what it shows in them."""

from __future__ import annotations

import html
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.functions.details import format_string, fullname
from moodle_coupling.sandbox.moodle.php import to_text

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE_PREFIX = "profilefield_"
_HEADINGS = {
    "en": {
        "username": "Username", "idnumber": "ID number", "email": "Email address", "firstname": "First name",
        "lastname": "Last name", "city": "City/town", "institution": "Institution", "department": "Department",
        "suspended": "Suspended", "auth": "Authentication", "timecreated": "Time created",
        "fullnamewithlink": "Full name with link",
    },
    "nl": {
        "username": "Gebruikersnaam", "idnumber": "ID-nummer", "email": "E-mailadres", "firstname": "Voornaam",
        "lastname": "Achternaam", "city": "Plaats", "institution": "Instelling", "department": "Afdeling",
        "suspended": "Geblokkeerd", "auth": "Authenticatie", "timecreated": "Tijdstip aangemaakt",
        "fullnamewithlink": "Volledige naam met link",
    },
}  # fmt: skip
_YES_NO = {"en": ("No", "Yes"), "nl": ("Nee", "Ja")}
_AUTH_NAMES = {
    "en": {"manual": "Manual accounts", "oidc": "OpenID Connect", "oauth2": "OAuth 2", "nologin": "No login"},
    "nl": {"manual": "Handmatige accounts", "oidc": "OpenID Connect", "oauth2": "OAuth 2", "nologin": "Geen login"},
}
_NUMERIC_ENTITY = re.compile(r"&amp;#(\d+|x[0-9a-f]+);", re.IGNORECASE)


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


def heading(column: str, lang: str) -> str:
    """Return what stands above a column."""
    return _HEADINGS.get(lang, _HEADINGS["en"]).get(column, column.removeprefix(PROFILE_PREFIX))


def cell(column: str, user: dict[str, Any], profile: dict[str, str], *, lang: str, siteurl: str) -> str:
    """Return what a report shows of a user in a column."""
    if column.startswith(PROFILE_PREFIX):
        return format_string(profile.get(column.removeprefix(PROFILE_PREFIX), ""))
    if column == "fullnamewithlink":
        return f'<a href="{siteurl}/user/profile.php?id={user["id"]}">{fullname(user)}</a>'
    return COLUMNS[column](user[column], lang)


def escaped(value: Any, _lang: str = "") -> str:
    """Return Moodle's ``s()``: escaped, yet what looks like a numeric entity stays one."""
    return _NUMERIC_ENTITY.sub(r"&#\1;", html.escape(to_text(value), quote=True).replace("&#x27;", "&#039;"))


def _yes_or_no(value: Any, lang: str) -> str:
    return _YES_NO.get(lang, _YES_NO["en"])[bool(value)]


def _auth_name(value: Any, lang: str) -> str:
    return _AUTH_NAMES.get(lang, _AUTH_NAMES["en"]).get(value, str(value))


def _moment(value: Any, _lang: str) -> str:
    return time.strftime("%A, %d %B %Y, %I:%M %p", time.gmtime(value)) if value else ""


COLUMNS: dict[str, Callable[[Any, str], str]] = {
    **dict.fromkeys(
        ("username", "idnumber", "email", "firstname", "lastname", "city", "institution", "department"), escaped
    ),
    "suspended": _yes_or_no,
    "auth": _auth_name,
    "timecreated": _moment,
    "fullnamewithlink": escaped,
}
