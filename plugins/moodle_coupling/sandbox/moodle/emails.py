"""Which e-mail addresses Moodle takes: PHP's FILTER_VALIDATE_EMAIL, minus ``<`` and ``>``."""

from __future__ import annotations

import re

_MAX_LENGTH = 320
_ATOM = r"[\x21\x23-\x27*+\-/-9=?\x5E-~A-Z]+"
# No space within quotes: `"jan jansen"@example.org` was refused (Moodle 5.1, PHP 8.2).
_QUOTED = r'"(?:[\x01-\x08\x0B\x0C\x0E-\x1F\x21\x23-\x5B\x5D-\x7F]|\\[\x00-\x7F])*"'
_WORD = f"(?:{_ATOM}|{_QUOTED})"
_LABEL = r"(?:xn--)?[a-z0-9]+(?:-+[a-z0-9]+)*\."
_TOP = r"(?:[a-z][a-z0-9]*|xn--[a-z0-9]+)(?:-+[a-z0-9]+)*"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LITERAL = rf"\[(?:{_OCTET}(?:\.{_OCTET}){{3}}|IPv6:[0-9a-f:]+(?:{_OCTET}(?:\.{_OCTET}){{3}})?)\]"
_ADDRESS = re.compile(
    rf"(?P<local>{_WORD}(?:\.{_WORD})*)@(?:(?P<domain>(?:{_LABEL}){{1,126}}{_TOP})|{_LITERAL})",
    re.IGNORECASE | re.ASCII,
)


def is_valid_email(address: str) -> bool:
    """Return whether Moodle's ``validate_email`` accepts ``address``."""
    if not address or len(address.encode("utf-8", "surrogateescape")) > _MAX_LENGTH or not address.isascii():
        return False
    if any(c in address for c in "<>\r\n"):
        return False
    found = _ADDRESS.fullmatch(address)
    if not found or len(found["local"]) > 64 or len(address) > 254:
        return False
    return all(len(label) <= 63 for label in (found["domain"] or "").split("."))
