"""What access relies on, on any Moodle: cohorts of our own, and enrolments of our own people in one course.

By default the sandbox; with MOODLE_URL and MOODLE_TOKEN a real site, whose service must have the functions of cohorts (making and
deleting them included), and with MOODLE_COURSE, the shortname of a course with manual enrolment there, those of enrolments.
Everything that is made is taken away again.
"""

from __future__ import annotations

import pytest
from contract.test_any_moodle import REFUSED, UNKNOWN_ID

pytestmark = pytest.mark.any_moodle

ADD, DELETE = "core_cohort_add_cohort_members", "core_cohort_delete_cohort_members"
ENROLLED, UNENROL = "core_enrol_get_enrolled_users", "enrol_manual_unenrol_users"
COHORTS = {
    ADD, DELETE, "core_cohort_get_cohorts", "core_cohort_get_cohort_members", "core_cohort_create_cohorts",
    "core_cohort_delete_cohorts",
}  # fmt: skip
COURSES = {ENROLLED, UNENROL, "enrol_manual_enrol_users", "core_course_get_courses_by_field"}
STUDENT = 5
_GONE = ("invalidrecordunknown", "invalidrecord", "invaliduser")


@pytest.fixture
def site(moodle_site):
    missing = sorted(COHORTS - moodle_site.functions())
    if missing:
        pytest.skip(f"the token's service lacks {', '.join(missing)}")
    return moodle_site


@pytest.fixture
def course(moodle_site):
    missing = sorted(COURSES - moodle_site.functions())
    if missing or not moodle_site.course:
        pytest.skip(f"the token's service lacks {', '.join(missing)}" if missing else "say MOODLE_COURSE=shortname")
    return moodle_site.course_id()


def member(cohort, userid):
    return {"cohorttype": {"type": "id", "value": cohort}, "usertype": {"type": "id", "value": userid}}


def enrolled(site, course):
    """Give the ids of our own people in the course, and the ids of the roles they hold there."""
    options = [{"name": "userfields", "value": "id,idnumber,roles"}]
    users = site.call(ENROLLED, courseid=course, options=options)
    return {user["id"]: [role["roleid"] for role in user["roles"]] for user in users if user["id"] in site.created}


def test_a_cohort_is_found_by_the_idnumber_it_was_made_with(site):
    wanted = site.cohort(name="Proef & <cohort>", visible=0)
    (made,) = site.call("core_cohort_create_cohorts", cohorts=[wanted])
    site.cohorts.append(made["id"])
    (found,) = [cohort for cohort in site.call("core_cohort_get_cohorts") if cohort["idnumber"] == wanted["idnumber"]]

    assert (found["id"], found["visible"]) == (made["id"], False)
    assert site.call("core_cohort_get_cohorts", cohortids=[made["id"], UNKNOWN_ID]) == [found]


def test_an_idnumber_that_is_taken_makes_none_of_the_cohorts(site):
    there, new = site.cohort(), site.cohort()
    site.created_cohort(idnumber=there["idnumber"])
    answer = site.call("core_cohort_create_cohorts", cohorts=[new, there])

    assert answer["errorcode"] == REFUSED
    assert new["idnumber"] not in {cohort["idnumber"] for cohort in site.call("core_cohort_get_cohorts")}


def test_an_idnumber_over_a_hundred_characters_makes_no_cohort(site):
    answer = site.call("core_cohort_create_cohorts", cohorts=[site.cohort(idnumber=site.prefix.ljust(101, "x"))])

    assert answer["errorcode"] == "dmlwriteexception"


def test_members_are_added_one_by_one_with_a_warning_for_each_that_cannot_be(site):
    cohort, (one, two) = site.created_cohort(), site.created_ids(site.person(), site.person())
    assert site.call(ADD, members=[member(cohort, one)]) == {"warnings": []}

    rows = [member(cohort, one), member(UNKNOWN_ID, one), member(cohort, UNKNOWN_ID), member(cohort, two)]
    warnings = [(w["warningcode"], w["message"]) for w in site.call(ADD, members=rows)["warnings"]]
    assert warnings == [
        ("3", f"record already exists: cohort(id={cohort} id={one})"),
        ("2", f"cohort id={UNKNOWN_ID} not exists"),
        ("2", f"user id={UNKNOWN_ID} not exists"),
    ]
    assert site.members(cohort) == sorted([one, two])


