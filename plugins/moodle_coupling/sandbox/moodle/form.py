"""Reads a form as PHP does: nested keys, ``[]``, and what falls off silently beyond its limits."""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from moodle_coupling.sandbox.moodle.php import PhpArray, array_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
