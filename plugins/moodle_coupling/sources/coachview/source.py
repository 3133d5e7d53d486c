"""Persons straight from Coachview: everyone, who changed since a day, or some."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.errors import BudgetSpent, CoachviewError, CoachviewUnavailable, SourceError
from moodle_coupling.hooks.coachview.connection import CategoriesVia
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.coachview.persons import PersonFields, Resume, fields_of_keys
from moodle_coupling.hooks.coachview.rows import TEXTS, CoachviewPerson, is_free
from moodle_coupling.mapping.checks import COACHVIEW_COLUMNS
from moodle_coupling.sources.contract import Mode, seal, unseal
from moodle_coupling.sources.headings import Headings
from moodle_coupling.sources.persons import only
from moodle_coupling.sources.records import Records, add_chunk
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from moodle_coupling.hooks.coachview.persons import PersonPage
    from moodle_coupling.provisioning.snapshot.reading import Keeper
    from moodle_coupling.sources.coachview.settings import CoachviewSource
    from moodle_coupling.sources.contract import Extract, Wanted

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


log = logging.getLogger(__name__)

GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EXTERN_ID: Final = "externId"
_AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True)
class CoachviewReader:
    """The persons of one Coachview. The watermark is the day on which a reading began."""

    settings: CoachviewSource
    where: Sentence
    kind: str = "coachview"
    incremental: bool = True

    def extract(self, wanted: Wanted) -> Extract:
        """Read everyone, who changed since the watermark's day, or some.

        When the day's requests are spent, a changed read gives those that came, with a warning and the old watermark, so that
        the next run reads the others; any other read raises, and goes on where it stopped if ``wanted.keep`` is given.

        Raises:
            SourceError: the connection or ``source.columns`` asks for what must not be read.
            CoachviewError: as the hook says; the text begins with which source.

        """
        with told(self.where), CoachviewHook(self.settings.connection, sharing=wanted.sharing) as hook:
            if self.settings.categories and hook.settings.categories_via is CategoriesVia.OFF:
                raise SourceError(Sentence("sources.coachview.categories_off", where=self.where))
            return _Reading(self.settings, hook, self.where).extract(wanted)


class _Reading:
    """One reading: the hook, and what it gave so far."""

    def __init__(self, settings: CoachviewSource, hook: CoachviewHook, where: Sentence) -> None:
        self._settings = settings
        self._hook = hook
        self._where = where
        self._columns = Columns(settings)
        site = hook.settings
        self._of = hashlib.sha256(f"{site.base_url}\0{site.person_id_key.lower()}".encode()).hexdigest()[:16]

    def extract(self, wanted: Wanted) -> Extract:
        if wanted.mode is Mode.IDS:
            return self._some(wanted.ids)
        last = unseal(self._settings, wanted.since)
        if wanted.mode is not Mode.CHANGED or last.get("site") != self._of:
            return self._everyone(wanted)
        day = date.fromisoformat(last["day"])
        # A worker whose clock is a little ahead may have begun tomorrow; a reading of changes looks a day back for that.
        if day - self._hook.today() <= _AHEAD:
            return self._changed(wanted.since, day)
        said = Sentence("sources.coachview.day_ahead", where=self._where, day=str(day))
        found = self._everyone(wanted)
        return replace(found, warnings=(*found.warnings, said))

    # ---- the three ways to read --------------------------------------------------------------------------------------

    def _everyone(self, wanted: Wanted) -> Extract:
        name = "coachview-" + hashlib.sha256(seal(self._settings, {"site": self._of}).encode()).hexdigest()[:16]
        now = begun(wanted.keep, name, self._hook.today())
        # What changed since the reading began is read again: it may have been read before.
        resume = Resume(min(now.until, now.day), frozenset(now.persons)) if now.until else None
        if resume:
            log.info("%s: going on after %s; %s persons were read before.", self._where, resume.after, len(resume.ids))
        try:
            self._take(now, self._hook.persons(fields=self._columns.fields, resume=resume))
            self._add_categories(now)
        except (BudgetSpent, CoachviewUnavailable):
            put_by(wanted.keep, name, now)
            raise
        finish(wanted.keep, name)
        return replace(self._made(now, look_for_empty=True), watermark=self._watermark(now.day))

    def _changed(self, since: str, day: date) -> Extract:
        today = self._hook.today()
        now = Progress(day=today)
        try:
            self._take(now, self._hook.persons(changed=(min(day, today), today), fields=self._columns.fields))
            self._add_categories(now)
        except BudgetSpent as spent:
            # Whose categories did not come stays as the last run knew this person.
            if self._settings.categories:
                now.persons = {id_: one for id_, one in now.persons.items() if id_ in now.categories}
            if not now.persons:
                raise
            said = Sentence("sources.coachview.some_changed", n=len(now.persons), why=spent.said)
            made = self._made(now)
            return replace(made, complete=False, watermark=since, warnings=(*made.warnings, said))
        return replace(self._made(now), complete=False, watermark=self._watermark(today))

    def _some(self, ids: Iterable[str]) -> Extract:
        now = Progress(day=self._hook.today())
        wanted = [id_.strip() for id_ in ids if id_.strip()]
        key = self._hook.settings.person_id_key
        # Another text than a GUID is no 'id', and asking for it may be refused.
        keyed = [id_ for id_ in wanted if key.lower() != "id" or GUID.fullmatch(id_)]
        with self._hook.using_reserve():
            for by, some in ((key, keyed), (_EXTERN_ID, wanted)):
                if some:
                    self._take(now, self._hook.persons(ids=some, by=by, fields=self._columns.fields))
            self._add_categories(now)
        return only(self._made(now), wanted)

    # ---- parts of a reading ------------------------------------------------------------------------------------------

    def _take(self, now: Progress, pages: Iterator[PersonPage]) -> None:
        for page in pages:
            if page.confidential:
                raise SourceError(self._columns.confidential(page.confidential, self._where))
            now.persons.update((one.id, one) for one in page.persons)
            now.until = page.read_until or now.until
            for id_ in page.again:
                now.categories.pop(id_, None)

    def _add_categories(self, now: Progress) -> None:
        if self._settings.categories:
            for id_, names in self._hook.categories([id_ for id_ in now.persons if id_ not in now.categories]):
                now.categories[id_] = names

    def _made(self, now: Progress, *, look_for_empty: bool = False) -> Extract:
        persons = list(now.persons.values())
        found = self._columns.extract(
            persons, now.categories, {"persons": str(len(persons)), "day": now.day.isoformat()}
        )
        empty = self._columns.empty(persons) if look_for_empty else {}
        brought = tuple(replace(each, silent=tuple(empty), partial=not look_for_empty) for each in found.brought)
        return replace(found, warnings=(*found.warnings, *empty.values()), brought=brought)

    def _watermark(self, day: date) -> str:
        return seal(self._settings, {"day": day.isoformat(), "site": self._of})


@contextmanager
def told(where: Sentence) -> Iterator[None]:
    """Begin the text of Coachview's errors with the source."""
    try:
        yield
    except CoachviewError as error:
        error.args = (Sentence("sources.at", where=where, said=error.said),)
        raise


