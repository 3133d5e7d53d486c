"""Reading the cohorts and courses that matter: which there are, and who is in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import pandas as pd

from moodle_coupling.access.questions import Alike, Question, Target, by_number, number_in
from moodle_coupling.contract.columns import AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_MEMBERS, ACCESS_TARGETS
from moodle_coupling.errors import MoodleError
from moodle_coupling.hooks.moodle.access_records import COHORTS_AT_ONCE, GONE, is_of_one_target
from moodle_coupling.mapping import MissingTargets
from moodle_coupling.people.table import made
from moodle_coupling.provisioning.wire import Moodle
from moodle_coupling.words.meanings import CALLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.hooks.moodle.access_records import (
        Cohort,
        Course,
        Enrolment,
        MemberResult,
        Membership,
        MembersRead,
        NewCohort,
        Participant,
        Unenrolment,
    )
    from moodle_coupling.mapping import Access

Item = TypeVar("Item")
Given = TypeVar("Given")
_COHORT, _COURSE = TargetKind.COHORT.value, TargetKind.COURSE.value
COURSE_FIELD: Final = {"idnumber": "idnumber", "shortname": "shortname", "number": "id"}
"""By ``access.courses_by`` the field that Moodle looks courses up by."""


class AccessMoodle(Moodle, Protocol):
    """The part of MoodleHook that access uses; each method raises what errors.py says, after its own retries."""

    def cohorts(self, ids: Iterable[int] = ()) -> Sequence[Cohort]:
        """Give all cohorts of the site."""

    def create_cohorts(self, cohorts: Sequence[NewCohort]) -> Sequence[Cohort]:
        """Make cohorts, all or none, and give them in the order sent."""

    def cohort_members(self, cohort_ids: Iterable[int]) -> MembersRead:
        """Give the accounts in each cohort."""

    def courses_by_field(self, field: str, values: Iterable[str | int]) -> dict[str, Course]:
        """Look courses up, one a call."""

    def participants(self, course_id: int) -> Sequence[Participant]:
        """Give everyone enrolled in a course."""

    def add_cohort_members(self, rows: Sequence[Membership]) -> Sequence[MemberResult]:
        """Add members, each on its own."""

    def delete_cohort_members(self, rows: Sequence[Membership]) -> None:
        """Take members out, all or none."""

    def enrol_users(self, enrolments: Sequence[Enrolment]) -> None:
        """Enrol by hand, all or none; what is there is overwritten."""

    def unenrol_users(self, rows: Sequence[Unenrolment]) -> None:
        """End manual enrolments, all or none."""


Decide = Callable[[Sequence[Question]], Mapping[Target, int]]
"""Gives what somebody decided that names stand for, by Moodle's number; a name that is not in it stands for nothing."""


@dataclass(frozen=True)
class TargetsRead:
    """What was read: ``targets`` (ACCESS_TARGETS), ``members`` (ACCESS_MEMBERS), and the roles that courses show, by shortname.

    A role that is shown under two numbers is under 0. Each cohort and course is in them once: ``names`` gives what it is kept as for
    those that are named otherwise, ``kept`` its number. ``questions`` are the names that Moodle does not have, but something alike.
    """

    targets: pd.DataFrame
    members: pd.DataFrame
    roles: dict[str, int] = field(default_factory=dict)
    names: dict[Target, str] = field(default_factory=dict)
    kept: dict[Target, int] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()


def read_targets(
    hook: AccessMoodle,
    wanted: Iterable[Target],
    access: Access,
    *,
    kept: Mapping[Target, int] | None = None,
    stood: Mapping[Target, int] | None = None,
    decide: Decide | None = None,
) -> TargetsRead:
    """Read these cohorts and courses, and who is in them: one call for all cohorts, one per hundred for their members, and two
    and more per course, several at once.

    ``kept`` are others, with their numbers, in which something was given; nothing is asked of their names. ``stood``: the
    numbers that names stood for by a decision, which may be meant however they are called now. ``decide`` is asked once of all names
    that are not there and have something alike. A target that is not there, or that the service user may not see,
    has a code. Raises a MoodleError, CouplingPaused.
    """  # noqa: D205
    finder = _Finder(hook, access, stood or {})
    found = finder.find(wanted)
    questions = tuple(one.question for one in found if one.question is not None)
    meant = decide(questions) if decide is not None and questions else {}
    found = [_stands_for(one, meant) for one in found]
    known = {(one.kind, one.number) for one in found if one.indirect}
    more = {target: number for target, number in (kept or {}).items() if (target[0], number) not in known}
    united = _united([*found, *finder.find_kept(more)])
    numbers = {one.target: one.number for one in united.found if one.number}
    members = read_members(hook, numbers)
    rows = [one.row(closed=one.target in members.closed) for one in united.found]
    targets = made(ACCESS_TARGETS, rows)
    return TargetsRead(targets, members.frame, members.roles, united.names, united.kept, questions)


