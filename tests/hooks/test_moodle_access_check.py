"""What the connection check says of cohorts and courses: only what a mapping asks for, each right by its name, nothing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hooks.servers import hook_for

from moodle_coupling.hooks.moodle.check import Finding, Level, Wants, check_site, explain, is_fit
from moodle_coupling.hooks.moodle.probes import AccessWants
from moodle_coupling.sandbox.moodle import ACCOUNT_FUNCTIONS, FUNCTIONS, running_moodle
from moodle_coupling.sandbox.moodle.site import ACCESS_CAPABILITIES, LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.sandbox.moodle import SandboxMoodle

PEOPLE = [
    {
        "username": f"jan{n}",
        "firstname": "Jan",
        "lastname": "Jansen",
        "email": f"jan{n}@example.org",
        "idnumber": f"P{n}",
    }
    for n in range(3)
]
SCHOOL: dict[str, Any] = {
    "cohorts": [
        {"name": "Docenten", "idnumber": "docenten", "members": ["svc-coupling", "jan0"]},
        {"name": "Leeg", "idnumber": "leeg"},
    ],
    "courses": [
        {"shortname": "BHV", "idnumber": "B-1", "participants": [{"username": "jan0"}]},
        {"shortname": "Uit", "manual": "off"},
        {"shortname": "Verborgen", "visible": False},
    ],
}
COHORTS = AccessWants(cohorts=True, cohort_idnumbers=("docenten",))
COURSES = AccessWants(courses=True, named_courses=(("shortname", "BHV"),), roles=("student",))
BOTH = replace(COURSES, cohorts=True, cohort_idnumbers=("docenten",))


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=PEOPLE, access=SCHOOL) as site:
        site.restrict_token(capabilities=LEAST_CAPABILITIES | ACCESS_CAPABILITIES)
        yield site


@pytest.fixture
def hook(moodle: SandboxMoodle) -> MoodleHook:
    return hook_for(moodle.url, moodle.token)


def checked(hook: MoodleHook, access: AccessWants) -> list[Finding]:
    return check_site(hook, Wants(access=access))


def of_level(findings: list[Finding], level: Level) -> list[str]:
    return [finding.code for finding in findings if finding.level is level]


def test_a_site_that_has_it_all_is_fit_and_nothing_was_changed(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    before = (moodle.access.as_json(), moodle.accounts(deleted=True))
    findings = checked(hook, replace(BOTH, create_cohorts=False))

    assert {"may_cohorts", "may_courses"} <= set(of_level(findings, Level.OK))
    assert {finding.level for finding in findings} == {Level.OK}, explain(findings)
    assert (moodle.access.as_json(), moodle.accounts(deleted=True)) == before


def test_with_every_right_a_cohort_is_not_made_either(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token()
    before = moodle.access.as_json()
    findings = checked(hook, replace(BOTH, create_cohorts=True, active=True, roles=("student", 5)))

    assert is_fit(findings), explain(findings)
    assert moodle.access.as_json() == before


def test_who_asks_for_no_access_hears_nothing_of_it(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(functions=ACCOUNT_FUNCTIONS, capabilities=LEAST_CAPABILITIES)
    findings = check_site(hook)

    assert is_fit(findings), explain(findings)
    assert not any(word in explain(findings) for word in ("cohort", "course"))
    assert not any("cohort" in call.function or "enrol" in call.function for call in moodle.calls.all())


@pytest.mark.parametrize(
    ("access", "missing"),
    [
        (
            COHORTS,
            ["core_cohort_get_cohorts", "core_cohort_get_cohort_members", "core_cohort_add_cohort_members",
             "core_cohort_delete_cohort_members"],
        ),
        (replace(COHORTS, create_cohorts=True), ["core_cohort_create_cohorts"]),
        (
            COURSES,
            ["core_course_get_courses_by_field", "core_enrol_get_enrolled_users", "enrol_manual_enrol_users",
             "enrol_manual_unenrol_users"],
        ),
    ],
)  # fmt: skip
def test_the_functions_that_access_needs_are_named(
    hook: MoodleHook, moodle: SandboxMoodle, access: AccessWants, missing: list[str]
) -> None:
    there = tuple(name for name in FUNCTIONS if name not in missing)
    moodle.restrict_token(functions=there, capabilities=LEAST_CAPABILITIES | ACCESS_CAPABILITIES)
    findings = checked(hook, access)

    assert of_level(findings, Level.ERROR) == ["functions_missing"]
    assert all(name in explain(findings) for name in missing)
    others = {"core_course_", "enrol_manual_"} if access.cohorts else {"core_cohort_"}
    assert not any(name in explain(findings) for name in others)
    assert not {"may_cohorts", "may_courses"} & set(of_level(findings, Level.OK))


@pytest.mark.parametrize(
    ("capability", "code"),
    [
        ("moodle/cohort:view", "cohort_view_denied"),
        ("moodle/cohort:assign", "cohort_assign_denied"),
        ("moodle/course:view", "course_closed"),
        ("moodle/course:viewparticipants", "participants_denied"),
        ("enrol/manual:enrol", "enrol_denied"),
        ("enrol/manual:unenrol", "unenrol_denied"),
        ("moodle/role:assign", "role_not_assignable"),
    ],
)
def test_a_missing_capability_is_named(hook: MoodleHook, moodle: SandboxMoodle, capability: str, code: str) -> None:
    moodle.restrict_token(capabilities=(LEAST_CAPABILITIES | ACCESS_CAPABILITIES) - {capability})
    findings = checked(hook, BOTH)

    assert of_level(findings, Level.ERROR) == [code]
    assert capability in explain(findings)


@pytest.mark.parametrize(
    ("access", "capability", "code"),
    [
        (replace(COHORTS, create_cohorts=True), "moodle/cohort:manage", "cohort_manage_denied"),
        (replace(COURSES, active=True), "moodle/course:enrolreview", "review_denied"),
    ],
)
def test_a_right_that_not_every_mapping_needs_is_named_to_those_that_do(
    hook: MoodleHook, access: AccessWants, capability: str, code: str
) -> None:
    findings = checked(hook, access)

    assert of_level(findings, Level.ERROR) == [code]
    assert capability in explain(findings)


def test_targets_that_are_not_there_are_named_and_stop_nothing(hook: MoodleHook) -> None:
    named = (("shortname", "BHV"), ("idnumber", "b-9"), ("shortname", "Verborgen"))
    findings = checked(hook, replace(BOTH, cohort_idnumbers=("docenten", "Docenten"), named_courses=named))

    assert is_fit(findings)
    assert of_level(findings, Level.WARNING) == ["cohort_unknown", "course_unknown", "course_unknown"]
    assert "Docenten" in explain(findings)


def test_a_cohort_that_will_be_made_may_be_missing(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token()
    findings = checked(hook, replace(COHORTS, cohort_idnumbers=("nieuw",), create_cohorts=True))
    assert "cohort_unknown" not in [finding.code for finding in findings]


def test_a_course_without_manual_enrolment_is_named(hook: MoodleHook) -> None:
    findings = checked(hook, replace(COURSES, named_courses=(("shortname", "Uit"),)))
    assert of_level(findings, Level.ERROR) == ["manual_off"]
    assert of_level(findings, Level.WARNING) == ["courses_untried"]
    assert "Uit" in explain(findings)


@pytest.mark.parametrize(
    ("role", "code"),
    [("student", ""), (5, ""), (4, "role_not_assignable"), ("teacher", "role_unknown"), (99, "role_not_assignable")],
)
def test_a_role_that_cannot_be_given_is_named(hook: MoodleHook, role: str | int, code: str) -> None:
    findings = checked(hook, replace(COURSES, roles=(role,)))
    assert [finding.code for finding in findings if finding.level is not Level.OK] == ([code] if code else [])
    assert is_fit(findings) is (code != "role_not_assignable")


def test_where_there_is_nothing_to_try_rights_on_that_is_said() -> None:
    with running_moodle(accounts=PEOPLE) as empty:
        findings = check_site(hook_for(empty.url, empty.token), Wants(access=AccessWants(cohorts=True, courses=True)))
    assert is_fit(findings)
    assert of_level(findings, Level.WARNING) == ["cohorts_untried", "courses_untried"]


def test_where_the_service_user_is_in_every_cohort_changing_members_is_not_tried(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    moodle.access.add_member(2, 3)
    findings = checked(hook, COHORTS)
    assert of_level(findings, Level.WARNING) == ["cohort_assign_untried"]
    assert moodle.access.members(2) == [3]
