"""Values that a Moodle does not take, whoever they are for, found without writing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from moodle_coupling.contract.auth_plugins import NEEDS_PASSWORD, NEVER_FOR_NEW
from moodle_coupling.contract.fields import FIELD_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Value: TypeAlias = tuple[str, str]
"""A Moodle field's name and a value of it."""

CHOICES: Final = ("auth", "lang", "theme")
"""Fields of which Moodle takes only what is installed on the site (recordings 117, 118, 151, 159, 580 to 618)."""

_MEND: Final = {
    "auth": "Install or choose an auth plugin that new accounts may have on this site (Site administration > Plugins > "
    "Authentication), in the mapping file or the source; then run again.",
    "lang": "Install the language pack (Site administration > Language > Language packs), or change the language in the mapping "
    "file or the source; then run again.",
    "theme": "Install the theme, or change it in the mapping file or the source; then run again.",
}


def refused_values(values: Sequence[Value], takes: Callable[[Sequence[Value]], bool]) -> list[Value]:
    """Give those that are not taken: one call when all are, else about 2·log2(n) more for each that is not."""
    if not values or takes(values):
        return []
    if len(values) == 1:
        return list(values)
    half = len(values) // 2
    return [*refused_values(values[:half], takes), *refused_values(values[half:], takes)]


def unfit_for_new(auths: Collection[str], *, with_password: bool) -> dict[str, str]:
    """Give the auth plugins among these with which Moodle makes no account, and why; '' is manual."""
    found = {}
    for auth in auths:
        if auth in NEVER_FOR_NEW:
            found[auth] = f"Moodle makes no account with auth '{auth}', whatever is sent with it."
        elif not with_password and (auth or "manual") in NEEDS_PASSWORD:
            found[auth] = (
                f"Moodle keeps the passwords of auth '{auth or 'manual'}' itself, and refuses a new account without one: "
                "the mapping's 'password' must be mailed_by_moodle."
            )
    return found


def not_taken(value: Value) -> str:
    """Say that Moodle does not take a value; one that tells something of a person is not repeated."""
    field, text = value
    known = FIELD_BY_NAME.get(field)
    shown = f" '{text}'" if known is not None and not known.names_someone else ""
    return f"Moodle does not take {field}{shown}"


def mend_value(field: str) -> str:
    """Say what a person does about it."""
    return _MEND.get(field, f"Change '{field}' in the mapping file or the source; then run again.")