@dataclass(frozen=True)
class _Found:
    """What was found of one name: the ``number`` (0: nothing), a ``code`` where nothing can be written, and what may be meant.

    ``exact``: the name by which just this one is found; ``called``: what else it is called. ``indirect``: it was not found by its name, but by a decision or its number.
    """

    kind: str
    name: str
    number: int = 0
    code: str = ""
    exact: str = ""
    called: str = ""
    create: bool = False
    alike: tuple[Alike, ...] = ()
    by: str = ""
    indirect: bool = False

    @property
    def target(self) -> Target:
        return self.kind, self.name

    @property
    def question(self) -> Question | None:
        return Question(self.kind, self.name, self.by, self.alike) if self.alike and not self.number else None

    def row(self, *, closed: bool) -> dict[str, Any]:
        """Give the row of ACCESS_TARGETS; ``closed``: the service user may not look into it, or it is gone."""
        code = AccessCode.TARGET_MISSING.value if closed else self.code
        alike = "" if self.number else ", ".join(one.text for one in self.alike)
        number = self.number or pd.NA
        return {
            "kind": self.kind,
            "target": self.name,
            "target_id": number,
            "code": code,
            "create": self.create,
            "alike": alike,
        }


@dataclass(frozen=True)
class _United:
    """Targets of which each is there once; ``names`` and ``kept`` as in TargetsRead."""

    found: list[_Found]
    names: dict[Target, str]
    kept: dict[Target, int]


def _stands_for(one: _Found, meant: Mapping[Target, int]) -> _Found:
    """Give what somebody decided that a name stands for, where that is among what is alike."""
    number = meant.get(one.target)
    chosen = next((each for each in one.alike if each.number == number), None)
    if chosen is None:
        return one
    return replace(
        one, number=chosen.number, code=chosen.code, exact=chosen.exact, called=chosen.values[CALLED], indirect=True
    )


def _united(found: Sequence[_Found]) -> _United:
    """Keep each target once that a decision, or a number, made known under several names: people there are the people of all of them.

    It is kept under its own name in Moodle, where that is known, and else under its number.
    """
    groups: dict[tuple[str, int], list[_Found]] = {}
    for one in found:
        if one.number:
            groups.setdefault((one.kind, one.number), []).append(one)
    names: dict[Target, str] = {}
    kept: dict[Target, int] = {}
    for (kind, number), several in groups.items():
        if any(one.indirect for one in several):
            direct = [one.name for one in several if not one.indirect]
            name = direct[0] if direct else several[0].exact or by_number(number, several[0].called)
            names |= {one.target: name for one in several}
            kept[kind, name] = number
    once = {(one.kind, names.get(one.target, one.name)): one for one in reversed(found)}
    every = [replace(one, name=name) for (_, name), one in reversed(once.items())]
    return _United(every, {target: name for target, name in names.items() if target[1] != name}, kept)


