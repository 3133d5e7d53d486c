"""Who is enrolled in trainings, and the e-learning parts of those: rows by the keys that a mapping says, each proved to be there.

Of Opleidingsvragen no key but ``id`` is known, and of Opleidingsonderdelen few: a key that no row has is an error that names the
keys that the rows do have, and never an empty value for everyone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import CoachviewAnswerUnreadable, CoachviewRefused
from moodle_coupling.hooks.coachview.persons import Ids, PageReader, lists_of_ids
from moodle_coupling.hooks.coachview.rows import free_codes, is_free, lowered, text_at
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from moodle_coupling.hooks.coachview.persons import Part
    from moodle_coupling.hooks.coachview.rows import FreeFields

PARTS: Final = "Opleidingsonderdelen"
ENROLMENTS: Final = "Opleidingsvragen"
SCOPES: Final = (f"{PARTS}.Lezen", f"{ENROLMENTS}.Lezen")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read: its number in the list, and the texts of the wanted keys, by our names; '' where there is none."""

    number: int
    texts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """Give a text, '' for a name that was not wanted."""
        return self.texts.get(name, "")


@dataclass(slots=True)
class KeyedReading:
    """A reading of one list by the ``keys`` (our name → key on its rows) that are wanted.

    ``rows`` is how many came. Raises, in ``prove``, CoachviewAnswerUnreadable where a key was on none of them.
    """

    endpoint: str
    keys: Mapping[str, str]
    free: FreeFields
    rows: int = 0
    _seen: set[str] = field(default_factory=set)
    _names: dict[str, None] = field(default_factory=dict)

    def read(self, reader: PageReader, part: Part) -> list[Row]:
        """Give the rows of a part, each once and as it came last: one that was read again may have changed."""
        found: dict[str, Row] = {}
        for piece in reader.read(part):
            found |= {str(lowered(row).get("id")): self._row(row) for row in piece.rows}
        return list(found.values())

    def look_at(self, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
        """Read rows that came otherwise, such as a sample."""
        return [self._row(row) for row in rows]

    def missing(self) -> dict[str, str]:
        """Give the keys, by our names, that no row had; none where no row came."""
        return {name: key for name, key in self.keys.items() if self.rows and name not in self._seen}

    @property
    def names(self) -> str:
        """The keys that the rows had, with dots into objects; free fields by their codes."""
        return ", ".join(sorted(self._names, key=str.lower))[:600]

    def prove(self) -> None:
        """Make sure that each wanted key was on some row, and none is confidential. Raises CoachviewAnswerUnreadable."""
        if self.free.confidential:
            said = Sentence(
                "coachview.enrolments.confidential", what=self.endpoint, codes=sorted(self.free.confidential)
            )
            raise CoachviewAnswerUnreadable(said, endpoint=self.endpoint, status=200)
        missing = self.missing()
        if missing:
            raise CoachviewAnswerUnreadable(self.said(missing), endpoint=self.endpoint, status=200)

    def said(self, missing: Mapping[str, str]) -> Sentence:
        """Say which keys are missing, and what there is instead."""
        named = ", ".join(f"{key} ({name})" for name, key in missing.items())
        return Sentence("coachview.enrolments.no_key", what=self.endpoint, keys=named, n=self.rows, there=self.names)

    def _row(self, given: Mapping[str, Any]) -> Row:
        row = lowered(given)
        self.rows += 1
        self._names.update(dict.fromkeys(_paths(given)))
        free: Mapping[str, str] = {}
        codes: list[str] = []
        if any(map(is_free, self.keys.values())):
            free, codes = self.free.read(row, str(row.get("id") or "")), free_codes(row, also_empty=True)
        self._names.update(dict.fromkeys(codes))
        small = {code.lower() for code in codes}
        for name, key in self.keys.items():
            if key.lower() in small if is_free(key) else _has(row, key):
                self._seen.add(name)
        texts = {name: free[key] if is_free(key) else text_at(row, key) for name, key in self.keys.items()}
        return Row(self.rows, texts)


def enrolments(reader: PageReader, reading: KeyedReading, by: str, values: Collection[str], most: int) -> Iterator[Row]:
    """Give who is enrolled where ``by`` (our name: training, or one of the person) is one of these, some of them at a time.

    The list of everybody of all years is long. Raises CoachviewRefused where rows come that were not asked for, for then all of them
    do; InputError for a value that a filter cannot hold.
    """
    for some in lists_of_ids(reading.keys[by], values, most):
        asked = {value.lower() for value in some.values}
        for row in reading.read(reader, some):
            if row[by].strip().lower() not in asked:
                said = Sentence("coachview.enrolments.strangers", what=ENROLMENTS, key=some.key, name=by)
                raise CoachviewRefused(said, endpoint=ENROLMENTS)
            yield row


def elearning_parts(reader: PageReader, reading: KeyedReading, form: str) -> Iterator[Row]:
    """Give the parts of trainings that are of a form (``lesvormId``); those of another form that come all the same are left out."""
    for row in reading.read(reader, Ids(reading.keys["form"], (form,))):
        if row["form"].strip().lower() == form.lower():
            yield row


def _has(row: Mapping[str, Any], path: str) -> bool:
    value: Any = row
    for key in path.lower().split("."):
        value = lowered(value) if isinstance(value, dict) else {}
        if key not in value:
            return False
        value = value[key]
    return True


def _paths(row: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in row.items():
        path = f"{above}{str(key)[:40]}"
        if isinstance(value, dict) and value:
            yield from _paths(value, f"{path}.")
        else:
            yield path
