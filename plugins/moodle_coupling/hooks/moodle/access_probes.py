"""What a mapping that gives access to cohorts and courses needs of its Moodle, and whether it is there; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from moodle_coupling.errors import MoodleAccessDenied, MoodleRefused
from moodle_coupling.hooks.moodle.access_records import (
    ADD_COHORT_MEMBERS,
    CREATE_COHORTS,
    DELETE_COHORT_MEMBERS,
    ENROL_USERS,
    GET_COHORT_MEMBERS,
    GET_COHORTS,
    GET_COURSES_BY_FIELD,
    GET_ENROLLED_USERS,
    UNENROL_USERS,
    Enrolment,
    Membership,
    NewCohort,
    Unenrolment,
    cohort_to_make,
    enrolment_to_write,
    member_to_delete,
    unenrolment_to_write,
)
from moodle_coupling.hooks.moodle.answers import without_function
from moodle_coupling.hooks.moodle.probes import Site
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from moodle_coupling.errors import MoodleError
    from moodle_coupling.hooks.moodle.access_records import Cohort, Course, MembersRead

NOBODY: Final = 2_000_000_000
"""An account id far beyond any site's."""
_TRIED: Final = 5
"""Cohorts, and courses, that rights are tried on; one role in the system context counts for all of them."""


@dataclass(frozen=True, slots=True)
class AccessWants:
    """What of cohorts and courses a mapping asks for. What it does not ask for is neither named nor tried.

    ``cohorts`` and ``courses``: whether it gives any of them. ``cohort_idnumbers`` and ``named_courses`` (field, as in
    COURSE_FIELDS, and value): those that it names itself. ``create_cohorts``: those that are not there are made. ``roles``: the
    roles it gives in courses, by shortname, or by number. ``active``: whether it must know whose enrolment counts now.
    """

    cohorts: bool = False
    courses: bool = False
    cohort_idnumbers: Sequence[str] = ()
    named_courses: Sequence[tuple[str, str]] = ()
    create_cohorts: bool = False
    roles: Sequence[str | int] = ()
    active: bool = False

    def functions(self) -> list[str]:
        """Give the web service functions that the service must have for it."""
        found = [GET_COHORTS, GET_COHORT_MEMBERS, ADD_COHORT_MEMBERS, DELETE_COHORT_MEMBERS] if self.cohorts else []
        found += [CREATE_COHORTS] if self.cohorts and self.create_cohorts else []
        found += [GET_COURSES_BY_FIELD, GET_ENROLLED_USERS, ENROL_USERS, UNENROL_USERS] if self.courses else []
        return found


class AccessSite(Site, Protocol):
    """The part of MoodleHook that access is tried on; each method raises a MoodleError."""

    def cohorts(self, ids: Iterable[int] = ()) -> list[Cohort]:
        """Give the cohorts of these ids, or all."""

    def cohort_members(self, cohort_ids: Iterable[int]) -> MembersRead:
        """Give the ids of the accounts in each cohort."""

    def courses_by_field(self, field: str, values: Iterable[str | int]) -> dict[str, Course]:
        """Look courses up by id, shortname or idnumber."""

    def roles_in(self, course_ids: Iterable[int]) -> dict[str, int]:
        """Give the ids of the roles that people hold in these courses, by shortname."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a mapping's access needs and that is not there; ``stops`` a run, or is only good to know."""

    code: str
    said: Sentence
    mend: Sentence
    stops: bool = True


Try: TypeAlias = "tuple[str, str, Callable[[], object]]"
"""Code of the problem, the capability, and the call that Moodle refuses without it."""


def cohort_problems(hook: AccessSite, wants: AccessWants) -> Iterator[Problem]:
    """Give what is wrong with cohorts, each capability by its name."""
    try:
        cohorts = hook.cohorts()
    except MoodleAccessDenied as error:
        yield _denied("cohort_view_denied", "moodle/cohort:view", error)
        cohorts = []
    else:
        yield from _unknown_cohorts(cohorts, wants)
        if not cohorts:
            yield Problem(
                "cohorts_untried",
                Sentence("check.cohorts_untried"),
                Sentence("check.cohorts_untried.mend"),
                stops=False,
            )
    own = hook.site_info(patient=False).userid
    if (other := _without(hook, cohorts, own)) is not None:
        yield from _tried([("cohort_assign_denied", "moodle/cohort:assign", lambda: _take_out(hook, other))])
    elif cohorts:
        said = Sentence("check.cohort_assign_untried")
        yield Problem("cohort_assign_untried", said, Sentence("check.cohort_assign_untried.mend"), stops=False)
    if wants.create_cohorts:
        yield from _tried([("cohort_manage_denied", "moodle/cohort:manage", lambda: _make_impossible(hook))])


def _unknown_cohorts(cohorts: Sequence[Cohort], wants: AccessWants) -> Iterator[Problem]:
    there = {cohort.idnumber for cohort in cohorts}
    for idnumber in wants.cohort_idnumbers:
        if idnumber not in there and not wants.create_cohorts:
            said = Sentence("check.cohort_unknown", idnumber=idnumber)
            yield Problem("cohort_unknown", said, Sentence("check.cohort_unknown.mend"), stops=False)


