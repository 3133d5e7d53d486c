"""Cohorts, courses and enrolments, as Moodle's web service writes and reads them.

What Moodle does with them stands in the recordings 222 to 246 and 650 to 769 of tests/contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from moodle_coupling.errors import AnswerLost, NotAMoodle
from moodle_coupling.hooks.moodle.answers import answer_lost, in_call, plain_text
from moodle_coupling.hooks.moodle.records import number, rows_of, text_in, why_of
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from moodle_coupling.errors import MoodleError

T = TypeVar("T")

GET_COHORTS: Final = "core_cohort_get_cohorts"
CREATE_COHORTS: Final = "core_cohort_create_cohorts"
DELETE_COHORTS: Final = "core_cohort_delete_cohorts"
GET_COHORT_MEMBERS: Final = "core_cohort_get_cohort_members"
ADD_COHORT_MEMBERS: Final = "core_cohort_add_cohort_members"
DELETE_COHORT_MEMBERS: Final = "core_cohort_delete_cohort_members"
GET_COURSES_BY_FIELD: Final = "core_course_get_courses_by_field"
GET_ENROLLED_USERS: Final = "core_enrol_get_enrolled_users"
ENROL_USERS: Final = "enrol_manual_enrol_users"
UNENROL_USERS: Final = "enrol_manual_unenrol_users"

MAY_BE_REPEATED: Final = frozenset({ADD_COHORT_MEMBERS, DELETE_COHORT_MEMBERS, ENROL_USERS, UNENROL_USERS})
"""Writes that change nothing the second time: who is in a cohort already is passed over with a warning, enrolling writes the same
enrolment over itself, taking out whom is not in is silent (recordings 227, 232, 236, 696). So a call whose answer was lost is
tried again, as a read is. Making cohorts is not among them."""

COHORTS_AT_ONCE: Final = 100
"""Cohorts whose members are asked for in one call."""

COURSE_FIELDS: Final = ("id", "shortname", "idnumber")

GONE: Final = frozenset({"invalidrecord", "invalidrecordunknown"})
"""Error codes of something that is not there (any more), on 4.5 and 5.1 (recordings 664, 697, 698)."""

OF_ONE_TARGET: Final = frozenset(
    {"requireloginerror", "errorcoursecontextnotvalid", "wsnoinstance", "wsusercannotassign", "wscannotenrol", "wscannotunenrol"}
)  # fmt: skip
"""Error codes that are about the course or the role of a row, whatever the class of the error: rows of other courses may go
through. ``requireloginerror``: the course is hidden, or the service user may not open it; ``wsnoinstance``: it has no manual
enrolment, or has it off; ``wsusercannotassign``: the role may not be given."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort as it is. ``idnumber`` may be ''; Moodle keeps it unique."""

    id: int
    name: str
    idnumber: str
    visible: bool = True


@dataclass(frozen=True, slots=True)
class NewCohort:
    """A cohort to make in the system context."""

    name: str
    idnumber: str
    description: str = ""
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Membership:
    """An account in a cohort, by their ids."""

    cohort_id: int
    account_id: int


class MemberOutcome(StrEnum):
    """What adding one member came to; every row of a call has its own."""

    ADDED = "added"
    ALREADY = "already"
    NO_COHORT = "no_cohort"
    NO_ACCOUNT = "no_account"


@dataclass(frozen=True, slots=True)
class MemberResult:
    """What adding one member came to, and what Moodle said of it ('' where it was added)."""

    row: Membership
    outcome: MemberOutcome
    message: str = ""

    @property
    def is_member(self) -> bool:
        """Whether the account is in the cohort now."""
        return self.outcome in (MemberOutcome.ADDED, MemberOutcome.ALREADY)


@dataclass(frozen=True, slots=True)
class MembersRead:
    """The ids of the accounts in each cohort, and the cohorts that are not there (any more)."""

    members: Mapping[int, frozenset[int]]
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Course:
    """A course as the service user sees it. Its idnumber Moodle does not tell without moodle/course:update.

    ``manual``: whether people can be enrolled by hand, so by us: the method is there and not switched off.
    """

    id: int
    shortname: str
    fullname: str
    visible: bool
    manual: bool


