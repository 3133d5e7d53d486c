"""Passwords: the site's policy, and what each kind of authentication keeps of one."""

from __future__ import annotations

import itertools
import secrets
import unicodedata
from typing import TYPE_CHECKING

from moodle_coupling.contract.auth_plugins import NEEDS_PASSWORD
from moodle_coupling.sandbox.moodle.exceptions import MoodleException

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.site import SiteSettings

NOT_CACHED = "not cached"
# Of those that need a password two throw a given one away (recordings 580 to 618).
_KEEPS_A_HASH = NEEDS_PASSWORD - {"nologin", "lti"}
# A password that Moodle makes itself and mails is kept by these, of those that need none.
_KEEPS_A_MAILED_ONE = NEEDS_PASSWORD | {"ldap"}
_LONGEST = 128


def is_internal(auth: str) -> bool:
    """Return whether Moodle itself keeps the passwords of this authentication method."""
    return auth in NEEDS_PASSWORD


def stored_hash(auth: str) -> str | None:
    """Return what stands in the table after a password was set; None where nothing changes.

    The sandbox keeps nothing of the password itself, only something that looks like a hash.
    """
    if auth in _KEEPS_A_HASH:
        return f"$6$rounds=10000${secrets.token_hex(8)}${secrets.token_hex(43)}"
    return None


def mailed_hash(auth: str) -> str:
    """Return what stands in the table after Moodle made a password itself and mailed it."""
    return stored_hash("manual" if auth in _KEEPS_A_MAILED_ONE else auth) or NOT_CACHED


def check_policy(password: str, site: SiteSettings) -> None:
    """Raise Moodle's odd error for a weak password: its *code* is the HTML text itself."""
    if not site.passwordpolicy:
        return
    errors = "".join(f"<div>{text}</div>" for text in _weaknesses(password, site))
    if errors:
        raise MoodleException(errors, f"error/{errors}")


def check_length(password: str) -> None:
    """Raise for a password too long to be hashed; Moodle notices only after it wrote the account."""
    if len(password.encode("utf-8", "surrogateescape")) > _LONGEST:
        text = f"The password can't be more than {_LONGEST} characters."
        raise MoodleException(text, f"error/{text}")


def _weaknesses(password: str, site: SiteSettings) -> list[str]:
    kinds = [unicodedata.category(character) for character in password]
    lower, upper, digits = kinds.count("Ll"), kinds.count("Lu"), kinds.count("Nd")
    wanted = [
        (len(password), site.minpasswordlength, "Passwords must be at least {} characters long."),
        (digits, site.minpassworddigits, "Passwords must have at least {} digit(s)."),
        (lower, site.minpasswordlower, "Passwords must have at least {} lower case letter(s)."),
        (upper, site.minpasswordupper, "Passwords must have at least {} upper case letter(s)."),
        (
            len(password) - lower - upper - digits,
            site.minpasswordnonalphanum,
            "The password must have at least {} special character(s) such as *, -, or #.",
        ),
    ]
    texts = [text.format(least) for found, least, text in wanted if found < least]
    if 0 < site.maxconsecutiveidentchars < _longest_run(password):
        texts.append(f"Passwords must have at most {site.maxconsecutiveidentchars} consecutive identical characters.")
    return texts


def _longest_run(password: str) -> int:
    return max((len(list(group)) for _, group in itertools.groupby(password)), default=0)
