"""The habits of PHP that show in Moodle's answers: emptiness, loose equality, tags, arrays, JSON, and how it reads a form."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


PHP_INT_MAX = 2**63 - 1
_SPACE = " \t\n\r\x0b\x0c"
_TRIMMED = " \t\n\r\0\x0b"
_NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t\n\r\v\f]*\Z", re.ASCII)
_LEADING_NUMBER = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)


class PhpArray(dict[str | int, Any]):
    """An ordered PHP array: keys are text or whole numbers, and ``[]`` takes the next free number."""

    def __init__(self) -> None:
        super().__init__()
        self._next_free = 0

    def put(self, key: str | None, value: Any) -> None:
        """Store ``value`` under ``key`` as PHP would read it from a form; None means ``[]``."""
        wanted = self._next_free if key is None else array_key(key)
        self[wanted] = value
        if isinstance(wanted, int) and wanted >= self._next_free:
            self._next_free = wanted + 1


def array_key(key: str) -> str | int:
    """Return ``key`` as PHP keeps it: a canonical whole number becomes one."""
    if re.fullmatch(r"0|-?[1-9]\d{0,18}", key, re.ASCII) and abs(int(key)) <= PHP_INT_MAX:
        return int(key)
    return key


def is_empty(value: Any) -> bool:
    """Return what PHP's ``empty()`` says; note that the text ``0`` is empty."""
    return not value or value == "0"


def is_numeric(value: str) -> bool:
    """Return whether PHP takes the text for a number: spaces around it, a sign, a point and an exponent are."""
    return _NUMERIC.match(value) is not None


def trim(value: str) -> str:
    """Return ``value`` without the characters PHP's ``trim`` takes off both ends."""
    return value.strip(_TRIMMED)


def to_int(value: str) -> int:
    """Return the number PHP reads at the start of ``value`` (0 where there is none), within 64 bits."""
    found = _LEADING_NUMBER.match(value)
    if not found:
        return 0
    digits = found.group(1)
    number = int(digits) if re.fullmatch(r"[+-]?\d+", digits) else _float_to_int(float(digits))
    return max(-PHP_INT_MAX - 1, min(PHP_INT_MAX, number))


def _float_to_int(number: float) -> int:
    return int(number) if math.isfinite(number) else 0


def to_text(value: Any) -> str:
    """Return ``(string)$value``."""
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)


def loosely_equal(sent: str, cleaned: str | int) -> bool:
    """Return what PHP 8's ``==`` says of a sent text and its cleaned form: numeric texts compare as numbers."""
    other = to_text(cleaned)
    if is_numeric(sent) and is_numeric(other):
        return float(sent) == float(other) if not (sent.isdigit() and other.isdigit()) else int(sent) == int(other)
    return sent == other


def fix_utf8(value: str) -> str:
    """Return ``value`` without NUL and without bytes that are no UTF-8 (kept as lone surrogates until here)."""
    return "".join(c for c in value if c != "\0" and not "\ud800" <= c <= "\udfff")


def strip_tags(value: str) -> str:
    """Return ``value`` as PHP's ``strip_tags`` leaves it: an unclosed tag eats the rest, ``<`` before a space stays."""
    kept: list[str] = []
    position = 0
    while position < len(value):
        character = value[position]
        if character == "<" and not value[position + 1 : position + 2].strip(_SPACE) and position + 1 < len(value):
            kept.append(character)
            position += 1
        elif character == "<":
            position = _end_of_tag(value, position)
        else:
            if character != "\0":
                kept.append(character)
            position += 1
    return "".join(kept)