class _Finder:
    """Finds cohorts and courses by name; all cohorts are asked for once."""

    def __init__(self, hook: AccessMoodle, access: Access, stood: Mapping[Target, int]) -> None:
        self._hook, self._access, self._stood = hook, access, stood
        self._by = COURSE_FIELD[access.courses_by]

    def find(self, targets: Iterable[Target]) -> list[_Found]:
        """Give what there is of each target; raises a MoodleError, CouplingPaused."""
        every = list(targets)
        cohorts = [name for kind, name in every if kind == _COHORT]
        courses = [name for kind, name in every if kind == _COURSE]
        return [*map(self._cohort, cohorts), *self._courses(courses)]

    def find_kept(self, targets: Mapping[Target, int]) -> list[_Found]:
        """Give what there is of targets with their numbers, some of which are kept under it; raises a MoodleError, CouplingPaused."""
        numbered = [target for target, number in targets.items() if number_in(target[1]) == number]
        found = [self._numbered_cohort(name, targets[kind, name]) for kind, name in numbered if kind == _COHORT]
        courses = [name for kind, name in numbered if kind == _COURSE]
        answers = at_once(self._hook, lambda name: self._look_up("id", str(targets[_COURSE, name])), courses)
        found += [self._numbered_course(name, course) for name, course in zip(courses, answers, strict=True)]
        return [*self.find(target for target in targets if target not in numbered), *found]

    # ---- cohorts -----------------------------------------------------------------------------------------------------

    @cached_property
    def _every_cohort(self) -> Sequence[Cohort]:
        return self._hook.cohorts()

    @cached_property
    def _there(self) -> dict[str, list[Cohort]]:
        there: dict[str, list[Cohort]] = {}
        for cohort in self._every_cohort:
            there.setdefault(cohort.idnumber, []).append(cohort)
        return there

    @cached_property
    def _folded(self) -> dict[str, list[Alike]]:
        alike: dict[str, list[Alike]] = {}
        for cohort in self._every_cohort:
            one = self._alike_cohort(cohort)
            for text in {_folded(cohort.idnumber), _folded(cohort.name)} - {""}:
                alike.setdefault(text, []).append(one)
        return alike

    def _cohort(self, name: str) -> _Found:
        found = self._there.get(name, [])
        if len(found) == 1:
            return _Found(_COHORT, name, found[0].id, exact=name)
        if found:
            return _Found(_COHORT, name, code=AccessCode.TARGET_AMBIGUOUS.value)
        alike = tuple(self._folded.get(_folded(name), []))
        stood = self._stood.get((_COHORT, name))
        if stood not in {None, *(one.number for one in alike)}:
            alike += tuple(self._alike_cohort(cohort) for cohort in self._every_cohort if cohort.id == stood)
        if self._access.missing_targets is MissingTargets.CREATE and not alike:
            return _Found(_COHORT, name, create=True)
        return _not_there(_COHORT, name, "idnumber", alike)

    def _numbered_cohort(self, name: str, number: int) -> _Found:
        cohort = next((one for one in self._every_cohort if one.id == number), None)
        if cohort is None:
            return _not_there(_COHORT, name, "idnumber", ())
        return _Found(_COHORT, name, cohort.id, exact=self._exact(cohort), called=cohort.name, indirect=True)

    def _alike_cohort(self, cohort: Cohort) -> Alike:
        return Alike(cohort.id, {"idnumber": cohort.idnumber, CALLED: cohort.name}, self._exact(cohort))

    def _exact(self, cohort: Cohort) -> str:
        return cohort.idnumber if len(self._there[cohort.idnumber]) == 1 else ""

    # ---- courses -----------------------------------------------------------------------------------------------------

    def _courses(self, names: Sequence[str]) -> list[_Found]:
        by = self._by
        fit = [name for name in names if by != "id" or (name.isascii() and name.isdigit() and len(name) < 19)]
        looked_up = dict(zip(fit, at_once(self._hook, lambda name: self._look_up(by, name), fit), strict=True))
        # MariaDB ignores letter case here, PostgreSQL does not; the idnumber itself is not told.
        found = {
            n: course for n, course in looked_up.items() if course and (by != "shortname" or course.shortname == n)
        }
        alike = {name: [course] for name, course in looked_up.items() if course and name not in found}
        numbers = [course.id for course in found.values()]
        # Whoever wrote the list may have taken the one name for the other.
        other = {"idnumber": "shortname", "shortname": "idnumber"}.get(by)
        lost = [name for name, course in looked_up.items() if course is None] if other else []
        elsewhere = at_once(self._hook, lambda name: self._look_up(str(other), name), lost)
        alike |= {name: [course] for name, course in zip(lost, elsewhere, strict=True) if course}
        stood = {name: self._stood.get((_COURSE, name)) for name in names if name not in found}
        renamed = [n for n, number in stood.items() if number not in {None, *(near.id for near in alike.get(n, ()))}]
        others = at_once(self._hook, lambda name: self._look_up("id", str(stood[name])), renamed)
        for name, course in zip(renamed, others, strict=True):
            alike[name] = [*alike.get(name, ()), *([course] if course else ())]
        return [self._course(name, found.get(name), alike.get(name, []), numbers) for name in names]

    def _look_up(self, field_: str, name: str) -> Course | None:
        return self._hook.courses_by_field(field_, [name]).get(name)

    def _course(self, name: str, course: Course | None, near: Sequence[Course], numbers: Sequence[int]) -> _Found:
        if course is None:
            return _not_there(_COURSE, name, self._by, tuple(self._alike_course(one) for one in near))
        if numbers.count(course.id) > 1:
            return _Found(_COURSE, name, code=AccessCode.TARGET_AMBIGUOUS.value)
        return _Found(_COURSE, name, course.id, _closed(course), exact=name)

    def _alike_course(self, course: Course) -> Alike:
        values = {"shortname": course.shortname, CALLED: course.fullname}
        return Alike(course.id, values, self._exact_course(course), _closed(course))

    def _numbered_course(self, name: str, course: Course | None) -> _Found:
        if course is None:
            return _not_there(_COURSE, name, self._by, ())
        exact, called = self._exact_course(course), course.fullname
        return _Found(_COURSE, name, course.id, _closed(course), exact=exact, called=called, indirect=True)

    def _exact_course(self, course: Course) -> str:
        """Give the name by which just this course is found, '' where Moodle does not tell it."""
        return {"shortname": course.shortname, "id": str(course.id)}.get(self._by, "")


