"""Whether the enrolments of a Coachview can be read as a mapping says: the keys of their rows, and a part of this Moodle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.errors import CoachviewError, SettingError, SourceError
from moodle_coupling.hooks.coachview.check import failed
from moodle_coupling.hooks.coachview.enrolments import ENROLMENTS, PARTS, SCOPES
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.moodle.check import Finding, Level
from moodle_coupling.sources.coachview.enrolments import targets_of
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.hooks.coachview.enrolments import KeyedReading
    from moodle_coupling.mapping.access_list import AccessCoachview


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
