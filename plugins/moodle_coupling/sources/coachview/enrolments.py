"""Coachview's enrolments as a list of access: who is enrolled in a training that has an e-learning part of this Moodle."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CoachviewError, CoachviewRefused, SettingError, SourceError
from moodle_coupling.hooks.coachview.check import failed
from moodle_coupling.hooks.coachview.enrolments import ENROLMENTS, PARTS, SCOPES, Row
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.moodle.check import Finding, Level
from moodle_coupling.mapping.access import LIST_COLUMNS, LIST_PERSON
from moodle_coupling.sources.coachview.source import GUID, told
from moodle_coupling.sources.contract import LeftOut, Mode
from moodle_coupling.sources.headings import Headings
from moodle_coupling.sources.records import Records, add_chunk
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.hooks.coachview.enrolments import KeyedReading
    from moodle_coupling.sources.coachview.settings import AccessCoachview
    from moodle_coupling.sources.contract import Extract, Wanted

_BOUNDS: Final = ("from", "until")
_WHOLE_DAY: Final = "T00:00:00"
"""Coachview writes a day as its midnight; as the end of a window the day counts whole."""


@dataclass(frozen=True)
class EnrolmentReader:
    """The enrolments of one Coachview, all of them each time: a list of access is whole."""

    settings: AccessCoachview
    where: Sentence
    kind: str = "coachview"
    incremental: bool = False

    def extract(self, wanted: Wanted) -> Extract:
        """Read the e-learning parts of this Moodle, and who is enrolled in their trainings: everyone, or (mode ids) some persons.

        What a person asks of one by hand may use the reserve of the day's requests.

        Raises:
            SourceError: no part is of this Moodle, or parts of several are and the mapping names none.
            CoachviewError: as the hook says, and where no row has a key that the mapping names; the text begins with which source.

        """
        settings = self.settings
        with (
            told(self.where),
            CoachviewHook(settings.connection, sharing=wanted.sharing, scopes=SCOPES) as hook,
            hook.using_reserve() if wanted.mode is Mode.IDS else nullcontext(),
        ):
            reading = hook.reading_by(PARTS, settings.part_keys)
            with _explained(hook, reading):
                parts = list(hook.elearning_parts(reading, settings.elearning_form))
            targets = targets_of(parts, settings, self.where)
            reading = hook.reading_by(ENROLMENTS, settings.columns)
            with _explained(hook, reading):
                by, values = "training", list(targets.of)
                if wanted.mode is Mode.IDS:
                    by, values = _person(wanted.ids, settings)
                enrolled = list(hook.enrolments(reading, by, values))
                if not enrolled:
                    # Nobody, or a key that is called otherwise: then nobody would be found either.
                    reading.look_at(hook.sample(ENROLMENTS, settings.columns).rows)
        return listed(enrolled, targets, settings)


def _person(ids: Sequence[str], settings: AccessCoachview) -> tuple[str, list[str]]:
    """Give by which of our names a person is asked for, and the ids: a key that holds GUIDs is perhaps asked for nothing else."""
    by = next(name for name in LIST_PERSON if name in settings.columns)
    return by, [id_ for id_ in ids if GUID.fullmatch(id_)] or list(ids) if by == "person_id" else list(ids)


@contextmanager
def _explained(hook: CoachviewHook, reading: KeyedReading) -> Iterator[None]:
    """Make sure that the rows have the keys; a refusal is perhaps of a filter on one that is called otherwise."""
    try:
        yield
    except CoachviewRefused:
        looking = hook.reading_by(reading.endpoint, reading.keys)
        looking.look_at(hook.sample(reading.endpoint, reading.keys).rows)
        looking.prove()
        raise
    reading.prove()


@dataclass(frozen=True)
class Target:
    """A cohort or course that a training gives, and when, as far as its part says."""

    name: str
    window: Mapping[str, str]


@dataclass(frozen=True)
class Targets:
    """What each training of this Moodle gives, by the training's key; ``left_out``: parts without a code."""

    of: Mapping[str, Sequence[Target]]
    left_out: tuple[LeftOut, ...] = ()


def targets_of(parts: Iterable[Row], settings: AccessCoachview, where: Sentence) -> Targets:
    """Say what each training gives, by its e-learning parts.

    Raises SourceError where none of them is of the mapping's e-learning environment, or where it names none and there are several.
    """
    parts = list(parts)
    chosen = settings.elearning_environment.strip().lower()
    seen = sorted({one["environment"].strip() for one in parts if one["environment"].strip()}, key=str.lower)
    if not chosen and len(seen) > 1:
        raise SourceError(Sentence("sources.enrolments.environments", where=where, seen=seen))
    mine = [one for one in parts if not chosen or one["environment"].strip().lower() == chosen]
    if not mine:
        said = Sentence("sources.enrolments.none_seen") if not seen else Sentence("sources.enrolments.seen", seen=seen)
        raise SourceError(
            Sentence(
                "sources.enrolments.no_part",
                where=where,
                form=settings.elearning_form,
                environment=settings.elearning_environment,
                seen=said,
            )
        )
    of: dict[str, dict[str, Target]] = {}
    left_out = []
    for one in mine:
        training, code = one["training"].strip(), one["code"].strip()
        if not training or not code:
            left_out.append(_incomplete(one, "training" if code else "code", settings))
            continue
        name = settings.translated(code)
        if name:
            of.setdefault(training, {})[name] = Target(name, {bound: _day(one[bound]) for bound in _BOUNDS})
    return Targets({training: tuple(some.values()) for training, some in of.items()}, tuple(left_out))