def _closed(course: Course) -> str:
    return "" if course.manual else AccessCode.NO_MANUAL_ENROLMENT.value


def _not_there(kind: str, name: str, by: str, alike: tuple[Alike, ...]) -> _Found:
    """Give what there is of a target that is not there; ``alike``: what is there under another name, and may be meant."""
    code = AccessCode.TARGET_ELSEWHERE if alike else AccessCode.TARGET_MISSING
    return _Found(kind, name, code=code.value, alike=alike, by=by)


def _folded(name: str) -> str:
    """Give a name as people read it: without letter case, spaces and the signs that stand for them."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


@dataclass(frozen=True)
class MembersOf:
    """Who is in some targets; ``closed`` are those that the service user may not look into, or that are gone."""

    frame: pd.DataFrame
    roles: dict[str, int]
    closed: frozenset[Target]


def read_members(hook: AccessMoodle, numbers: dict[Target, int], *, alone: bool = False) -> MembersOf:
    """Read who is in these targets (kind and name → Moodle's number), several at once or (``alone``) one after another.

    Raises a MoodleError, CouplingPaused.
    """
    each = at_once if not alone else _one_by_one
    cohorts = {name: number for (kind, name), number in numbers.items() if kind == _COHORT}
    courses = {name: number for (kind, name), number in numbers.items() if kind == _COURSE}
    rows: list[tuple[str, str, int]] = []
    closed: set[Target] = set()
    ids = list(dict.fromkeys(cohorts.values()))
    parts = [ids[start : start + COHORTS_AT_ONCE] for start in range(0, len(ids), COHORTS_AT_ONCE)]
    in_cohort: dict[int, frozenset[int]] = {}
    for read in each(hook, hook.cohort_members, parts):
        in_cohort.update(read.members)
    for name, number in cohorts.items():
        if number not in in_cohort:
            closed.add((_COHORT, name))
        rows += [(_COHORT, name, account) for account in sorted(in_cohort.get(number, ()))]
    roles: dict[str, int] = {}
    for name, people in zip(
        courses, each(hook, lambda number: _participants(hook, number), courses.values()), strict=True
    ):
        if people is None:
            closed.add((_COURSE, name))
            continue
        rows += [(_COURSE, name, person.account_id) for person in people]
        for role in {role for person in people for role in person.roles}:
            roles[role.shortname] = role.id if roles.get(role.shortname, role.id) == role.id else 0
    listed = ({"kind": kind, "target": name, "account_id": account} for kind, name, account in rows)
    return MembersOf(made(ACCESS_MEMBERS, listed), roles, frozenset(closed))


def _participants(hook: AccessMoodle, course: int) -> Sequence[Participant] | None:
    """Give who is in a course, None where the service user may not look into it."""
    try:
        return hook.participants(course)
    except MoodleError as error:
        if is_of_one_target(error) or error.errorcode in GONE:
            return None
        raise


def _one_by_one(hook: AccessMoodle, call: Callable[[Item], Given], items: Iterable[Item]) -> list[Given]:  # noqa: ARG001
    """Give what the calls give, in the place for a request that the caller has already."""
    return [call(item) for item in items]


def at_once(hook: AccessMoodle, call: Callable[[Item], Given], items: Iterable[Item]) -> list[Given]:
    """Give what the calls give, in order, as many at the same moment as the connection allows; the first error ends it."""
    pool = ThreadPoolExecutor(max_workers=hook.settings.parallel_requests, thread_name_prefix="moodle")
    try:
        return list(pool.map(call, items))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
