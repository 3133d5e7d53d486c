"""Several sources that feed one environment, in order of authority."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import (
    EMAIL_COLUMNS,
    FINDINGS,
    INACTIVE_UNREAD,
    ROW,
    SOURCES_DIFFER,
    SOURCES_DISAGREE,
)
from moodle_coupling.mapping import IdnumberFrom
from moodle_coupling.sources.contract import Extract, ExtractCounts, Mode, Wanted
from moodle_coupling.sources.persons import alike, completed
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from moodle_coupling.sources.contract import Source


# ---- Persons of several sources as one frame: completed by the later ones, and what they say differently ----

_SEPARATE: Final = frozenset(
    {ROW, "inactive", "person_id", "extern_id", "extern_source", "infix", "lastname", *FINDINGS}
)
"""Columns that are not simply completed each by itself."""
_TOGETHER: Final = (("extern_id", "extern_source"), ("lastname", "infix"))
"""The second says nothing without the first: it is only taken from where the first is, or is the same."""


@dataclass(frozen=True)
class Part:
    """The persons of one source. ``name`` is what people call it; ``knows_inactive``: it has a column that says who left."""

    name: str
    persons: pd.DataFrame
    knows_inactive: bool


@dataclass(frozen=True)
class Joining:
    """How persons are joined. ``told``: the columns on which a difference is worth a word; None is all."""

    idnumber: IdnumberFrom
    told: Collection[str] | None = None

    def tells(self, name: str) -> bool:
        """Return whether a difference in this column is said."""
        return self.told is None or name in self.told


def combined(parts: Sequence[Part], joining: Joining) -> pd.DataFrame:
    """Return the persons of all parts, which come in order of authority; each ``row`` is that of a part plus its start.

    A person whom two parts share (see :func:`moodle_coupling.sources.several.source.pairs`) is one row: that of the first, with the
    other's values where it has none. Where both say something else the first stays, and SOURCES_DIFFER says so. Where they
    do not agree on who it is the first stays as it is, and SOURCES_DISAGREE says so.
    """
    frames = alike([part.persons for part in parts])
    begin = starts([part.persons for part in parts])
    whole = _Whole(frames[0], parts[0])
    for part, frame, start in zip(parts[1:], frames[1:], begin[1:], strict=True):
        whole.add(frame.assign(**{ROW: frame[ROW] + start}), part, joining)
    return whole.frame()


def starts(frames: Sequence[pd.DataFrame]) -> list[int]:
    """Return what is added to the rows of each frame, so that all of them are unique."""
    ends = [int(frame[ROW].max()) if len(frame) else 0 for frame in frames]
    return [sum(ends[:number]) for number in range(len(frames))]


@dataclass
class _Findings:
    """What is said differently of the persons, by position: column → sentence."""

    differ: dict[int, dict[str, str]] = field(default_factory=dict)
    disagree: dict[int, str] = field(default_factory=dict)


class _Whole:
    """The frame so far; ``_from`` says of each text of which part it is, for the sentences."""

    def __init__(self, first: pd.DataFrame, part: Part) -> None:
        self._columns: dict[str, NDArray[Any]] = {name: _values(first[name]) for name in first.columns}
        self._names = [part.name]
        self._from = {name: np.zeros(len(first), dtype=np.int16) for name in first.columns}
        self._knows_inactive = np.full(len(first), part.knows_inactive)
        self._findings = _Findings()
        self._dtypes = [(name, first[name].dtype) for name in first.columns]

    def add(self, other: pd.DataFrame, part: Part, joining: Joining) -> None:
        self._names.append(part.name)
        here, there = pairs(self._persons(), other, joining.idnumber)
        paired = other.iloc[there]
        fits = self._same_people(here, paired)
        self._take_over(here[fits], paired[fits], part, joining)
        self._append(other.drop(index=other.index[there]), part)

    def frame(self) -> pd.DataFrame:
        whole = self._persons()
        length = len(whole)
        if self._findings.differ:
            said = {at: json.dumps(found) for at, found in self._findings.differ.items()}
            whole[SOURCES_DIFFER] = _sparse(said, length)
        if self._findings.disagree:
            whole[SOURCES_DISAGREE] = _sparse(self._findings.disagree, length)
        return whole

    def _persons(self) -> pd.DataFrame:
        return pd.DataFrame({name: pd.Series(self._columns[name], dtype=dtype) for name, dtype in self._dtypes})

    def _same_people(self, here: NDArray[np.intp], paired: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which pairs are the same person by name and address too, and note the others."""
        fits = np.ones(len(here), dtype=bool)
        names = ("infix", "lastname", "firstname", *EMAIL_COLUMNS)
        mine = {name: self._columns[name][here] for name in names}
        theirs = {name: _values(paired[name]) for name in names}
        doubtful = (mine["lastname"] != theirs["lastname"]) | (mine["infix"] != theirs["infix"])
        for at in np.flatnonzero(doubtful):
            one, other = ({name: str(values[at]) for name, values in side.items()} for side in (mine, theirs))
            if is_somebody_else(one, other):
                fits[at] = False
                first = self._names[self._from["lastname"][here[at]]]
                said = self._findings.disagree.get(int(here[at]), f"{_shown(one)} in {first}")
                self._findings.disagree[int(here[at])] = f"{said}, {_shown(other)} in {self._names[-1]}"
        return fits

    def _take_over(self, here: NDArray[np.intp], paired: pd.DataFrame, part: Part, joining: Joining) -> None:
        theirs = {name: _values(paired[name]) for name in paired.columns}
        for first, second in _TOGETHER:
            open_ = self._columns[first][here] == ""
            same = self._columns[first][here] == theirs[first]
            self._complete(second, here, theirs, open_ | same)
            self._complete(first, here, theirs, open_)
        self._complete("person_id", here, theirs, np.ones(len(here), dtype=bool))
        self._compare("extern_id", here, theirs["extern_id"], joining)
        self._compare_surnames(here, theirs, joining)
        self._take_addresses(here, theirs, joining)
        for name in theirs.keys() - _SEPARATE - set(EMAIL_COLUMNS):
            self._complete(name, here, theirs, np.ones(len(here), dtype=bool))
            self._compare(name, here, theirs[name], joining)
        self._take_inactive(here, theirs, part, joining)

    def _complete(
        self, name: str, here: NDArray[np.intp], theirs: dict[str, NDArray[Any]], may: NDArray[np.bool_]
    ) -> None:
        taken = may & (self._columns[name][here] == "") & (theirs[name] != "")
        self._columns[name][here[taken]] = theirs[name][taken]
        self._from[name][here[taken]] = len(self._names) - 1

    def _compare(self, name: str, here: NDArray[np.intp], theirs: NDArray[Any], joining: Joining) -> None:
        if not joining.tells(name):
            return
        mine = self._columns[name][here]
        for at in np.flatnonzero((mine != theirs) & (mine != "") & (theirs != "")):
            if _plain(name, str(mine[at])) != _plain(name, str(theirs[at])):
                self._note(name, int(here[at]), str(mine[at]), str(theirs[at]))

    def _compare_surnames(self, here: NDArray[np.intp], theirs: dict[str, NDArray[Any]], joining: Joining) -> None:
        """Compare surnames with their particles, for sources put the two together or apart."""
        if not joining.tells("lastname"):
            return
        mine = {name: self._columns[name][here] for name in ("infix", "lastname")}
        differs = (mine["lastname"] != theirs["lastname"]) | (mine["infix"] != theirs["infix"])
        for at in np.flatnonzero(differs & (theirs["lastname"] != "")):
            one, other = (" ".join(f"{side['infix'][at]} {side['lastname'][at]}".split()) for side in (mine, theirs))
            if one != other:
                self._note("lastname", int(here[at]), one, other)

    def _take_addresses(self, here: NDArray[np.intp], theirs: dict[str, NDArray[Any]], joining: Joining) -> None:
        for name in EMAIL_COLUMNS:
            lower = pd.Series(theirs[name], dtype="str").str.strip().str.casefold().to_numpy(dtype=object)
            known = np.zeros(len(here), dtype=bool)
            for each in EMAIL_COLUMNS:
                mine = pd.Series(self._columns[each][here], dtype="str").str.strip().str.casefold()
                known |= (mine.to_numpy(dtype=object) == lower) & (lower != "")
            fresh = theirs[name].copy()
            fresh[known] = ""
            self._compare(name, here, fresh, joining)
            self._complete(name, here, {name: fresh}, np.ones(len(here), dtype=bool))

    def _take_inactive(
        self, here: NDArray[np.intp], theirs: dict[str, NDArray[Any]], part: Part, joining: Joining
    ) -> None:
        """Take who has left from the first source that says so at all."""
        if not part.knows_inactive:
            return
        open_ = ~self._knows_inactive[here]
        for name in ("inactive", INACTIVE_UNREAD):
            if name in self._columns:
                self._columns[name][here[open_]] = theirs[name][open_]
                self._from[name][here[open_]] = len(self._names) - 1
        self._knows_inactive[here[open_]] = True
        differs = ~open_ & (self._columns["inactive"][here] != theirs["inactive"])
        if joining.tells("inactive"):
            for at in np.flatnonzero(differs):
                mine, other = (
                    "yes" if side else "no" for side in (self._columns["inactive"][here[at]], theirs["inactive"][at])
                )
                self._note("inactive", int(here[at]), mine, other)

    def _note(self, name: str, at: int, mine: str, theirs: str) -> None:
        said = self._findings.differ.setdefault(at, {})
        first = self._names[self._from[name][at]]
        before = said.get(name, f"'{mine}' in {first}")
        said[name] = f"{before}, '{theirs}' in {self._names[-1]}"

    def _append(self, new: pd.DataFrame, part: Part) -> None:
        number = len(self._names) - 1
        for name, values in self._columns.items():
            self._columns[name] = np.concatenate((values, _values(new[name])))
            self._from[name] = np.concatenate((self._from[name], np.full(len(new), number, dtype=np.int16)))
        self._knows_inactive = np.concatenate((self._knows_inactive, np.full(len(new), part.knows_inactive)))