def _end_of_tag(value: str, start: int) -> int:
    if value.startswith("<!--", start):
        end = value.find("-->", start + 4)
        return len(value) if end < 0 else end + 3
    if value.startswith("<?", start):
        end = value.find("?>", start + 2)
        return len(value) if end < 0 else end + 2
    quote, depth = "", 0
    for position in range(start + 1, len(value)):
        character = value[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "<" and value[position + 1 : position + 2].strip(_SPACE):
            depth += 1
        elif character == ">":
            if not depth:
                return position + 1
            depth -= 1
    return len(value)


def print_r(value: Any, indent: int = 0) -> str:
    """Return what PHP's ``print_r`` prints for a value read from a form."""
    if not isinstance(value, dict):
        return to_text(value)
    pad = " " * indent
    rows = "".join(f"{pad}    [{key}] => {print_r(item, indent + 8)}\n" for key, item in value.items())
    return f"Array\n{pad}(\n{rows}{pad})\n"


def json_encode(value: Any) -> str:
    r"""Return PHP's ``json_encode``: ``\/`` and ``\uXXXX``; nothing at all where a text is no valid UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if any("\ud800" <= c <= "\udfff" for c in text):
        return ""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/")


_MAX_NESTING = 64


@dataclass(frozen=True)
class Form:
    """What PHP made of a request: ``values`` as ``$_GET`` and ``$_POST`` merged, and its start-up warnings."""

    values: PhpArray
    warnings: tuple[str, ...]


def read_form(query: str, content_type: str, body: bytes, *, max_input_vars: int, post_max_size: int) -> Form:
    """Return the request's fields as PHP hands them to Moodle.

    A body over ``post_max_size`` bytes is thrown away whole. Of a body with more than ``max_input_vars`` fields the
    rest is dropped; PHP notices only after having stored one too many (seen on 8.2: 5001 of 5000).
    """
    warnings: list[str] = []
    get = PhpArray()
    pairs = list(_pairs(query.encode("utf-8", "surrogateescape")))
    _register(get, pairs[:max_input_vars])
    if len(pairs) > max_input_vars:
        warnings.append(_too_many(max_input_vars))
    post = PhpArray()
    if post_max_size and len(body) > post_max_size:
        warnings.append(
            f"PHP Request Startup: POST Content-Length of {len(body)} bytes exceeds the limit of {post_max_size} bytes"
        )
    else:
        fields, keep = _body_fields(content_type, body, max_input_vars)
        _register(post, fields[:keep])
        if len(fields) > max_input_vars:
            warnings.append(_too_many(max_input_vars))
    return Form(_merged(get, post), tuple(warnings))


def _too_many(limit: int) -> str:
    return (
        f"PHP Request Startup: Input variables exceeded {limit}. "
        "To increase the limit change max_input_vars in php.ini."
    )


def _body_fields(content_type: str, body: bytes, limit: int) -> tuple[list[tuple[str, str]], int]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return list(_pairs(body)), limit + 1
    if kind == "multipart/form-data":
        return list(_parts(content_type, body)), limit
    return [], limit


def _pairs(data: bytes) -> Iterator[tuple[str, str]]:
    for piece in data.split(b"&") if data else ():
        name, _, value = piece.partition(b"=")
        yield _decoded(name), _decoded(value)


def _decoded(data: bytes) -> str:
    return unquote_to_bytes(data.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if name and part.get_filename() is None and isinstance(payload, bytes):
            yield str(name), payload.decode("utf-8", "surrogateescape")


def _register(target: PhpArray, fields: Iterable[tuple[str, str]]) -> None:
    for name, value in fields:
        keys = _keys(name)
        if keys is not None and len(keys) <= _MAX_NESTING:
            _store(target, keys, value)


def _store(target: PhpArray, keys: list[str | None], value: str) -> None:
    for key in keys[:-1]:
        inner = target.get(array_key(key)) if key is not None else None
        if not isinstance(inner, PhpArray):
            inner = PhpArray()
            target.put(key, inner)
        target = inner
    target.put(keys[-1], value)


def _keys(name: str) -> list[str | None] | None:
    """Return the path in ``name``; None where PHP ignores the field. ``a[b][]`` gives a, b, None."""
    name = name.split("\0", 1)[0].lstrip(" ")
    top, bracket, rest = name.partition("[")
    if not top:
        return None
    keys: list[str | None] = [top.replace(" ", "_").replace(".", "_")]
    while bracket:
        inside, closed, after = rest.partition("]")
        if not closed:
            # An index that never closes is no index: the bracket becomes part of the name.
            return _unclosed(keys, rest)
        keys.append(inside if inside.strip(" \t\n\r\v\f") else None)
        bracket, rest = (after[:1], after[1:]) if after.startswith("[") else ("", "")
    return keys


def _unclosed(keys: list[str | None], rest: str) -> list[str | None]:
    if len(keys) == 1:
        return [f"{keys[0]}_{rest}".replace(" ", "_").replace(".", "_").replace("[", "_")]
    return keys


def _merged(get: PhpArray, post: PhpArray) -> PhpArray:
    """Return ``array_merge($get, $post)``: the body wins, numbered keys are numbered anew."""
    merged = PhpArray()
    for source in (get, post):
        for key, value in source.items():
            merged.put(None if isinstance(key, int) else key, value)
    return merged