def _without(hook: AccessSite, cohorts: Sequence[Cohort], account_id: int) -> Membership | None:
    """Give a cohort that an account is not in: taking it out there asks for the right, and changes nothing."""
    members = hook.cohort_members([cohort.id for cohort in cohorts[:_TRIED]]).members
    return next((Membership(id_, account_id) for id_, ids in members.items() if account_id not in ids), None)


def _take_out(hook: AccessSite, row: Membership) -> None:
    hook.call_once(DELETE_COHORT_MEMBERS, members=[member_to_delete(row)])


def _make_impossible(hook: AccessSite) -> None:
    """Ask for a cohort of which neither name nor idnumber fits the database: refused after the right was asked for."""
    hook.call_once(CREATE_COHORTS, cohorts=[cohort_to_make(NewCohort("x" * 300, "x" * 300))])


def course_problems(hook: AccessSite, wants: AccessWants) -> Iterator[Problem]:
    """Give what is wrong with courses: those that the mapping names, and each capability by its name, tried on some of them."""
    courses: dict[int, Course] = {}
    for field, value in wants.named_courses:
        found = hook.courses_by_field(field, [value])
        courses.update((course.id, course) for course in found.values())
        if not found:
            said = Sentence("check.course_unknown", field=field, value=value)
            yield Problem("course_unknown", said, Sentence("check.course_unknown.mend"), stops=False)
    for course in courses.values():
        if not course.manual:
            said = Sentence("check.manual_off", course=course.shortname)
            yield Problem("manual_off", said, Sentence("moodle.wsnoinstance.mend"))
    tried = [course for course in courses.values() if course.manual][:_TRIED]
    if not tried:
        yield Problem(
            "courses_untried", Sentence("check.courses_untried"), Sentence("check.courses_untried.mend"), stops=False
        )
        return
    yield from _course_rights(hook, [course.id for course in tried], wants)


def _course_rights(hook: AccessSite, course_ids: Sequence[int], wants: AccessWants) -> Iterator[Problem]:
    problems: dict[str, Problem] = {}
    for course_id in course_ids:
        found = list(_tried(_tries(hook, course_id, wants)))
        problems |= {problem.code: problem for problem in found}
    yield from problems.values()
    if not problems:
        yield from _roles(hook, course_ids, wants)


def _tries(hook: AccessSite, course_id: int, wants: AccessWants) -> Iterator[Try]:
    def read(**options: object) -> None:
        asked = {"userfields": "id", "limitnumber": 1, **options}
        pairs = [{"name": name, "value": value} for name, value in asked.items()]
        hook.call_once(GET_ENROLLED_USERS, courseid=course_id, options=pairs)

    yield "participants_denied", "moodle/course:viewparticipants", read
    if wants.active:
        yield "review_denied", "moodle/course:enrolreview", lambda: read(onlyactive=1)
    # Nobody has that id: refused after the right was asked for, and rolled back. No role is 0 (recordings 697, 698, 716, 722).
    yield "enrol_denied", "enrol/manual:enrol", lambda: _enrol_nobody(hook, course_id, 0)
    row = unenrolment_to_write(Unenrolment(course_id, NOBODY))
    yield "unenrol_denied", "enrol/manual:unenrol", lambda: hook.call_once(UNENROL_USERS, enrolments=[row])


def _enrol_nobody(hook: AccessSite, course_id: int, role_id: int) -> None:
    row = enrolment_to_write(Enrolment(course_id, NOBODY, role_id))
    hook.call_once(ENROL_USERS, enrolments=[row])


def _roles(hook: AccessSite, course_ids: Sequence[int], wants: AccessWants) -> Iterator[Problem]:
    """Say which roles may not be assigned. A shortname is only known where somebody holds the role."""
    names = [role for role in wants.roles if isinstance(role, str)]
    known = hook.roles_in(course_ids) if names else {}
    for role in wants.roles:
        number = known.get(role) if isinstance(role, str) else role
        if number is None:
            yield Problem(
                "role_unknown",
                Sentence("check.role_unknown", role=role),
                Sentence("check.role_unknown.mend"),
                stops=False,
            )
        elif not _may_assign(hook, course_ids[0], number):
            said = Sentence("check.role_not_assignable", role=role)
            yield Problem("role_not_assignable", said, Sentence("moodle.wsusercannotassign.mend"))


def _may_assign(hook: AccessSite, course_id: int, role_id: int) -> bool:
    try:
        _enrol_nobody(hook, course_id, role_id)
    except MoodleRefused as error:
        return error.errorcode != "wsusercannotassign"
    return True


def _tried(tries: Iterable[Try]) -> Iterator[Problem]:
    for code, capability, call in tries:
        try:
            call()
        except MoodleAccessDenied as error:
            # A course that may not be opened is told before any other right is looked at.
            closed = error.errorcode in ("requireloginerror", "errorcoursecontextnotvalid")
            yield _denied("course_closed", "moodle/course:view", error) if closed else _denied(code, capability, error)
        except MoodleRefused:
            pass


def _denied(code: str, capability: str, error: MoodleError) -> Problem:
    said = Sentence("check.capability_missing", capability=capability, said=without_function(error))
    return Problem(code, said, Sentence("check.role"))
