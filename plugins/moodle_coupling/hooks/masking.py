"""Keeping our secrets out of what a server says, in whatever way it writes them back to us."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.hooks.sessions import RawAnswer

MASK: Final = "[secret]"
_NAMED: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class Secrets:
    """Finds secrets in texts: as they are, percent-encoded (once, twice, in either case), escaped for JSON or HTML, or mixed.

    A text must be masked before it is cut: most of a secret that was cut in two would not be found any more. Secrets are
    printable ASCII; empty ones are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({one for one in secrets if one}, key=len, reverse=True)
        pattern = "|".join("".join(map(_forms, one)) for one in known)
        self._text = re.compile(pattern) if pattern else None
        self._bytes = re.compile(pattern.encode("ascii")) if pattern else None

    def out_of(self, text: str) -> str:
        """Give the text without them."""
        return self._text.sub(MASK, text) if self._text else text

    def out_of_answer(self, raw: RawAnswer) -> RawAnswer:
        """Give an answer without them, headers included."""
        if self._bytes is None:
            return raw
        headers = {name: self.out_of(value) for name, value in raw.headers.items()}
        return replace(raw, headers=headers, body=self._bytes.sub(MASK.encode(), raw.body))

    def out_of_error(self, error: BaseException) -> None:
        """Take them out of an error's texts: its arguments and the texts among its attributes."""
        error.args = tuple(self.out_of(one) if isinstance(one, str) else one for one in error.args)
        for name, value in list(vars(error).items()):
            if isinstance(value, str):
                setattr(error, name, self.out_of(value))


def _forms(char: str) -> str:
    """Give a pattern for the ways in which one character of a secret may be written."""
    code = ord(char)
    digits = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in f"{code:02x}")
    ways = [
        r"\\?" + re.escape(char),
        f"%(?:25){{0,3}}{digits}",
        rf"\\{{1,4}}(?:u00|x){digits}",
        f"&(?:amp;){{0,3}}#(?:0{{0,6}}{code}|[xX]0{{0,6}}{digits});",
    ]
    if char in _NAMED:
        ways.append(f"&(?:amp;){{0,3}}{_NAMED[char]};")
    return f"(?:{'|'.join(ways)})"
