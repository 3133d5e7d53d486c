"""A call's parameters as the form fields PHP reads, and how large the form is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus

CONTROL_VARIABLES: Final = 3
"""wsfunction and moodlewsrestformat, which go first, and wstoken, which goes last."""


def flatten(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give nested parameters as PHP-style names and text values, in the order given.

    ``{"users": [{"id": 5, "suspended": True}]}`` becomes ``users[0][id]=5``, ``users[0][suspended]=1``. A boolean becomes
    1 or 0 (Moodle refuses the word true), None is left out, an empty list or mapping leaves nothing behind.

    Raises TypeError for a value that is no text, number, boolean, list or mapping.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        _add(pairs, str(name), value)
    return pairs


def form_of(token: str, function: str, params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the whole form of a call: function and format first, the token last.

    PHP drops what comes after its max_input_vars without a word, and Moodle carries out what is left: the token stands
    behind everything, so a form that lost anything at all has none and is refused (recordings 006 and 211). The format
    stands before, so that the refusal comes in JSON; docs/decisions/0023 says why this and no other order.
    """
    return [("wsfunction", function), ("moodlewsrestformat", "json"), *flatten(params), ("wstoken", token)]


def count_variables(params: Mapping[str, Any]) -> int:
    """Count the form variables a call takes, control fields included; what PHP compares with max_input_vars."""
    return CONTROL_VARIABLES + len(flatten(params))


def encode(form: Sequence[tuple[str, str]]) -> bytes:
    """Give the form as the body of a POST (application/x-www-form-urlencoded, UTF-8)."""
    return "&".join([f"{_quoted_name(name)}={_quoted(value)}" for name, value in form]).encode("ascii")


_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_NAME: Final = re.compile(r"[A-Za-z0-9_.~\[\]-]*").fullmatch


_ESCAPED: Final = {code: quote_plus(chr(code)) for code in range(128)}


def _quoted(text: str) -> str:
    if _PLAIN(text):
        return text
    if text.isascii():  # nearly all that is left: an address has an @; a fifth of what quote_plus takes
        return text.translate(_ESCAPED)
    return quote_plus(text, encoding="utf-8", errors="replace")


# The same few hundred names in every call: users[0][username], users[0][email], …
@lru_cache(maxsize=16_384)
def _quoted_name(name: str) -> str:
    return name.replace("[", "%5B").replace("]", "%5D") if _NAME(name) else _quoted(name)


def most_bytes(form: Sequence[tuple[str, str]]) -> int:
    """Give a size that the form surely does not exceed in the body; much cheaper to tell than the size itself."""
    size = 2 * len(form)
    for name, value in form:
        size += 3 * (len(name) + (len(value) if value.isascii() else 4 * len(value)))
    return size


def body_size(params: Mapping[str, Any]) -> int:
    """Give the bytes a call's parameters take in the body, control fields not counted."""
    return len(encode(flatten(params)))


def _add(pairs: list[tuple[str, str]], name: str, value: object) -> None:
    if type(value) is str:
        pairs.append((name, value))
    elif value is None:
        return
    elif isinstance(value, bool):
        pairs.append((name, "1" if value else "0"))
    elif isinstance(value, str | int | float):
        pairs.append((name, str(value)))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _add(pairs, f"{name}[{key}]", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _add(pairs, f"{name}[{index}]", inner)
    else:
        msg = f"parameter '{name}' is a {type(value).__name__}, which a form cannot hold"
        raise TypeError(msg)
