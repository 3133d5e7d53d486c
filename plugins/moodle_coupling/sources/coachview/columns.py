"""Persons of Coachview in the declared columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.hooks.coachview.persons import PersonFields, fields_of_keys
from moodle_coupling.hooks.coachview.rows import TEXTS, is_free
from moodle_coupling.mapping.checks import COACHVIEW_COLUMNS
from moodle_coupling.sources.headings import Headings
from moodle_coupling.sources.records import Records, add_chunk
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from moodle_coupling.hooks.coachview.rows import CoachviewPerson
    from moodle_coupling.mapping import CoachviewSource
    from moodle_coupling.sources.contract import Extract


_KEYS: Final = {**TEXTS, "inactive": "inactief"}
"""Our column → Coachview's key, for people to read; the person id is what the connection says."""


class Columns:
    """Which of our columns come from where on a person: what Coachview brings by itself, and ``source.columns``."""

    def __init__(self, settings: CoachviewSource) -> None:
        self._said = dict(settings.columns)
        self._sources = {name.strip().casefold() for name in settings.extern_sources}
        own = [name for name in sorted(COACHVIEW_COLUMNS) if name not in self._said]
        self._keys = {name: _KEYS.get(name, name) for name in own} | self._said
        if settings.categories:
            self._keys["categories"] = "Persoonscategorieen"

    @property
    def fields(self) -> PersonFields:
        """What Coachview must be asked for."""
        keys = self._said.values()
        extra = tuple(dict.fromkeys(key for key in keys if not is_free(key)))
        return replace(fields_of_keys(keys), extra=extra)

    def extract(
        self, persons: Sequence[CoachviewPerson], categories: Mapping[str, tuple[str, ...]], notes: Mapping[str, str]
    ) -> Extract:
        """Return persons as an extract, in rows 1, 2, 3 …; ``categories`` are by Coachview's ``id``."""
        headings = Headings(
            {name: at for at, name in enumerate(self._keys)}, self._keys, tuple(dict.fromkeys(self._keys.values()))
        )
        records = Records(headings)
        if persons:
            add_chunk(records, 1, {name: list(self._values(name, persons, categories)) for name in self._keys})
        return records.extract(notes)

    def _values(
        self, name: str, persons: Iterable[CoachviewPerson], categories: Mapping[str, tuple[str, ...]]
    ) -> Iterable[Any]:
        if name == "categories":
            return ["|".join(categories.get(one.id, ())) for one in persons]
        if name == "inactive":
            return [one.inactive_unread or ("true" if one.inactive else "false") for one in persons]
        key = self._said.get(name)
        if key is None:
            found = [getattr(one, name) for one in persons]
        elif is_free(key):
            found = [one.free[key] for one in persons]
        else:
            found = [one.extra[key] for one in persons]
        if name in ("extern_id", "extern_source") and self._sources:
            return [
                value if one.extern_source.strip().casefold() in self._sources else ""
                for one, value in zip(persons, found, strict=True)
            ]
        return found

    def confidential(self, codes: Collection[str], where: Sentence) -> Sentence:
        """Say that columns name free fields that must not be read."""
        named = ", ".join(f"source.columns.{name} ({key})" for name, key in self._said.items() if key in codes)
        return Sentence("sources.coachview.confidential", where=where, named=named)

    def empty(self, persons: Collection[CoachviewPerson]) -> dict[str, Sentence]:
        """Give the named columns under whose key no person has anything, with a sentence: perhaps it is spelled otherwise."""
        return {
            name: Sentence("sources.coachview.nobody_has", column=name, key=key)
            for name, key in self._said.items()
            if persons and not any((one.free if is_free(key) else one.extra)[key] for one in persons)
        }
