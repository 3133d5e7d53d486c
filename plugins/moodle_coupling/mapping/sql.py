"""The SQL that a mapping file may hold: read, never run, and values only ever bound."""

from __future__ import annotations

import re
from typing import Final

from moodle_coupling.words.sentence import Sentence

_PIECES: Final = re.compile(
    r"""
      '(?:[^']|'')*'            # a text
    | "(?:[^"]|"")*"            # a quoted name
    | `[^`]*`
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | --[^\n]*
    | /\*.*?\*/
    | ::                        # PostgreSQL's cast
    | (?P<since>:since\b)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS: Final = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
"""A name that needs no quotes in any database."""


def query_problem(query: str, *, since: bool) -> Sentence | None:
    """Say why this is no query that a source can run, None when it is one; ``since`` says whether it must use ``:since``."""
    if "${" in query or "{{" in query:
        return Sentence("mapping.sql.variables")
    if not _READS.match(_COMMENTS.sub(" ", query)):
        return Sentence("mapping.sql.not_a_select")
    found = list(_PIECES.finditer(query.rstrip().rstrip(";")))
    if any(piece["end"] for piece in found):
        return Sentence("mapping.sql.several")
    used = any(piece["since"] for piece in found)
    if since and not used:
        return Sentence("mapping.sql.without_since")
    if used and not since:
        return Sentence("mapping.sql.since")
    return None


def bound(query: str, mark: str) -> tuple[str, int]:
    """Give a query with the driver's own ``mark`` at every ``:since``, and how many there are.

    Where the mark holds a percent sign the other percent signs are doubled, as those drivers want it; a query without
    ``:since`` is given as it is, for nothing is bound to it then.
    """
    times = sum(piece["since"] is not None for piece in _PIECES.finditer(query))
    if not times:
        return query, 0
    if "%" in mark:
        query = query.replace("%", "%%")
    return _PIECES.sub(lambda piece: mark if piece["since"] else piece[0], query), times