KEPT_FOR: Final = dt.timedelta(days=3)
"""Progress older than this counts no more: who was deleted since would be in it."""


@dataclass(slots=True)
class Progress:
    """Persons by Coachview's ``id``, in the order they came, and the categories that were read.

    ``day`` is when the reading began; ``until`` the day up to which, not included, everyone is in; None when that cannot be said.
    """

    day: dt.date
    until: dt.date | None = None
    persons: dict[str, CoachviewPerson] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)


def begun(keep: Keeper | None, name: str, today: dt.date) -> Progress:
    """Give the progress that an earlier try kept, or none yet."""
    if keep is not None and keep.has(name) and len(frame := keep.get(name)):
        day = dt.date.fromisoformat(frame["day"].iloc[0])
        if today - day <= KEPT_FOR:
            persons = {one.id: one for one in (CoachviewPerson(**json.loads(text)) for text in frame["person"])}
            categories = {
                id_: tuple(json.loads(text)) for id_, text in zip(persons, frame["categories"], strict=True) if text
            }
            return Progress(day, dt.date.fromisoformat(frame["until"].iloc[0]), persons, categories)
    return Progress(today)


def put_by(keep: Keeper | None, name: str, now: Progress) -> None:
    """Keep how far a reading came, for the next try."""
    if keep is None or now.until is None or not now.persons:
        return
    rows = [
        {
            "day": now.day.isoformat(),
            "until": now.until.isoformat(),
            "person": json.dumps(dataclasses.asdict(one)),
            "categories": json.dumps(now.categories[id_]) if id_ in now.categories else "",
        }
        for id_, one in now.persons.items()
    ]
    keep.put(name, pd.DataFrame(rows))


def finish(keep: Keeper | None, name: str) -> None:
    """Forget the progress of a reading that is whole: the same run, started anew, reads anew."""
    if keep is not None and keep.has(name):
        keep.put(name, pd.DataFrame({"day": pd.Series(dtype="str")}))