def _incomplete(row: Row, name: str, settings: AccessCoachview) -> LeftOut:
    of = row["training"].strip() or row["code"].strip()
    said = Sentence("sources.enrolments.incomplete", what=PARTS, of=of, key=settings.part_keys[name])
    return LeftOut(row.number, "incomplete", said)


def listed(enrolled: Iterable[Row], targets: Targets, settings: AccessCoachview) -> Extract:
    """Give a list of access (the columns of LIST_COLUMNS): a row per enrolment and target of its training.

    An enrolment without a person is nobody's, and only counted. A part without a code is left out: then the list is not whole, and
    nothing is taken back.
    """
    by_training = {training.lower(): some for training, some in targets.of.items()}
    persons = [name for name in LIST_PERSON if name in settings.columns]
    columns: dict[str, list[str]] = {name: [] for name in LIST_COLUMNS if name not in _OTHER[settings.gives]}
    nobody = 0
    for one in enrolled:
        if not any(one[name].strip() for name in persons):
            nobody += 1
            continue
        for target in by_training.get(one["training"].strip().lower(), ()):
            for name, values in columns.items():
                values.append(_value(one, name, target, settings))
    records = Records(_headings(list(columns), settings))
    records.left_out.extend(targets.left_out)
    if columns["state"]:
        add_chunk(records, 1, columns)
    made = records.extract({"enrolments": str(len(columns["state"]))})
    said = (Sentence("sources.enrolments.nobody", n=nobody),) if nobody else ()
    warnings = (*made.warnings, *said, *(each.said for each in targets.left_out))
    return replace(made, warnings=warnings)


_OTHER: Final = {"course": ("cohort",), "cohort": ("course",)}


def _value(one: Row, name: str, target: Target, settings: AccessCoachview) -> str:
    if name == settings.gives:
        return target.name
    if name in _BOUNDS:
        return _day(one[name]) or target.window[name]
    return one[name]


def _day(text: str) -> str:
    return text.strip().removesuffix(_WHOLE_DAY)


def _headings(names: list[str], settings: AccessCoachview) -> Headings:
    keys = {name: settings.columns.get(name, name) for name in names}
    return Headings({name: at for at, name in enumerate(names)}, keys, tuple(dict.fromkeys(keys.values())))


def check_enrolments(settings: AccessCoachview, sharing: Sharing | None) -> list[Finding]:
    """Find out what a run would read, in about three requests, which may use the budget's reserve.

    No finding holds a value of a person. Whatever Coachview answers becomes a finding.
    """
    found: list[Finding] = []
    try:
        with CoachviewHook(settings.connection, sharing=sharing, scopes=SCOPES) as hook, hook.using_reserve():
            found.extend(_parts(hook, settings))
            found.extend(_enrolments(hook, settings))
    except SettingError as error:
        return [Finding(Level.ERROR, "connection", error.said)]
    return found


def _parts(hook: CoachviewHook, settings: AccessCoachview) -> Iterator[Finding]:
    try:
        sample = hook.reading_by(PARTS, settings.part_keys)
        sample.look_at(hook.sample(PARTS, settings.part_keys).rows)
        reading = hook.reading_by(PARTS, settings.part_keys)
        # A filter on a key that no row has would find nothing, and say nothing.
        usable = "form" not in sample.missing()
        rows = list(hook.elearning_parts(reading, settings.elearning_form)) if usable else []
        yield from _keys(reading if rows else sample, settings.part_keys, "part_columns")
        if rows:
            targets = targets_of(rows, settings, settings.where(None))
            said = Sentence("coachview.check.parts", what=PARTS, n=len(rows), mine=len(targets.of))
            yield Finding(Level.OK, "elearning_parts", said)
            yield from (Finding(Level.WARNING, "elearning_part", each.said) for each in targets.left_out)
        elif usable:
            said = Sentence("coachview.check.no_parts", what=PARTS, form=settings.elearning_form)
            yield Finding(Level.ERROR, "elearning_parts", said, Sentence("coachview.check.no_parts.mend"))
    except CoachviewError as error:
        yield failed(error)
    except SourceError as error:
        yield Finding(Level.ERROR, "elearning_environment", error.said)


def _enrolments(hook: CoachviewHook, settings: AccessCoachview) -> Iterator[Finding]:
    try:
        reading = hook.reading_by(ENROLMENTS, settings.columns)
        listing = hook.sample(ENROLMENTS, settings.columns)
        reading.look_at(listing.rows)
        if not listing.rows:
            yield Finding(Level.WARNING, "enrolments", Sentence("coachview.check.no_enrolments", what=ENROLMENTS))
            return
        yield from _keys(reading, settings.columns, "columns")
    except CoachviewError as error:
        yield failed(error)


def _keys(reading: KeyedReading, keys: Mapping[str, str], where: str) -> Iterator[Finding]:
    """Say which keys the rows have, and which not, with the names that they do have."""
    missing = reading.missing()
    if reading.free.confidential:
        said = Sentence(
            "coachview.enrolments.confidential", what=reading.endpoint, codes=sorted(reading.free.confidential)
        )
        yield Finding(Level.ERROR, "enrolment_keys", said, Sentence("coachview.check.keys_wrong.mend", where=where))
    elif missing:
        mend = Sentence("coachview.check.keys_wrong.mend", where=where)
        yield Finding(Level.ERROR, "enrolment_keys", reading.said(missing), mend)
    elif reading.rows:
        named = ", ".join(keys.values())
        said = Sentence("coachview.check.keys_right", what=reading.endpoint, n=reading.rows, keys=named)
        yield Finding(Level.OK, "enrolment_keys", said)