@dataclass(frozen=True, slots=True)
class Role:
    """A role as it is given in a course."""

    id: int
    shortname: str


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody enrolled in a course, by whatever method, with the roles held in it.

    ``active``: whether the enrolment counts at this moment: not suspended, begun and not ended. None where it was not asked.
    Moodle's web service tells no dates and no suspension besides: what was written is known only to who wrote it.
    """

    account_id: int
    idnumber: str
    roles: tuple[Role, ...]
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A manual enrolment to write, whole: what was there before is overwritten, dates and suspension too.

    ``timestart`` and ``timeend`` are Unix times, 0 for no bound. A role that the account has in the course besides stays.
    """

    course_id: int
    account_id: int
    role_id: int
    timestart: int = 0
    timeend: int = 0
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Unenrolment:
    """A manual enrolment to end, with the roles given with it; enrolments by another method stay."""

    course_id: int
    account_id: int


def is_of_one_target(error: MoodleError) -> bool:
    """Whether an error is about one course or role, so that rows of others may go through."""
    return error.errorcode in OF_ONE_TARGET


# ---- what is sent ----------------------------------------------------------------------------------------------------


def member_to_add(row: Membership) -> dict[str, Any]:
    """Give one row for core_cohort_add_cohort_members; four variables of the form."""
    return {
        "cohorttype": {"type": "id", "value": row.cohort_id},
        "usertype": {"type": "id", "value": row.account_id},
    }


def member_to_delete(row: Membership) -> dict[str, Any]:
    """Give one row for core_cohort_delete_cohort_members."""
    return {"cohortid": row.cohort_id, "userid": row.account_id}


def enrolment_to_write(one: Enrolment) -> dict[str, Any]:
    """Give one row for enrol_manual_enrol_users. A bound that is left out Moodle sets to 0, and lifts a suspension."""
    bounds = {"timestart": one.timestart, "timeend": one.timeend, "suspend": one.suspended}
    said = {name: value for name, value in bounds.items() if value}
    return {"roleid": one.role_id, "userid": one.account_id, "courseid": one.course_id, **said}


def unenrolment_to_write(row: Unenrolment) -> dict[str, Any]:
    """Give one row for enrol_manual_unenrol_users."""
    return {"userid": row.account_id, "courseid": row.course_id}


def cohort_to_make(one: NewCohort) -> dict[str, Any]:
    """Give one cohort for core_cohort_create_cohorts, in the system context."""
    return {
        "categorytype": {"type": "system", "value": ""},
        "name": one.name,
        "idnumber": one.idnumber,
        "description": one.description,
        "visible": one.visible,
    }


# ---- what is read ----------------------------------------------------------------------------------------------------


