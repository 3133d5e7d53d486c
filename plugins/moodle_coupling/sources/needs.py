"""Which columns a coupling cannot do without, and what is said when a source no longer brings one.

A heading that was renamed must never look like a column that is empty for everyone: that would empty a field of every
account, drop the particles of every name, and let in who has left.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.columns import PERSON_COLUMNS
from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.errors import SourceError
from moodle_coupling.mapping import IdnumberFrom
from moodle_coupling.sources.headings import column_of, plain_heading
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Mapping as MappingOf

    from moodle_coupling.mapping import Mapping, SourceSettings
    from moodle_coupling.sources.contract import Extract, Source, Wanted

_ALIKE: Final = 0.8
"""How much alike (difflib's ratio of the plain headings) a heading must be to be taken for a renamed one."""
_IDENTIFYING: Final = {"person_id", "extern_id", "initials", "firstname", "infix", "lastname", "inactive"}
_NOTHING_TAKEN: Final = Sentence("sources.needs.nothing_taken")
_CURE: Final = Sentence("sources.needs.cure")
_KNOWN_AS: Final = {
    column.name: tuple(plain_heading(text) for text in (column.name, *column.headers)) for column in PERSON_COLUMNS
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One source: what it is, its name ('' where there is only one), what it brought, and what it does not have on purpose."""

    key: str
    name: str
    columns: frozenset[str]
    silent: frozenset[str]
    partial: bool
    headings: tuple[str, ...]
    used: frozenset[str]
    without: frozenset[str]

    def lacks(self, column: str) -> bool:
        return column not in self.columns and column not in self.without

    @property
    def unknown(self) -> tuple[str, ...]:
        """The headings that mean nothing to us: one of them may be a column that was renamed."""
        taken = {plain_heading(heading) for heading in self.used}
        plain = {heading: plain_heading(heading) for heading in self.headings}
        return tuple(
            heading for heading, text in plain.items() if text and column_of(heading) is None and text not in taken
        )


@dataclass(frozen=True)
class NeededColumns:
    """A source whose every extract must bring what the mapping needs."""

    source: Source
    mapping: Mapping

    @property
    def kind(self) -> str:
        """As the source itself."""
        return self.source.kind

    @property
    def where(self) -> Sentence | str:
        """As the source itself."""
        return self.source.where

    @property
    def incremental(self) -> bool:
        """As the source itself."""
        return self.source.incremental

    def extract(self, wanted: Wanted) -> Extract:
        """Read what is wanted.

        Raises:
            SourceError: as the source does, and for a needed column that is not there; names the headings that are.

        """
        found = self.source.extract(wanted)
        parts = _parts(self.mapping, found)
        alone = _left_alone(self.mapping, parts)
        absent = [_sentence(column, why, parts) for column, why in _absent(self.mapping, parts) if column not in alone]
        _refuse([*absent, *_renamed(self.mapping, parts)], parts)
        if not alone:
            return found
        keys = ", ".join(f"{named_fields(self.mapping)[column]} ({column})" for column in alone)
        warning = Sentence("sources.needs.no_column", keys=keys)
        return replace(found, left_alone=alone, warnings=(*found.warnings, warning))


def needed(mapping: Mapping) -> dict[str, Sentence | str]:
    """Give the columns that a mapping names or cannot do without: column → where the mapping asks for it."""
    found: dict[str, Sentence | str] = {
        "firstname": Sentence("sources.needs.first_name"),
        "lastname": Sentence("sources.needs.last_name"),
    }
    if mapping.idnumber is not IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        found[str(mapping.idnumber)] = "idnumber"
    found |= dict.fromkeys(RECIPES[mapping.username.recipe].columns, "username.recipe")
    if "inactive" in mapping.scope.model_fields_set and not mapping.scope.inactive:
        found["inactive"] = "scope.inactive"
    conditions = {one.column: f"scope.include[{place}]" for place, one in enumerate(mapping.scope.include)}
    return found | named_fields(mapping) | conditions | access_columns(mapping)


def access_columns(mapping: Mapping) -> dict[str, str]:
    """Give the columns that rules of access name: column → the key that does."""
    found: dict[str, str] = {}
    for place, rule in enumerate(mapping.access.rules if mapping.access else ()):
        here = f"access.rules[{place}]"
        if rule.targets.column is not None:
            found[rule.targets.column] = f"{here}.{rule.kind}"
        found |= dict.fromkeys(rule.window.values(), f"{here}.window")
        found |= {one.column: f"{here}.when[{at}]" for at, one in enumerate(rule.when)}
    return found


def named_fields(mapping: Mapping) -> dict[str, str]:
    """Give the columns that fields and profile fields name: column → the key that does."""
    found: dict[str, str] = {}
    for section, values in (("fields", mapping.fields), ("profile_fields", mapping.profile_fields)):
        found |= {one.column: f"{section}.{name}" for name, one in values.items() if one.column is not None}
    return found


def used_where_there(mapping: Mapping) -> dict[str, Sentence | str]:
    """Give the columns that a source need not have, but that change what is written when it has them."""
    found: dict[str, Sentence | str] = {"infix": Sentence("sources.needs.infix")}
    if not mapping.scope.inactive:
        found["inactive"] = Sentence("sources.needs.inactive")
    found |= dict.fromkeys(mapping.email, "email")
    if mapping.idnumber is IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID:
        found |= {"extern_id": "idnumber", "person_id": "idnumber"}
    return found


def lost_columns(mapping: Mapping, found: Extract, before: MappingOf[str, Sequence[str]]) -> None:
    """Refuse an extract without a column that is used and that the last good run had.

    ``before`` is what :func:`brought_columns` gave then. Where nothing used a column, or the mapping has another source
    since, it is not missed.

    Raises:
        SourceError: names the columns, and the headings that there are.

    """
    uses = {**used_where_there(mapping), **needed(mapping)}
    parts = _parts(mapping, found)
    lost = [
        _sentence(column, Sentence("sources.needs.had_it", why=uses[column]), [part])
        for part in parts
        for column in before.get(part.key, ())
        if column in uses and column not in part.without and column not in part.columns - part.silent
    ]
    _refuse(lost, parts)


def brought_columns(
    mapping: Mapping, found: Extract, before: MappingOf[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Give the columns that each source brought, for the next run to miss; of one that told only what changed those of before."""
    return {
        part.key: before.get(part.key, ()) if part.partial else sorted(part.columns - part.silent)
        for part in _parts(mapping, found)
    }


def _key(settings: SourceSettings) -> str:
    """Tell one source from another: not by its name, which people change."""
    said = settings.model_dump(mode="json", include={"type", "path", "connection", "table", "query"})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _parts(mapping: Mapping, found: Extract) -> list[_Part]:
    return [
        _Part(
            key=_key(settings),
            name=one.source,
            columns=frozenset(one.columns),
            silent=frozenset(one.silent),
            partial=one.partial,
            headings=one.headings,
            used=frozenset(one.used),
            without=frozenset(settings.without),
        )
        for one, settings in zip(found.brought, mapping.sources, strict=True)
    ]


def _absent(mapping: Mapping, parts: Sequence[_Part]) -> Iterator[tuple[str, Sentence | str]]:
    """Give the needed columns that no source brings, each with why."""
    for column, why in needed(mapping).items():
        if all(part.lacks(column) for part in parts):
            yield column, why
    if all(part.lacks(column) for part in parts for column in mapping.email):
        yield mapping.email[0], "email"


def _left_alone(mapping: Mapping, parts: Sequence[_Part]) -> tuple[str, ...]:
    """Give the columns of fields that are not there and that no heading can stand for, so that none was renamed.

    Who belongs, who somebody is, what the account is called and who gets access never hang on such a column.
    """
    if any(part.unknown for part in parts):
        return ()
    judged = {one.column for one in mapping.scope.include} | access_columns(mapping).keys()
    only_fields = named_fields(mapping).keys() - judged - _IDENTIFYING
    return tuple(column for column, _ in _absent(mapping, parts) if column in only_fields)


def _renamed(mapping: Mapping, parts: Sequence[_Part]) -> Iterator[Sentence]:
    """Give the columns that one source lacks while a heading looks like it: whether that is it must be said."""
    optional = {name: why for name, why in used_where_there(mapping).items() if name in ("infix", "inactive")}
    must = needed(mapping)
    for part in parts:
        for column, why in optional.items():
            if part.lacks(column) and column not in must and _likeliest(column, part.unknown, _ALIKE):
                yield _sentence(column, why, [part])


def _sentence(column: str, why: Sentence | str, parts: Sequence[_Part]) -> Sentence:
    likely = next((heading for part in parts if (heading := _likeliest(column, part.unknown, 0.6))), "")
    hint = Sentence("sources.needs.likely", heading=likely, column=column) if likely else ""
    if len(parts) == 1 and parts[0].name:
        return Sentence("sources.needs.lost_of", column=column, source=parts[0].name, why=why, hint=hint)
    return Sentence("sources.needs.lost", column=column, why=why, hint=hint)


def _likeliest(column: str, headings: Sequence[str], least: float) -> str:
    """Give the heading without a meaning that looks most like one of a column's, '' when none is ``least`` alike."""
    scores = {
        heading: max(
            _likeness(known, plain_heading(heading)) for known in _KNOWN_AS.get(column, (plain_heading(column),))
        )
        for heading in headings
    }
    best = max(scores, key=lambda heading: scores[heading], default="")
    return best if best and scores[best] >= least else ""


def _likeness(known: str, heading: str) -> float:
    if len(known) > 4 and heading.startswith(known):
        return 0.95
    return difflib.SequenceMatcher(None, known, heading).ratio()


def _refuse(sentences: Sequence[Sentence], parts: Sequence[_Part]) -> None:
    if not sentences:
        return
    there = [_headings(part) for part in parts]
    raise SourceError(Sentence("sources.needs.refused", lines=[_NOTHING_TAKEN, *sentences, *there, _CURE]))


def _headings(part: _Part) -> Sentence:
    there = ", ".join(map(repr, part.headings))
    if part.name:
        return Sentence("sources.needs.headings_of", source=part.name, there=there)
    return Sentence("sources.needs.headings", there=there)
