"""Which heading of a file means which column: Dutch, English, or as the mapping file says."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.columns import MOODLE_COLUMNS, PERSON_COLUMNS, ROW
from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.errors import SourceError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_IGNORED: Final = re.compile(r"[\s._\-\u00ad\u2010-\u2015\u200b-\u200f\u2060\ufeff]+")
ID_COLUMNS: Final = ("person_id", "extern_id")


@dataclass(frozen=True, slots=True)
class Headings:
    """Where each of our columns stands in a file: its position (0-based), and the heading as written; ``every`` heading."""

    positions: Mapping[str, int]
    texts: Mapping[str, str]
    every: tuple[str, ...] = ()


class HeadingsUnclear(SourceError):
    """A header in which no id, or one of our columns twice, is recognised; ``headings`` are all of it, as written."""

    def __init__(self, said: Sentence, headings: Sequence[str]) -> None:
        super().__init__(said)
        self.headings = tuple(cell.strip() for cell in headings if cell.strip())


def plain_heading(text: str) -> str:
    """Return a heading without case, diacritics, spaces, dots, dashes and underscores: how headings are compared."""
    spelled = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return _IGNORED.sub("", bare).casefold()


KNOWN: Final = {
    plain_heading(heading): column.name
    for column in PERSON_COLUMNS
    if column.name != ROW
    for heading in (column.name, *column.headers)
}
"""Compared heading → our column."""


def column_of(heading: str) -> str | None:
    """Give the column that a heading means by itself, None when it means nothing to us."""
    name = heading.strip().lower()
    if re.fullmatch(PROFILE_PREFIX + r"\w+", name, re.ASCII):
        return PROFILE_PREFIX + heading.strip()[len(PROFILE_PREFIX) :]
    return name if name in MOODLE_COLUMNS else KNOWN.get(plain_heading(heading))


LOOKED_AT: Final = 30
"""Rows at the top among which the header is looked for: reports begin with a title and a date."""

_CURE: Final = Sentence("sources.headings.cure")


def find_headings(
    cells: Sequence[str], wanted: Mapping[str, str], file: Sentence | str, cure: Sentence = _CURE
) -> Headings:
    """Return where our columns stand in the header row ``cells``.

    ``wanted`` is the mapping's ``source.columns``: our name → the file's heading. What it names is found there and
    nowhere else; the remaining headings are recognised by themselves. Headings that mean nothing to us are ignored.
    ``cure`` says what to look at when there is no id.

    Raises:
        SourceError: a wanted heading is missing or there twice.
        HeadingsUnclear: two headings mean the same column, or there is no id.

    """
    plain = [plain_heading(cell) for cell in cells]
    positions = {name: _position(name, heading, cells, plain, file) for name, heading in wanted.items()}
    claimed = set(positions.values())
    for position, heading in enumerate(cells):
        name = column_of(heading)
        if name is None or position in claimed or name in wanted:
            continue
        if name in positions:
            raise HeadingsUnclear(
                Sentence(
                    "sources.headings.same_column",
                    file=file,
                    one=_shown(cells[positions[name]]),
                    one_at=positions[name] + 1,
                    other=_shown(heading),
                    other_at=position + 1,
                    column=name,
                ),
                cells,
            )
        positions[name] = position
    _check_ids(positions, cells, file, cure)
    every = tuple(_shown(cell) for cell in cells if cell.strip())
    return Headings(positions, {name: _shown(cells[position]) for name, position in positions.items()}, every)


def recognised(cells: Sequence[str], wanted: Mapping[str, str]) -> int:
    """Return how many of the cells are headings that we know."""
    named = {plain_heading(heading) for heading in wanted.values()}
    return sum(plain_heading(cell) in named or column_of(cell) is not None for cell in cells)


def header_position(rows: Sequence[Sequence[str]], wanted: Mapping[str, str]) -> int:
    """Return which of the first rows is the header: the first one with a heading of an id, among headings that we know.

    The first of all where none is, so that what is wrong is said of that one.
    """
    return next((at for at, cells in enumerate(rows[:LOOKED_AT]) if is_header(cells, wanted, first=not at)), 0)


def is_header(cells: Sequence[str], wanted: Mapping[str, str], *, first: bool) -> bool:
    """Return whether a row has a heading of an id; below the ``first`` row other headings that we know must stand beside it."""
    ids = {plain_heading(wanted[name]) for name in ID_COLUMNS if name in wanted}
    plain = [plain_heading(cell) for cell in cells if cell.strip()]
    if not any(cell in ids or KNOWN.get(cell) in ID_COLUMNS for cell in plain):
        return False
    known = recognised(cells, wanted)
    return first or known > 1 or known == len(plain)


def _position(name: str, heading: str, cells: Sequence[str], plain: Sequence[str], file: Sentence | str) -> int:
    exact = [position for position, cell in enumerate(cells) if cell.strip() == heading.strip()]
    found = exact or [position for position, cell in enumerate(plain) if cell == plain_heading(heading)]
    if not found:
        headings = [_shown(cell) for cell in cells if cell.strip()]
        raise SourceError(
            Sentence(
                "sources.headings.absent",
                file=file,
                column=name,
                heading=heading,
                hint=did_you_mean(heading, headings) or ".",
                there=", ".join(f"'{cell}'" for cell in headings),
            )
        )
    if len(found) > 1:
        columns = [position + 1 for position in found]
        raise SourceError(Sentence("sources.headings.twice", file=file, column=name, heading=heading, columns=columns))
    return found[0]


def _check_ids(positions: Mapping[str, int], cells: Sequence[str], file: Sentence | str, cure: Sentence) -> None:
    if any(name in positions for name in ID_COLUMNS):
        return
    there = [_shown(cell) for cell in cells if cell.strip()]
    hint = next((found for name in ("PersonId", "ExternId") if (found := did_you_mean(name, there))), ".")
    raise HeadingsUnclear(
        Sentence("sources.headings.no_id", file=file, hint=hint, there=", ".join(map(repr, there)), cure=cure), cells
    )


def _shown(cell: str) -> str:
    text = " ".join(cell.split())
    return text if len(text) <= 60 else text[:59] + "…"