def _values(column: pd.Series) -> NDArray[Any]:
    return (
        column.to_numpy(dtype=object, copy=True)
        if isinstance(column.dtype, pd.StringDtype)
        else column.to_numpy(copy=True)
    )


def _sparse(said: dict[int, str], length: int) -> pd.Series:
    return pd.Series([said.get(at, "") for at in range(length)], dtype="str")


def _plain(name: str, text: str) -> Any:
    """Return a text as it is compared: without spaces around it, addresses in lower case, categories in any order."""
    if name in EMAIL_COLUMNS:
        return text.strip().casefold()
    if name == "categories":
        return sorted(part.strip() for part in text.split("|") if part.strip())
    return " ".join(text.split())


def _shown(person: dict[str, str]) -> str:
    name = " ".join(f"{person['firstname']} {person['infix']} {person['lastname']}".split())
    address = next((person[column] for column in EMAIL_COLUMNS if person[column]), "")
    return f"{name} <{address}>" if address else name


_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


def pairs(
    known: pd.DataFrame, other: pd.DataFrame, idnumber: IdnumberFrom
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return positions in both frames of the persons that share a person_id, an extern_id or the idnumber.

    An extern_id is shared when the extern_source is too, or one of the two says none. Who would be paired with more than
    one is paired with nobody: such persons stay apart, and matching rejects them as doubles.
    """
    found = pd.concat(list(_shared(known, other, idnumber)), ignore_index=True).drop_duplicates()
    alone = ~found["here"].duplicated(keep=False) & ~found["there"].duplicated(keep=False)
    single = found[alone]
    return single["here"].to_numpy(dtype=np.intp), single["there"].to_numpy(dtype=np.intp)


def _shared(known: pd.DataFrame, other: pd.DataFrame, idnumber: IdnumberFrom) -> Iterator[pd.DataFrame]:
    yield _joined(known["person_id"], other["person_id"])
    extern = _joined(known["extern_id"], other["extern_id"])
    here = known["extern_source"].to_numpy()[extern["here"].to_numpy()]
    there = other["extern_source"].to_numpy()[extern["there"].to_numpy()]
    yield extern[(here == there) | (here == "") | (there == "")]
    if idnumber is IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        yield _joined(_idnumber(known), _idnumber(other))


def _idnumber(persons: pd.DataFrame) -> pd.Series:
    return persons["extern_id"].where(persons["extern_id"] != "", persons["person_id"])


def _joined(here: pd.Series, there: pd.Series) -> pd.DataFrame:
    left = pd.DataFrame({"key": here.to_numpy(), "here": np.arange(len(here))})
    right = pd.DataFrame({"key": there.to_numpy(), "there": np.arange(len(there))})
    joined = left[left["key"] != ""].merge(right[right["key"] != ""], on="key")
    return joined[["here", "there"]]


def is_somebody_else(one: dict[str, str], other: dict[str, str]) -> bool:
    """Return whether two persons with a shared id are, by their names and addresses, two people.

    So it is with another surname and another e-mail address; where one of them has no address, with another surname and
    another first name. Who took a partner's name is not somebody else.
    """
    if not _differ(f"{one['infix']} {one['lastname']}", f"{other['infix']} {other['lastname']}"):
        return False
    mine, theirs = (_addresses(person) for person in (one, other))
    if mine and theirs:
        return not mine & theirs
    return _differ(one["firstname"], other["firstname"])


def _addresses(person: dict[str, str]) -> set[str]:
    return {person[name].strip().casefold() for name in EMAIL_COLUMNS if person[name].strip()}


def _differ(one: str, other: str) -> bool:
    """Return whether both say something, and neither is said by the other too, word by word without accents."""
    mine, theirs = _words(one), _words(other)
    if not mine or not theirs or "".join(mine) == "".join(theirs):
        return False
    return not (set(mine) <= set(theirs) or set(theirs) <= set(mine))


def _words(text: str) -> list[str]:
    spelled = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return _BETWEEN_WORDS.sub(" ", bare).casefold().split()


# ---- Several sources that feed one environment ----


@dataclass(frozen=True)
class SeveralReader:
    """Several sources as one: see :func:`moodle_coupling.sources.several.source.combined`.

    ``names`` are what people call them. A changed run asks each part that can tell what changed for just that, puts it into
    what ``Wanted.known`` says of that part, and gives everyone; without it that part is read as a whole.
    """

    parts: tuple[Source, ...]
    names: tuple[str, ...]
    joining: Joining
    kind: str = "several"

    @property
    def where(self) -> Sentence:
        """Where each of them reads."""
        return Sentence("sources.where.all", parts=[part.where for part in self.parts])

    @property
    def incremental(self) -> bool:
        """Whether one of them can tell what changed."""
        return any(part.incremental for part in self.parts)

    def extract(self, wanted: Wanted) -> Extract:
        """Read all of them; nothing is given when one of them fails.

        Raises:
            SourceError: one of them cannot be read; as each of them says.

        """
        if wanted.mode is Mode.IDS:
            return self._joined(self._some(wanted))
        since = _unpacked(wanted.since)
        found = [self._read(number, part, wanted, since) for number, part in enumerate(self.parts)]
        return replace(
            self._joined(found),
            watermark=json.dumps({_key(number): each.watermark for number, each in enumerate(found)}),
            kept={_key(number): each.persons for number, each in enumerate(found) if self.parts[number].incremental},
        )

    def _read(self, number: int, part: Source, wanted: Wanted, since: dict[str, str]) -> Extract:
        key = _key(number)
        if wanted.mode is not Mode.CHANGED or not part.incremental or key not in wanted.known:
            return part.extract(Wanted(since=since.get(key, ""), keep=wanted.keep, sharing=wanted.sharing))
        found = part.extract(Wanted(Mode.CHANGED, since.get(key, ""), sharing=wanted.sharing))
        if found.complete:
            return found
        return completed(wanted.known[key], found)

    def _some(self, wanted: Wanted) -> list[Extract]:
        """Read some persons: also what a source knows of them under an id that only another source told."""
        ids = tuple(wanted.ids)
        while True:
            found = [part.extract(Wanted(Mode.IDS, ids=ids, sharing=wanted.sharing)) for part in self.parts]
            more = {str(id_) for each in found for name in ("person_id", "extern_id") for id_ in each.persons[name]}
            if more <= {"", *ids}:
                return found
            ids = tuple(sorted({*ids, *more} - {""}))

    def _joined(self, found: list[Extract]) -> Extract:
        parts = [
            Part(name, each.persons, knows_inactive="inactive" in each.headings)
            for name, each in zip(self.names, found, strict=True)
        ]
        persons = combined(parts, self.joining)
        left_out = tuple(
            replace(line, source=name) for name, each in zip(self.names, found, strict=True) for line in each.left_out
        )
        blank = sum(each.counts.blank for each in found)
        repeated = sum(each.counts.repeated for each in found)
        return Extract(
            persons,
            left_out,
            ExtractCounts(
                len(persons) + len(left_out) + blank + repeated, len(persons), len(left_out), blank, repeated
            ),
            {column: heading for each in reversed(found) for column, heading in each.headings.items()},
            {
                f"{name}: {note}": text
                for name, each in zip(self.names, found, strict=True)
                for note, text in each.notes.items()
            },
            complete=all(each.complete for each in found),
            warnings=tuple(warning for each in found for warning in each.warnings),
            brought=tuple(
                replace(part, source=name)
                for name, each in zip(self.names, found, strict=True)
                for part in each.brought
            ),
        )


def _key(number: int) -> str:
    return f"source{number}"


def _unpacked(watermark: str) -> dict[str, str]:
    try:
        found = json.loads(watermark) if watermark else {}
    except ValueError:
        return {}
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}
