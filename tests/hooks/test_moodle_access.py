"""MoodleHook's calls for cohorts, courses and enrolments, against a Moodle that answers over real HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hooks.servers import TOKEN, hook_for
from sandbox.moodle.school import SCHOOL

from moodle_coupling.errors import (
    AnswerLost,
    CouplingPaused,
    InputError,
    MoodleAccessDenied,
    MoodleError,
    MoodleFunctionMissing,
    MoodleMaintenance,
    MoodleParameterRefused,
    MoodleRecordRefused,
    NotAMoodle,
)
from moodle_coupling.hooks.moodle import access, access_records
from moodle_coupling.hooks.moodle.access_records import (
    MAY_BE_REPEATED,
    Cohort,
    Course,
    Enrolment,
    MemberOutcome,
    MemberResult,
    Membership,
    NewCohort,
    Participant,
    Role,
    Unenrolment,
    is_of_one_target,
)
from moodle_coupling.hooks.moodle.answers import is_read
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.sandbox.moodle import ACCOUNT_FUNCTIONS, Fault, FaultKind, running_moodle
from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle import SandboxMoodle
    from moodle_coupling.words.sentence import Sentence

ADD, DELETE, CREATE = (
    access_records.ADD_COHORT_MEMBERS,
    access_records.DELETE_COHORT_MEMBERS,
    access_records.CREATE_COHORTS,
)
ENROL, UNENROL, ENROLLED = access_records.ENROL_USERS, access_records.UNENROL_USERS, access_records.GET_ENROLLED_USERS
ANNA, BRAM, CATO, NOBODY = 60, 61, 62, 999
PEOPLE = [
    {
        "id": id_,
        "username": name,
        "firstname": name,
        "lastname": "Test",
        "email": f"{name}@example.org",
        "idnumber": f"CV-{id_}",
    }
    for id_, name in ((ANNA, "anna"), (BRAM, "bram"), (CATO, "cato"))
]
DOCENTEN, CATEGORY, GONE = 1, 2, 77
BHV, OFF, HIDDEN = 2, 3, 4
STUDENT, TEACHER = 5, 4


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=PEOPLE, access=SCHOOL) as site:
        yield site


@pytest.fixture
def hook(moodle: SandboxMoodle) -> Iterator[MoodleHook]:
    with hook_for(moodle.url, moodle.token) as made:
        yield made


def may_only(moodle: SandboxMoodle, *more: str, without: tuple[str, ...] = ()) -> None:
    moodle.restrict_token(capabilities=(LEAST_CAPABILITIES | ACCESS_CAPABILITIES | set(more)) - set(without))


def enrolments(moodle: SandboxMoodle, course: int = BHV) -> list[tuple[int, ...]]:
    return [(e["userid"], e["status"], e["timestart"], e["timeend"]) for e in moodle.access.enrolments(course)]


def codes(said: Sentence) -> set[str]:
    inner = [each for value in said.parameters.values() for each in (value if isinstance(value, list) else [value])]
    return {said.code}.union(*(codes(each) for each in inner if hasattr(each, "code")))


# ---- cohorts ---------------------------------------------------------------------------------------------------------


def test_all_cohorts_are_given_hidden_and_those_of_categories_too(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle)
    docenten = Cohort(DOCENTEN, "Docenten", "cv-docenten")
    assert hook.cohorts() == [docenten, Cohort(CATEGORY, "In categorie", "cat", visible=False)]
    assert hook.cohorts([GONE, DOCENTEN]) == [docenten]


def test_cohorts_are_made_in_the_order_sent(hook: MoodleHook) -> None:
    made = hook.create_cohorts([NewCohort("Twee", "b", visible=False), NewCohort("Een", " a")])
    assert made == [Cohort(3, "Twee", "b", visible=False), Cohort(4, "Een", " a")]
    assert hook.cohorts([3, 4]) == made


def test_an_idnumber_that_is_taken_makes_no_cohort_at_all(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    with pytest.raises(MoodleParameterRefused):
        hook.create_cohorts([NewCohort("Nieuw", "n"), NewCohort("Docenten", "cv-docenten")])
    assert len(moodle.access.cohorts()) == 2


def test_making_cohorts_needs_a_right_of_its_own(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle)
    with pytest.raises(MoodleAccessDenied):
        hook.create_cohorts([NewCohort("Nieuw", "n")])
    may_only(moodle, "moodle/cohort:manage")
    assert [one.idnumber for one in hook.create_cohorts([NewCohort("Nieuw", "n")])] == ["n"]


def test_a_lost_answer_to_making_cohorts_is_not_tried_again(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.faults.add(Fault(FaultKind.RESET_AFTER, function=CREATE, first=1))
    with pytest.raises(AnswerLost):
        hook.create_cohorts([NewCohort("Nieuw", "n")])
    assert [cohort.idnumber for cohort in hook.cohorts()] == ["cv-docenten", "cat", "n"]


@pytest.mark.parametrize(
    "answer", [None, {}, [], [{"id": 3, "name": "Nieuw", "idnumber": "m"}], [{"name": "Nieuw"}], [3]]
)
def test_an_answer_that_does_not_fit_the_cohorts_sent_is_a_lost_one(answer: object) -> None:
    with pytest.raises(AnswerLost):
        access_records.cohorts_made(answer, [NewCohort("Nieuw", "n")])


def test_members_are_given_as_ids_by_cohort(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle)
    read = hook.cohort_members([CATEGORY, DOCENTEN, DOCENTEN])
    assert (read.members, read.unknown) == ({CATEGORY: frozenset(), DOCENTEN: frozenset({ANNA})}, ())
    assert len(moodle.calls.all()) == 1


def test_a_cohort_that_is_gone_does_not_poison_the_others(hook: MoodleHook) -> None:
    read = hook.cohort_members([DOCENTEN, GONE, CATEGORY, 78])
    assert (read.members, read.unknown) == ({DOCENTEN: frozenset({ANNA}), CATEGORY: frozenset()}, (GONE, 78))


def test_many_cohorts_are_read_in_some_calls(
    hook: MoodleHook, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "COHORTS_AT_ONCE", 2)
    ids = [moodle.access.add_cohort({"name": f"C{n}"}) for n in range(5)]
    assert set(hook.cohort_members(ids).members) == set(ids)
    assert len(moodle.calls.all()) == 3


@pytest.mark.parametrize(
    "answer", [[], [{"cohortid": 2, "userids": []}], [{"cohortid": 1, "userids": None}], {}, [[1]]]
)
def test_an_answer_without_a_cohort_that_was_asked_for_is_not_an_empty_cohort(answer: object) -> None:
    with pytest.raises(NotAMoodle):
        access_records.members_in(answer, [1])


def test_each_row_says_what_came_of_it(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/cohort:view",))
    rows = [
        Membership(CATEGORY, BRAM),
        Membership(DOCENTEN, ANNA),
        Membership(GONE, ANNA),
        Membership(DOCENTEN, NOBODY),
        Membership(DOCENTEN, BRAM),
        Membership(CATEGORY, BRAM),
    ]
    results = hook.add_cohort_members(rows)

    assert [result.row for result in results] == rows
    assert [result.outcome for result in results] == ["added", "already", "no_cohort", "no_account", "added", "added"]
    assert [result.is_member for result in results] == [True, True, False, False, True, True]
    assert results[3].message == "user id=999 not exists"
    assert (moodle.access.members(DOCENTEN), moodle.access.members(CATEGORY)) == ([ANNA, BRAM], [BRAM])


def test_a_lost_answer_to_adding_is_tried_again_and_nobody_is_in_twice(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.faults.add(Fault(FaultKind.RESET_AFTER, function=ADD, first=1))
    (result,) = hook.add_cohort_members([Membership(DOCENTEN, BRAM)])
    assert (result.outcome, result.is_member) == (MemberOutcome.ALREADY, True)
    assert len(hook.waits) == 1  # type: ignore[attr-defined]
    assert moodle.access.members(DOCENTEN) == [ANNA, BRAM]


def test_who_may_not_add_adds_nobody(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/cohort:assign",))
    for change in (hook.add_cohort_members, hook.delete_cohort_members):
        with pytest.raises(MoodleAccessDenied) as caught:
            change([Membership(DOCENTEN, BRAM)])
        assert not is_of_one_target(caught.value)
    assert moodle.access.members(DOCENTEN) == [ANNA]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"warnings": None},
        {"warnings": ["odd"]},
        {"warnings": [{"warningcode": "2", "message": "user id=61 not exists"}]},
        {"warnings": [{"warningcode": "1", "message": "Invalid context: 50"}]},
        {"warnings": [{"warningcode": "3", "message": "user id=60 not exists"}]},
        {"warnings": [{"warningcode": "2", "message": "user id=60 not exists"}] * 2},
    ],
    ids=str,
)
def test_a_warning_that_is_about_none_of_the_rows_makes_all_of_them_unsure(answer: object) -> None:
    with pytest.raises(AnswerLost):
        access_records.member_results(answer, [Membership(1, 60)])


def test_warnings_go_to_their_rows_whatever_stands_between() -> None:
    rows = [Membership(1, 6), Membership(1, 60), Membership(11, 6), Membership(1, 61)]
    warnings = [
        {"warningcode": "2", "message": "user id=60 not exists"},
        {"warningcode": "3", "message": "record already exists: cohort(id=11 id=6)"},
    ]
    results = access_records.member_results({"warnings": warnings}, rows)
    assert results[0] == MemberResult(rows[0], MemberOutcome.ADDED)
    assert [result.outcome for result in results] == ["added", "no_account", "already", "added"]


def test_members_are_taken_out_and_who_is_not_in_is_passed_over(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/cohort:view",))
    hook.delete_cohort_members([Membership(DOCENTEN, ANNA), Membership(DOCENTEN, BRAM)])
    assert moodle.access.members(DOCENTEN) == []


@pytest.mark.parametrize("gone", [Membership(DOCENTEN, NOBODY), Membership(GONE, ANNA)])
def test_an_account_or_cohort_that_is_not_there_keeps_all_in(
    hook: MoodleHook, moodle: SandboxMoodle, gone: Membership
) -> None:
    with pytest.raises(MoodleRecordRefused):
        hook.delete_cohort_members([Membership(DOCENTEN, ANNA), gone])
    assert moodle.access.members(DOCENTEN) == [ANNA]


# ---- courses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "value"), [("shortname", "BHV-2027"), ("idnumber", "BHV"), ("id", BHV)])
def test_a_course_is_found_by_each_of_its_keys(
    hook: MoodleHook, moodle: SandboxMoodle, field: str, value: str | int
) -> None:
    may_only(moodle)
    found = hook.courses_by_field(field, [value, "unknown", ""])
    assert found == {str(value): Course(BHV, "BHV-2027", "Bedrijfshulp", visible=True, manual=True)}


def test_a_course_without_manual_enrolment_says_so_and_a_hidden_one_looks_unknown(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    may_only(moodle)
    found = hook.courses_by_field("shortname", ["Uit", "Verborgen"])
    assert [(course.id, course.manual) for course in found.values()] == [(OFF, False)]
    may_only(moodle, "moodle/course:viewhiddencourses")
    hidden = hook.courses_by_field("shortname", ["Verborgen"])["Verborgen"]
    assert (hidden.id, hidden.visible, hidden.manual) == (HIDDEN, False, True)


def test_a_course_that_may_not_be_opened_is_found_nevertheless(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/course:view",))
    assert hook.courses_by_field("idnumber", ["BHV"])["BHV"].id == BHV


def test_a_field_that_moodle_would_not_look_up_by_is_not_asked_for(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    with pytest.raises(InputError):
        hook.courses_by_field("fullname", ["Bedrijfshulp"])
    assert moodle.calls.all() == []


def test_participants_have_their_roles(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle)
    moodle.access.enrol(BHV, BRAM, TEACHER, status=1)
    assert hook.participants(BHV) == [
        Participant(ANNA, "CV-60", (Role(STUDENT, "student"),)),
        Participant(BRAM, "CV-61", (Role(TEACHER, "teacher"),)),
    ]
    assert hook.roles_in([BHV, OFF]) == {"student": STUDENT, "teacher": TEACHER}


def test_who_is_active_now_is_asked_apart_and_needs_a_right(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    now = int(time.time())
    moodle.access.enrol(BHV, BRAM, STUDENT, status=1)
    moodle.access.enrol(BHV, CATO, STUDENT, timestart=now + 1000)
    may_only(moodle)
    with pytest.raises(MoodleAccessDenied):
        hook.participants(BHV, with_active=True)
    may_only(moodle, "moodle/course:enrolreview")
    active = {one.account_id: one.active for one in hook.participants(BHV, with_active=True)}
    assert active == {ANNA: True, BRAM: False, CATO: False}


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_a_course_is_read_page_by_page_and_nobody_is_missed_or_doubled(
    hook: MoodleHook, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(access, "_PARTICIPANTS_AT_ONCE", size)
    ids = moodle.add_accounts([{"username": f"p{n}", "email": f"p{n}@example.org"} for n in range(6)])
    for id_ in ids:
        moodle.access.enrol(BHV, id_, STUDENT)
    assert [one.account_id for one in hook.participants(BHV)] == [ANNA, *ids]


@pytest.mark.parametrize("changes", [1, 9])
def test_a_course_that_changes_while_it_is_read_is_read_again(
    moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    monkeypatch.setattr(access, "_PARTICIPANTS_AT_ONCE", 2)
    ids = moodle.add_accounts([{"username": f"p{n}", "email": f"p{n}@example.org"} for n in range(4)])
    for id_ in ids:
        moodle.access.enrol(BHV, id_, STUDENT)
    left = [changes]

    def anna_comes_or_goes() -> None:
        if len(moodle.calls.all()) % 2 and left[0]:
            left[0] -= 1
            there = moodle.access.is_enrolled(BHV, ANNA)
            (moodle.access.unenrol if there else lambda c, u: moodle.access.enrol(c, u, STUDENT))(BHV, ANNA)

    settings = MoodleSettings("demo", moodle.url, moodle.token, allow_http=True)
    with MoodleHook.from_settings(settings, guard=anna_comes_or_goes) as hook:
        if changes == 1:
            assert [one.account_id for one in hook.participants(BHV)] == ids
            return
        with pytest.raises(AnswerLost) as caught:
            hook.participants(BHV)
        assert "moodle.participants_change" in codes(caught.value.said)


# ---- enrolling -------------------------------------------------------------------------------------------------------


def test_enrolling_writes_all_of_an_enrolment_over_what_was_there(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle)
    hook.enrol_users([Enrolment(BHV, BRAM, STUDENT, 1_900_000_000, 1_950_000_000, suspended=True)])
    assert enrolments(moodle) == [(ANNA, 0, 0, 0), (BRAM, 1, 1_900_000_000, 1_950_000_000)]
    hook.enrol_users([Enrolment(BHV, BRAM, STUDENT)])
    assert enrolments(moodle) == [(ANNA, 0, 0, 0), (BRAM, 0, 0, 0)]
    assert set(moodle.calls.all()[-1].parameters["enrolments"][0]) == {"roleid", "userid", "courseid"}


@pytest.mark.parametrize("function", [ENROL, UNENROL, DELETE])
def test_a_lost_answer_to_what_may_be_done_twice_is_tried_again(
    hook: MoodleHook, moodle: SandboxMoodle, function: str
) -> None:
    moodle.faults.add(Fault(FaultKind.RESET_AFTER, function=function, first=1))
    if function == ENROL:
        hook.enrol_users([Enrolment(BHV, BRAM, STUDENT, timeend=1_950_000_000)])
        assert enrolments(moodle) == [(ANNA, 0, 0, 0), (BRAM, 0, 0, 1_950_000_000)]
    elif function == UNENROL:
        hook.unenrol_users([Unenrolment(BHV, ANNA)])
        assert enrolments(moodle) == []
    else:
        hook.delete_cohort_members([Membership(DOCENTEN, ANNA)])
        assert moodle.access.members(DOCENTEN) == []
    assert len([call for call in moodle.calls.all() if call.function == function]) == 2


def test_what_may_be_repeated_are_writes_and_making_cohorts_is_none_of_them() -> None:
    assert not any(is_read(function) for function in MAY_BE_REPEATED)
    assert CREATE not in MAY_BE_REPEATED


@pytest.mark.parametrize(
    ("wrong", "without", "code", "kind"),
    [
        (Enrolment(OFF, BRAM, STUDENT), "", "wsnoinstance", MoodleRecordRefused),
        (Enrolment(BHV, BRAM, TEACHER), "", "wsusercannotassign", MoodleRecordRefused),
        (Enrolment(HIDDEN, BRAM, STUDENT), "", "requireloginerror", MoodleAccessDenied),
        (Enrolment(BHV, BRAM, STUDENT), "moodle/course:view", "requireloginerror", MoodleAccessDenied),
        (Enrolment(BHV, BRAM, STUDENT), "moodle/role:assign", "wsusercannotassign", MoodleRecordRefused),
    ],
)
def test_one_course_or_role_that_cannot_be_says_so_and_how_to_mend_it(
    hook: MoodleHook, moodle: SandboxMoodle, wrong: Enrolment, without: str, code: str, kind: type[MoodleError]
) -> None:
    may_only(moodle, without=(without,))
    with pytest.raises(MoodleError) as caught:
        hook.enrol_users([Enrolment(BHV, CATO, STUDENT), wrong])
    assert (type(caught.value), caught.value.errorcode) == (kind, code)
    assert is_of_one_target(caught.value)
    assert f"moodle.{code}.mend" in codes(caught.value.said)
    assert enrolments(moodle) == [(ANNA, 0, 0, 0)]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (Enrolment(BHV, NOBODY, STUDENT), MoodleRecordRefused),
        (Enrolment(BHV, 1, STUDENT), MoodleRecordRefused),
        (Enrolment(GONE, BRAM, STUDENT), MoodleParameterRefused),
    ],
)
def test_one_row_that_cannot_be_enrols_nobody(
    hook: MoodleHook, moodle: SandboxMoodle, wrong: Enrolment, kind: type[MoodleError]
) -> None:
    with pytest.raises(kind) as caught:
        hook.enrol_users([Enrolment(BHV, CATO, STUDENT), wrong])
    assert not is_of_one_target(caught.value)
    assert enrolments(moodle) == [(ANNA, 0, 0, 0)]


def test_who_is_not_enrolled_is_passed_over(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/role:assign", "enrol/manual:enrol"))
    hook.unenrol_users([Unenrolment(BHV, ANNA), Unenrolment(BHV, CATO)])
    assert enrolments(moodle) == []


def test_a_course_that_may_not_be_opened_cannot_be_read(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    may_only(moodle, without=("moodle/course:view",))
    with pytest.raises(MoodleAccessDenied) as caught:
        hook.participants(BHV)
    assert is_of_one_target(caught.value)
    with pytest.raises(MoodleRecordRefused):
        hook.participants(GONE)


# ---- all of them -----------------------------------------------------------------------------------------------------

CALLS = {
    "cohorts": lambda hook: hook.cohorts(),
    "create": lambda hook: hook.create_cohorts([NewCohort("Nieuw", "n")]),
    "members": lambda hook: hook.cohort_members([DOCENTEN]),
    "add": lambda hook: hook.add_cohort_members([Membership(DOCENTEN, BRAM)]),
    "delete": lambda hook: hook.delete_cohort_members([Membership(DOCENTEN, ANNA)]),
    "courses": lambda hook: hook.courses_by_field("id", [BHV]),
    "participants": lambda hook: hook.participants(BHV),
    "enrol": lambda hook: hook.enrol_users([Enrolment(BHV, BRAM, STUDENT)]),
    "unenrol": lambda hook: hook.unenrol_users([Unenrolment(BHV, ANNA)]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_that_the_service_lacks_is_told_apart(hook: MoodleHook, moodle: SandboxMoodle, name: str) -> None:
    moodle.restrict_token(functions=ACCOUNT_FUNCTIONS)
    with pytest.raises(MoodleFunctionMissing):
        CALLS[name](hook)


@pytest.mark.parametrize("name", CALLS)
def test_a_site_in_maintenance_is_waited_for(hook: MoodleHook, moodle: SandboxMoodle, name: str) -> None:
    moodle.settings.maintenance = "cli"
    with pytest.raises(MoodleMaintenance):
        CALLS[name](hook)
    assert (moodle.access.members(DOCENTEN), enrolments(moodle)) == ([ANNA], [(ANNA, 0, 0, 0)])


@pytest.mark.parametrize("name", CALLS)
def test_a_paused_environment_is_sent_nothing(moodle: SandboxMoodle, name: str) -> None:
    def paused() -> None:
        raise CouplingPaused("demo", "maintenance")

    settings = MoodleSettings("demo", moodle.url, TOKEN, allow_http=True)
    with MoodleHook.from_settings(settings, guard=paused) as hook, pytest.raises(CouplingPaused):
        CALLS[name](hook)
    assert moodle.calls.all() == []


def test_nothing_to_write_sends_nothing(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    assert hook.create_cohorts([]) == hook.add_cohort_members([]) == []
    hook.delete_cohort_members([])
    hook.enrol_users([])
    hook.unenrol_users([])
    hook.delete_cohorts([])
    assert moodle.calls.all() == []


@pytest.mark.parametrize(
    "answer", [None, {}, {"courses": None}, [3], [{"id": "x"}], [{"id": 1, "roles": ["student"]}]], ids=str
)
def test_an_answer_of_another_shape_is_no_moodles(answer: object) -> None:
    readers = [access_records.cohorts_in, access_records.courses_in, access_records.participants_in]
    readers = readers[2:] if isinstance(answer, list) and answer == [{"id": 1, "roles": ["student"]}] else readers
    for read in readers:
        with pytest.raises(NotAMoodle):
            read(answer)