def test_one_that_is_not_there_keeps_all_members_in(site):
    cohort, (one, two) = site.created_cohort(), site.created_ids(site.person(), site.person())
    site.call(ADD, members=[member(cohort, one)])
    gone = [{"cohortid": cohort, "userid": userid} for userid in (one, two, UNKNOWN_ID)]

    assert site.call(DELETE, members=gone)["errorcode"] in _GONE
    assert site.members(cohort) == [one]
    assert site.call(DELETE, members=gone[:2]) is None
    assert site.members(cohort) == []


def test_one_unknown_cohort_refuses_the_reading_of_all(site):
    cohort = site.created_cohort()

    assert site.call("core_cohort_get_cohort_members", cohortids=[cohort, UNKNOWN_ID])["errorcode"] in _GONE


def test_a_suspended_account_stays_in_its_cohort(site):
    cohort, (one,) = site.created_cohort(), site.created_ids(site.person())
    site.call(ADD, members=[member(cohort, one)])
    site.update({"id": one, "suspended": 1})

    assert site.members(cohort) == [one]


def test_a_course_that_is_not_there_is_an_empty_answer(moodle_site, course):
    answer = moodle_site.call("core_course_get_courses_by_field", field="idnumber", value=f"{moodle_site.prefix}-none")

    assert answer["courses"] == []
    (found,) = moodle_site.call("core_course_get_courses_by_field", field="id", value=course)["courses"]
    assert (found["shortname"].lower(), "manual" in found["enrollmentmethods"]) == (moodle_site.course.lower(), True)


def test_enrolling_again_is_accepted_and_leaves_one_enrolment(moodle_site, course):
    (one,) = moodle_site.created_ids(moodle_site.person())
    row = {"roleid": STUDENT, "userid": one, "courseid": course}
    for more in ({"timeend": 2_000_000_000}, {}, {"suspend": 1}, {}):
        assert moodle_site.enrol({**row, **more}) is None

    assert enrolled(moodle_site, course)[one] == [STUDENT]


def test_a_suspended_and_an_ended_enrolment_are_shown_as_the_others(moodle_site, course):
    one, two = moodle_site.created_ids(moodle_site.person(), moodle_site.person())
    rows = [{"roleid": STUDENT, "userid": userid, "courseid": course} for userid in (one, two)]
    assert moodle_site.enrol({**rows[0], "suspend": 1}, {**rows[1], "timeend": 1_000_000_000}) is None

    assert {one, two} <= enrolled(moodle_site, course).keys()


@pytest.mark.parametrize(
    ("wrong", "codes"),
    [
        ({"userid": UNKNOWN_ID}, _GONE),
        ({"courseid": UNKNOWN_ID}, (REFUSED,)),
        ({"roleid": UNKNOWN_ID}, ("wsusercannotassign",)),
        ({"userid": 1}, ("guestsarenotallowed",)),
    ],
    ids=str,
)
def test_one_that_cannot_be_enrolled_keeps_all_out(moodle_site, course, wrong, codes):
    (one,) = moodle_site.created_ids(moodle_site.person())
    row = {"roleid": STUDENT, "userid": one, "courseid": course}

    assert moodle_site.enrol(row, {**row, **wrong})["errorcode"] in codes
    assert one not in enrolled(moodle_site, course)


def test_who_is_not_enrolled_is_passed_over_and_the_enrolment_ends(moodle_site, course):
    one, two = moodle_site.created_ids(moodle_site.person(), moodle_site.person())
    assert moodle_site.enrol({"roleid": STUDENT, "userid": one, "courseid": course}) is None
    rows = [{"userid": userid, "courseid": course} for userid in (one, two)]

    assert moodle_site.call(UNENROL, enrolments=rows) is None
    assert not {one, two} & enrolled(moodle_site, course).keys()


def test_it_is_all_taken_away_again(site, course):
    """Last in this module: a run on a real school's site may leave nothing behind."""
    (one,) = site.created_ids(site.person())
    forgotten = site.created_cohort()
    site.cohorts.clear()  # as a run that failed before it said so
    site.call(ADD, members=[member(forgotten, one)])
    site.enrol({"roleid": STUDENT, "userid": one, "courseid": course})

    site.clean_up()
    ours = [c for c in site.call("core_cohort_get_cohorts") if c["idnumber"].startswith(site.prefix)]
    assert (ours, site.cohorts, site.enrolled) == ([], [], set())
    options = [{"name": "userfields", "value": "id,idnumber"}]
    assert one not in [user["id"] for user in site.call(ENROLLED, courseid=course, options=options)]