def _read(answer: object, function: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
    try:
        return [read(row) for row in rows_of(answer)]
    except ValueError as error:
        raise _unfit(function, why_of(error)) from None


def _unfit(function: str, why: Sentence) -> NotAMoodle:
    return NotAMoodle(in_call(function, Sentence("moodle.other_answer", why=why)), function=function)


def cohorts_in(answer: object) -> list[Cohort]:
    """Read a list of cohorts; raises NotAMoodle when it is no such list."""
    return _read(answer, GET_COHORTS, _cohort)


def members_in(answer: object, ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """Read the members of each of these cohorts; raises NotAMoodle when one of them is not in it.

    Whoever is missed here would be added again or, in a cohort of ours, be taken for nobody.
    """
    found = dict(_read(answer, GET_COHORT_MEMBERS, _members_of))
    lacking = [id_ for id_ in ids if id_ not in found]
    if lacking:
        raise _unfit(GET_COHORT_MEMBERS, Sentence("moodle.record.no_cohort", cohort=lacking[0]))
    return {id_: found[id_] for id_ in ids}


def courses_in(answer: object) -> list[Course]:
    """Read courses that were looked up; raises NotAMoodle when it is no such answer."""
    courses = answer.get("courses") if isinstance(answer, dict) else answer
    return _read(courses, GET_COURSES_BY_FIELD, _course)


def participants_in(answer: object) -> list[Participant]:
    """Read one page of a course's participants; raises NotAMoodle when it is no such list."""
    return _read(answer, GET_ENROLLED_USERS, _participant)


def _cohort(row: dict[str, Any]) -> Cohort:
    return Cohort(
        number(row.get("id")), text_in(row, "name"), text_in(row, "idnumber"), row.get("visible", True) in (True, 1)
    )


def _members_of(row: dict[str, Any]) -> tuple[int, frozenset[int]]:
    ids = row.get("userids")
    if not isinstance(ids, list):
        # One kind of error for all that the answer can be.
        raise ValueError(Sentence("moodle.record.no_members"))  # noqa: TRY004
    return number(row.get("cohortid")), frozenset(map(number, ids))


def _course(row: dict[str, Any]) -> Course:
    methods = row.get("enrollmentmethods")
    return Course(
        number(row.get("id")),
        text_in(row, "shortname"),
        text_in(row, "fullname"),
        row.get("visible", 1) in (True, 1),  # left out where the service user may not open the course
        isinstance(methods, list) and "manual" in methods,
    )


def _participant(row: dict[str, Any]) -> Participant:
    roles = row.get("roles")
    return Participant(
        number(row.get("id")),
        text_in(row, "idnumber"),
        tuple(Role(number(role.get("roleid")), text_in(role, "shortname")) for role in rows_of(roles or [])),
    )


def cohorts_made(answer: object, sent: Sequence[NewCohort]) -> list[Cohort]:
    """Read what was made and check it against what was sent; raises AnswerLost when they differ, as ``created_accounts`` does."""
    try:
        made = [_cohort({"visible": True, **row}) for row in rows_of(answer)]
    except ValueError as error:
        what = Sentence("moodle.other_answer", why=why_of(error))
        raise answer_lost(CREATE_COHORTS, what, Sentence("moodle.read_back")) from None
    if [one.idnumber for one in made] != [one.idnumber for one in sent]:
        said = Sentence("moodle.other_cohorts_created", sent=len(sent), made=len(made))
        raise AnswerLost(in_call(CREATE_COHORTS, said), function=CREATE_COHORTS)
    return made


_MESSAGES: Final = (
    (
        MemberOutcome.ALREADY,
        "3",
        re.compile(r"record already exists: cohort\(id=(?P<cohort>\d+) id=(?P<account>\d+)\)"),
    ),
    (MemberOutcome.NO_COHORT, "2", re.compile(r"cohort id=(?P<cohort>\d+) not exists")),
    (MemberOutcome.NO_ACCOUNT, "2", re.compile(r"user id=(?P<account>\d+) not exists")),
)
"""How Moodle words a warning; these texts are in no language pack (4.5 and 5.1)."""


def member_results(answer: object, rows: Sequence[Membership]) -> list[MemberResult]:
    """Give each row what its warning says, if it has one; Moodle gives the warnings in the order of the rows.

    Raises AnswerLost when the answer does not say, or a warning is about no row.
    """
    found = answer.get("warnings") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise answer_lost(ADD_COHORT_MEMBERS, Sentence("moodle.no_member_warnings"), Sentence("moodle.read_back"))
    results = []
    left = list(found)
    for row in rows:
        outcome = _said_of(left[0], row) if left else None
        if outcome is None:
            results.append(MemberResult(row, MemberOutcome.ADDED))
        else:
            results.append(MemberResult(row, outcome, plain_text(str(left.pop(0).get("message", "")))))
    if left:
        said = Sentence("moodle.unknown_warning", message=plain_text(str(left[0].get("message", ""))))
        raise answer_lost(ADD_COHORT_MEMBERS, said, Sentence("moodle.read_back"))
    return results


def _said_of(warning: dict[str, Any], row: Membership) -> MemberOutcome | None:
    """Give the outcome when this warning is about this row, None when it is about a later one."""
    message = str(warning.get("message", ""))
    expected = {"cohort": str(row.cohort_id), "account": str(row.account_id)}
    for outcome, code, pattern in _MESSAGES:
        match = pattern.fullmatch(message) if str(warning.get("warningcode")) == code else None
        if match:
            return outcome if match.groupdict().items() <= expected.items() else None
    return None
