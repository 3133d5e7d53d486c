"""Reading the cohorts and courses that matter: which there are, and who is in them."""

from __future__ import annotations

import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import pandas as pd

from moodle_coupling.contract.access import AccessCode, TargetKind
from moodle_coupling.contract.frames import ACCESS_MEMBERS, ACCESS_TARGETS
from moodle_coupling.errors import MoodleError
from moodle_coupling.hooks.moodle.access_records import COHORTS_AT_ONCE, GONE, is_of_one_target
from moodle_coupling.mapping import MissingTargets
from moodle_coupling.people.table import made
from moodle_coupling.provisioning.wire import Moodle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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

Target = tuple[str, str]
"""Kind and name."""
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


@dataclass(frozen=True)
class TargetsRead:
    """What was read: ``targets`` (ACCESS_TARGETS), ``members`` (ACCESS_MEMBERS), and the roles that courses show, by shortname.

    A role that is shown under two numbers is under 0.
    """

    targets: pd.DataFrame
    members: pd.DataFrame
    roles: dict[str, int] = field(default_factory=dict)


def read_targets(hook: AccessMoodle, wanted: Sequence[Target], access: Access) -> TargetsRead:
    """Read these cohorts and courses, and who is in them: one call for all cohorts, one per hundred for their members, and two
    and more per course, several at once.

    A target that is not there, or that the service user may not see, has a code. Raises a MoodleError, CouplingPaused.
    """  # noqa: D205
    cohorts = [name for kind, name in wanted if kind == _COHORT]
    courses = [name for kind, name in wanted if kind == _COURSE]
    rows = [*_find_cohorts(hook, cohorts, access), *_find_courses(hook, courses, access)]
    members = read_members(hook, {(row["kind"], row["target"]): row["target_id"] for row in rows if row["target_id"]})
    for row in rows:
        if row["target_id"] and (row["kind"], row["target"]) in members.closed:
            row.update(code=AccessCode.TARGET_MISSING.value)
    for row in rows:
        row["target_id"] = row["target_id"] or pd.NA
    return TargetsRead(made(ACCESS_TARGETS, rows), members.frame, members.roles)


def _row(
    kind: str, name: str, number: int, code: AccessCode | None = None, *, create: bool = False, alike: str = ""
) -> dict[str, Any]:
    said = code.value if code else ""
    return {"kind": kind, "target": name, "target_id": number, "code": said, "create": create, "alike": alike}


def _not_there(kind: str, name: str, alike: str) -> dict[str, Any]:
    """Give the row of a target that is not there; ``alike``: what is there under another name, and may be meant."""
    code = AccessCode.TARGET_ELSEWHERE if alike else AccessCode.TARGET_MISSING
    return _row(kind, name, 0, code, alike=alike)


def _folded(name: str) -> str:
    """Give a name as people read it: without letter case, spaces and the signs that stand for them."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def _find_cohorts(hook: AccessMoodle, names: Sequence[str], access: Access) -> list[dict[str, Any]]:
    if not names:
        return []
    there: dict[str, list[int]] = {}
    alike: dict[str, list[str]] = {}
    for cohort in hook.cohorts():
        there.setdefault(cohort.idnumber, []).append(cohort.id)
        for text in {_folded(cohort.idnumber), _folded(cohort.name)} - {""}:
            alike.setdefault(text, []).append(f"{cohort.name} ({cohort.idnumber or cohort.id})")
    rows = []
    for name in names:
        found = there.get(name, [])
        if len(found) == 1:
            rows.append(_row(_COHORT, name, found[0]))
        elif found:
            rows.append(_row(_COHORT, name, 0, AccessCode.TARGET_AMBIGUOUS))
        elif access.missing_targets is MissingTargets.CREATE and _folded(name) not in alike:
            rows.append(_row(_COHORT, name, 0, create=True))
        else:
            rows.append(_not_there(_COHORT, name, ", ".join(alike.get(_folded(name), []))))
    return rows


def _find_courses(hook: AccessMoodle, names: Sequence[str], access: Access) -> list[dict[str, Any]]:
    by = COURSE_FIELD[access.courses_by]
    fit = [name for name in names if by != "id" or (name.isascii() and name.isdigit() and len(name) < 19)]
    answers = at_once(hook, lambda name: hook.courses_by_field(by, [name]).get(name), fit)
    looked_up = list(zip(fit, answers, strict=True))
    # MariaDB ignores letter case here, PostgreSQL does not; the idnumber itself is not told.
    found = {name: course for name, course in looked_up if course and (by != "shortname" or course.shortname == name)}
    alike = {name: course for name, course in looked_up if course and name not in found}
    # Whoever wrote the list may have taken the one name for the other.
    other = {"idnumber": "shortname", "shortname": "idnumber"}.get(by)
    lost = [name for name, course in looked_up if course is None] if other else []
    elsewhere = at_once(hook, lambda name: hook.courses_by_field(str(other), [name]).get(name), lost)
    alike |= {name: course for name, course in zip(lost, elsewhere, strict=True) if course}
    numbers = [course.id for course in found.values()]
    rows = []
    for name in names:
        course = found.get(name)
        if course is None:
            near = alike.get(name)
            rows.append(
                _not_there(_COURSE, name, f"{near.fullname or near.shortname} ({near.shortname})" if near else "")
            )
        elif numbers.count(course.id) > 1:
            rows.append(_row(_COURSE, name, 0, AccessCode.TARGET_AMBIGUOUS))
        else:
            rows.append(_row(_COURSE, name, course.id, None if course.manual else AccessCode.NO_MANUAL_ENROLMENT))
    return rows


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
