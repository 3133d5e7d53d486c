"""The hook on any Moodle: the sandbox, or the real site that MOODLE_URL and MOODLE_TOKEN name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from moodle_coupling.errors import MoodleError, MoodleParameterRefused, MoodleTokenInvalid
from moodle_coupling.hooks.moodle.access_records import (
    Enrolment,
    MemberOutcome,
    Membership,
    NewCohort,
    Role,
    Unenrolment,
    is_of_one_target,
)
from moodle_coupling.hooks.moodle.check import Wants, check_site, explain, is_fit
from moodle_coupling.hooks.moodle.connection import from_connection
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.hooks.moodle.probes import AccessWants
from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.any_site import MoodleSite

pytestmark = pytest.mark.any_moodle

STUDENT = 5


def hook_for(site: MoodleSite, token: str = "") -> MoodleHook:
    connection = SimpleNamespace(
        conn_id="any", host=site.url, schema="", port=None, login="", password=token or site.token,
        extra_dejson={"allow_http": True},
    )  # fmt: skip
    return MoodleHook.from_settings(from_connection(connection))


@pytest.fixture
def hook(moodle_site: MoodleSite) -> Iterator[MoodleHook]:
    with hook_for(moodle_site) as open_hook:
        yield open_hook


def created(site: MoodleSite, hook: MoodleHook, *people: dict[str, str]) -> list[int]:
    ids = [one.id for one in hook.create_accounts([NewAccount(person) for person in people])]
    site.created += ids
    return ids


def test_the_site_is_fit_for_a_run(hook: MoodleHook) -> None:
    findings = check_site(hook)
    assert is_fit(findings), explain(findings)


def test_a_wrong_token_is_told_apart(moodle_site: MoodleSite) -> None:
    with hook_for(moodle_site, token="0" * 32) as stranger, pytest.raises(MoodleTokenInvalid):
        stranger.site_info()


def test_accounts_are_created_in_order_and_found_by_every_key(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    people = [moodle_site.person(firstname=name) for name in ("Zoë", "Ömer", "Σωκράτης")]
    ids = created(moodle_site, hook, *people)

    for field in ("idnumber", "username", "email"):
        read = hook.accounts_by_field(field, [person[field] for person in people])
        assert sorted(account.id for account in read.accounts) == sorted(ids)
        assert read.unreadable == ()
    by_id = {account.id: account for account in hook.accounts_by_field("id", ids).accounts}
    assert [by_id[id_].firstname for id_ in ids] == ["Zoë", "Ömer", "Σωκράτης"]
    assert not any(account.suspended for account in by_id.values())


def test_a_refused_create_makes_nobody(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    good, bad = moodle_site.person(), moodle_site.person(email="no address")
    with pytest.raises(MoodleParameterRefused):
        created(moodle_site, hook, good, bad)
    assert hook.accounts_by_field("username", [good["username"]]).accounts == ()


def test_an_update_names_whom_it_did_not_write_and_writes_the_others(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    (one,) = created(moodle_site, hook, moodle_site.person())
    unknown = 2_000_000_000
    warnings = hook.update_accounts(
        [AccountChange(one, {"department": "Zwolle", "suspended": True}), AccountChange(unknown, {"department": "X"})]
    )

    assert [warning.account_id for warning in warnings] == [unknown]
    (account,) = hook.accounts_by_field("id", [one]).accounts
    assert (account.value("department"), account.suspended) == ("Zwolle", True)


def test_one_odd_value_does_not_poison_a_read(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    person = moodle_site.person()
    created(moodle_site, hook, person)
    read = hook.accounts_by_field("username", [person["username"], "Not A Username"])
    assert [account.username for account in read.accounts] == [person["username"]]


def test_unknown_values_are_left_out(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    assert hook.accounts_by_field("idnumber", [f"{moodle_site.prefix}-nobody"]).accounts == ()


def test_members_of_a_cohort_are_added_read_and_taken_out(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    if "core_cohort_create_cohorts" not in moodle_site.functions():
        pytest.skip("the token's service has no functions for cohorts")
    wanted = moodle_site.cohort()
    (cohort,) = hook.create_cohorts([NewCohort(wanted["name"], wanted["idnumber"])])
    moodle_site.cohorts.append(cohort.id)
    one, two = created(moodle_site, hook, moodle_site.person(), moodle_site.person())
    unknown = 2_000_000_000

    results = hook.add_cohort_members([Membership(cohort.id, id_) for id_ in (one, unknown, two)])
    assert [result.outcome for result in results] == ["added", "no_account", "added"]
    (again,) = hook.add_cohort_members([Membership(cohort.id, one)])
    assert again.outcome is MemberOutcome.ALREADY
    read = hook.cohort_members([unknown, cohort.id])
    assert (read.members, read.unknown) == ({cohort.id: frozenset({one, two})}, (unknown,))

    hook.delete_cohort_members([Membership(cohort.id, one)])
    assert hook.cohort_members([cohort.id]).members == {cohort.id: frozenset({two})}
    assert cohort in hook.cohorts()


def test_people_are_enrolled_read_and_unenrolled(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    if not moodle_site.course:
        pytest.skip("say MOODLE_COURSE=shortname")
    course = hook.courses_by_field("shortname", [moodle_site.course])[moodle_site.course]
    one, two = created(moodle_site, hook, moodle_site.person(), moodle_site.person())
    moodle_site.enrolled |= {(course.id, one), (course.id, two)}

    hook.enrol_users([Enrolment(course.id, one, STUDENT), Enrolment(course.id, two, STUDENT, timeend=2_000_000_000)])
    roles = {person.account_id: person.roles for person in hook.participants(course.id)}
    assert roles[one] == roles[two] == (Role(STUDENT, "student"),)
    assert hook.roles_in([course.id])["student"] == STUDENT
    with pytest.raises(MoodleError) as caught:
        hook.enrol_users([Enrolment(course.id, one, 2_000_000_000)])
    assert is_of_one_target(caught.value)

    hook.unenrol_users([Unenrolment(course.id, one)])
    assert one not in [person.account_id for person in hook.participants(course.id)]


def test_the_site_is_fit_for_access(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    if not moodle_site.course or "core_cohort_create_cohorts" not in moodle_site.functions():
        pytest.skip("say MOODLE_COURSE=shortname, and give the service the functions for cohorts")
    moodle_site.created_cohort()
    access = AccessWants(
        cohorts=True, courses=True, named_courses=(("shortname", moodle_site.course),), roles=(STUDENT,)
    )
    findings = check_site(hook, Wants(access=access))
    assert is_fit(findings), explain(findings)
    assert {"may_cohorts", "may_courses"} <= {finding.code for finding in findings}
