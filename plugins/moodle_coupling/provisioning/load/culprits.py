"""Who in a refused call is to blame, as far as the message or our own knowledge of Moodle tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from moodle_coupling.contract.fields import WIDTHS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.errors import MoodleError
    from moodle_coupling.hooks.moodle.types import AccountChange, NewAccount


class Sendable(Protocol):
    """Something with an account to write in it."""

    @property
    def index(self) -> int:
        """The row's position in the plan."""

    @property
    def wire(self) -> NewAccount | AccountChange:
        """What is sent."""


Item = TypeVar("Item", bound=Sendable)

# What a site with debugging says of the culprit (seen on 4.5 and 5.1), and the field it means where the text does not say.
_NAMING: Final = (
    (re.compile(r"Username already exists: (.+)$"), "username"),
    (re.compile(r"Duplicate entry '\d{1,20}-(.{0,400})' for key '\w*mneuse"), "username"),
    (re.compile(r"Email address (?:already exists|is invalid): (.+)$"), "email"),
    (re.compile(r"Invalid authentication type: (.+)$"), "auth"),
    (re.compile(r"Invalid language code: (.+)$"), "lang"),
    (re.compile(r"Invalid theme: (.+)$"), "theme"),
    (re.compile(r'\b(\w+) => [^>]{0,400}the value is "(.{0,400})", the server was expecting', re.DOTALL), None),
)

_TAG: Final = re.compile(r"<[^>]*>")
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SUSPECT: Final[dict[str, Callable[[str], bool]]] = {
    "username": lambda value: re.fullmatch(r"[a-z0-9._@-]+", value) is None,
    "email": lambda value: _EMAIL.fullmatch(value) is None,
    "firstname": lambda value: _TAG.search(value) is not None,
    "lastname": lambda value: _TAG.search(value) is not None,
}


def named_culprits(error: MoodleError, items: Sequence[Item]) -> list[Item]:
    """Give the items that Moodle's debuginfo names; none when it is not sent, or names nobody that was sent."""
    for pattern, name in _NAMING:
        found = pattern.search(error.debuginfo)
        if found:
            field, value = (name, found[1]) if name else (found[1], found[2])
            return [item for item in items if str(item.wire.fields.get(field, "")) == value]
    return []


def is_suspect(item: Sendable) -> bool:
    """Tell whether a value looks like one that Moodle refuses.

    It is sent all the same, but alone: Moodle decides (a site may allow more characters in a username).
    """
    for name, value in item.wire.fields.items():
        text = str(value)
        if len(text) > WIDTHS.get(name, len(text)) or "\0" in text:
            return True
        if name in _SUSPECT and _SUSPECT[name](text):
            return True
    return False
