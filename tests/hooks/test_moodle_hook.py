"""MoodleHook against a Moodle that answers over real HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hooks.servers import hook_for

from moodle_coupling.contract.fields import Account
from moodle_coupling.errors import (
    AnswerLost,
    CouplingPaused,
    InputError,
    MoodleAccessDenied,
    MoodleAnswerUnreadable,
    MoodleFunctionMissing,
    MoodleMaintenance,
    MoodleOverloaded,
    MoodleParameterRefused,
    MoodleRecordRefused,
    MoodleRequestTooLarge,
    MoodleTokenInvalid,
    NotAMoodle,
    SettingError,
)
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount, UpdateWarning
from moodle_coupling.hooks.wire import ATTEMPTS, LONGEST_WAIT
from moodle_coupling.sandbox.moodle import FUNCTIONS, Fault, FaultKind, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle import SandboxMoodle

CREATE, UPDATE, READ = "core_user_create_users", "core_user_update_users", "core_user_get_users_by_field"


def person(number: int, **values: Any) -> NewAccount:
    fields = {
        "username": f"jan{number}",
        "firstname": "Jan",
        "lastname": f"Jansen {number}",
        "email": f"jan{number}@example.org",
        "idnumber": f"P{number}",
        "auth": "oidc",
    }
    return NewAccount({**fields, **values}, {"customfield1": f"afdeling {number}", "customfield2": ""})


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle() as site:
        yield site


@pytest.fixture
def hook(moodle: SandboxMoodle) -> Iterator[MoodleHook]:
    with hook_for(moodle.url, moodle.token) as made:
        yield made


def test_the_site_says_who_it_is_and_what_the_token_may_call(hook: MoodleHook) -> None:
    info = hook.site_info()
    assert (info.username, info.userid) == ("svc-coupling", 3)
    assert info.release.startswith("5.1")
    assert CREATE in info.functions


def test_accounts_are_created_in_the_order_sent(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    made = hook.create_accounts([person(2), person(1)])
    assert [one.username for one in made] == ["jan2", "jan1"]
    stored = moodle.account("jan1")
    assert stored is not None
    assert (stored["id"], stored["idnumber"]) == (made[1].id, "P1")
    assert stored["profile_fields"] == {"customfield1": "afdeling 1"}


def test_nothing_to_write_is_no_call(hook: MoodleHook) -> None:
    assert hook.create_accounts([]) == []
    assert hook.update_accounts([]) == []
    assert hook.accounts_by_field("id", []).accounts == ()
    hook.delete_accounts([])
    assert hook.requests_made == 0


def test_a_refused_create_makes_nobody_and_is_not_tried_again(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    hook.create_accounts([person(1)])
    with pytest.raises(MoodleParameterRefused):
        hook.create_accounts([person(2), person(3, username="jan1")])
    with pytest.raises(MoodleRecordRefused):
        hook.create_accounts([person(2), person(3, idnumber="x" * 256)])
    assert moodle.account("jan2") is None
    assert (hook.requests_made, hook.waits) == (3, [])


def test_an_account_is_read_back_as_written(hook: MoodleHook) -> None:
    made = hook.create_accounts([person(1, city="Zeist", country="NL")])[0]
    read = hook.accounts_by_field("idnumber", ["P1", "P2"])
    assert read.unreadable == ()
    assert read.accounts == (
        Account(
            made.id,
            "jan1",
            "Jan",
            "Jansen 1",
            "jan1@example.org",
            "P1",
            mapped={
                "auth": "oidc",
                "lang": "en",
                "country": "NL",
                "city": "Zeist",
                "institution": "",
                "department": "",
                "timezone": "99",
                "theme": "",
            },
            profile={"customfield1": "afdeling 1"},
        ),
    )


def test_an_update_says_who_was_not_written_and_writes_the_others(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    one, two = hook.create_accounts([person(1), person(2)])
    warnings = hook.update_accounts(
        [
            AccountChange(one.id, {"suspended": True}, {"customfield1": ""}),
            AccountChange(two.id, {"email": "jan1@example.org"}),
            AccountChange(99_999_999, {"city": "x"}),
        ]
    )
    assert [(one.account_id, one.code) for one in warnings] == [
        (two.id, "useremailduplicate"),
        (99_999_999, "invaliduserid"),
    ]
    assert all(isinstance(one, UpdateWarning) and one.message for one in warnings)
    stored = moodle.account("jan1")
    assert stored is not None
    assert stored["suspended"] == 1
    assert stored["profile_fields"].get("customfield1", "") == ""
    read = hook.accounts_by_field("id", [one.id]).accounts[0]
    assert (read.suspended, read.profile) == (True, {})


@pytest.mark.parametrize("field", ["firstname", "lastname", "username", "email"])
def test_an_update_that_would_empty_a_name_is_not_sent(hook: MoodleHook, field: str) -> None:
    with pytest.raises(InputError, match=field):
        hook.update_accounts([AccountChange(50, {field: " "})])
    assert hook.requests_made == 0


def test_a_weak_password_in_an_update_is_unreadable_and_not_repeated(hook: MoodleHook) -> None:
    made = hook.create_accounts([person(1, auth="manual", password="Passw0rd!")])[0]
    with pytest.raises(MoodleAnswerUnreadable):
        hook.update_accounts([AccountChange(made.id, {"password": "abc"})])
    assert hook.waits == []


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_look_ups_are_split_so_that_they_fit(moodle: SandboxMoodle) -> None:
    hook = hook_for(moodle.url, moodle.token, max_input_vars=100)
    for start in range(0, 300, 5):
        hook.create_accounts([person(number) for number in range(start, start + 5)])
    before = hook.requests_made
    read = hook.accounts_by_field("idnumber", [f"P{number}" for number in range(300)])
    assert len(read.accounts) == 300
    assert hook.requests_made - before == 4


def test_an_odd_value_is_isolated_and_the_others_are_read(hook: MoodleHook) -> None:
    hook.create_accounts([person(number) for number in range(20)])
    names = [f"jan{number}" for number in range(20)]
    read = hook.accounts_by_field("username", [*names[:7], "Jan Jansen", *names[7:], "É"])
    assert sorted(one.username for one in read.accounts) == sorted(names)
    assert set(read.unreadable) == {"Jan Jansen", "É"}


def test_an_account_that_does_not_fit_the_sites_rules_does_not_poison_the_others(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    hook.create_accounts([person(number) for number in range(9)])
    moodle.add_accounts(
        [{"username": "josé", "firstname": "J", "lastname": "J", "email": "j@example.org", "idnumber": "X"}]
    )
    read = hook.accounts_by_field("idnumber", [*(f"P{number}" for number in range(9)), "X"])
    assert (len(read.accounts), read.unreadable) == (9, ("X",))


def test_deleted_accounts_are_left_out(hook: MoodleHook) -> None:
    one, two = hook.create_accounts([person(1), person(2)])
    hook.delete_accounts([one.id])
    assert [found.id for found in hook.accounts_by_field("id", [one.id, two.id]).accounts] == [two.id]


def test_a_hidden_email_is_not_an_empty_one(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    made = hook.create_accounts([person(1)])[0]
    with moodle.changed(showuseridentity=()):
        assert hook.accounts_by_field("id", [made.id]).accounts[0].email is None


def test_accounts_are_searched(hook: MoodleHook) -> None:
    hook.create_accounts([person(1), person(2)])
    assert [one.username for one in hook.find_accounts("email", "jan%@example.org")] == ["jan1", "jan2"]
    assert [one.username for one in hook.find_accounts("idnumber", "P2")] == ["jan2"]


@pytest.mark.parametrize("key", ["suspended", "customfield1", "city", ""])
def test_a_search_that_would_give_everyone_is_refused(hook: MoodleHook, key: str) -> None:
    with pytest.raises(InputError, match="gives everyone"):
        hook.find_accounts(key, "1")
    assert hook.requests_made == 0


def test_a_look_up_by_another_field_is_refused(hook: MoodleHook) -> None:
    with pytest.raises(InputError, match="lastname"):
        hook.accounts_by_field("lastname", ["x"])


# ---- forms that fit --------------------------------------------------------------------------------------------------


def test_a_form_over_max_input_vars_is_not_sent(hook: MoodleHook) -> None:
    with pytest.raises(MoodleRequestTooLarge, match="1603 form variables"):
        hook.create_accounts([person(number) for number in range(200)])
    assert hook.requests_made == 0


def test_a_larger_setting_is_proved_once_before_it_is_used(moodle: SandboxMoodle) -> None:
    hook = hook_for(moodle.url, moodle.token, max_input_vars=5000)
    hook.create_accounts([person(number) for number in range(200)])
    hook.create_accounts([person(number) for number in range(200, 400)])
    assert hook.requests_made == 4
    assert len(moodle.accounts()) == 403


def test_a_setting_the_site_does_not_have_is_found_out_before_anyone_is_half_written(moodle: SandboxMoodle) -> None:
    hook = hook_for(moodle.url, moodle.token, max_input_vars=5000)
    with moodle.changed(max_input_vars=1500):
        with pytest.raises(MoodleRequestTooLarge, match="fewer form variables"):
            hook.create_accounts([person(number) for number in range(200)])
        assert not hook.takes_variables(1502)  # PHP keeps one more than it says, and warns
        assert hook.takes_variables(1500)
    assert moodle.account("jan0") is None


def test_a_form_that_the_site_cuts_is_refused_whole_and_not_taken_for_a_bad_token(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    with moodle.changed(max_input_vars=504), pytest.raises(MoodleRequestTooLarge, match="803 variables"):
        hook.create_accounts([person(number) for number in range(100)])
    assert hook.waits == []
    assert moodle.account("jan0") is None


def test_a_body_over_post_max_size_is_too_large_and_not_a_bad_token(moodle: SandboxMoodle) -> None:
    hook = hook_for(moodle.url, moodle.token)
    with moodle.changed(post_max_size=100_000), pytest.raises(MoodleRequestTooLarge, match="threw away"):
        hook.create_accounts([person(1, city="x" * 120_000)])
    with moodle.changed(client_max_body_size=100_000), pytest.raises(MoodleRequestTooLarge, match="413"):
        hook.create_accounts([person(1, city="x" * 120_000)])


# ---- access ----------------------------------------------------------------------------------------------------------


def test_a_function_that_is_not_in_the_service_is_named(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(functions=tuple(name for name in FUNCTIONS if name != CREATE))
    with pytest.raises(MoodleFunctionMissing, match=CREATE):
        hook.create_accounts([person(1)])


def test_a_function_this_moodle_does_not_know_is_named(hook: MoodleHook) -> None:
    with pytest.raises(MoodleFunctionMissing, match="core_user_nonsense"):
        hook.call("core_user_nonsense")


def test_a_token_that_expired_is_said_to_have(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(valid_until=1)
    with pytest.raises(MoodleTokenInvalid, match="expired"):
        hook.create_accounts([person(1)])


def test_a_missing_capability_is_access_denied(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(capabilities=frozenset({"webservice/rest:use"}))
    with pytest.raises(MoodleAccessDenied, match="Create users"):
        hook.create_accounts([person(1)])


def test_deleting_who_is_not_there_is_a_refusal_and_no_missing_function(hook: MoodleHook) -> None:
    with pytest.raises(MoodleRecordRefused):
        hook.delete_accounts([99_999_999])


# ---- trying again ----------------------------------------------------------------------------------------------------


def test_a_write_is_tried_again_when_surely_nothing_was_done(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.faults.add(Fault(FaultKind.ERROR_503, first=2, retry_after=7))
    assert hook.create_accounts([person(1)])[0].username == "jan1"
    assert len(hook.waits) == 2
    assert all(7 <= wait < 9 for wait in hook.waits)


def test_attempts_are_bounded_and_wait_longer_each_time(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    with moodle.changed(db_down=True), pytest.raises(MoodleOverloaded):
        hook.create_accounts([person(1)])
    assert hook.requests_made == ATTEMPTS
    assert [int(wait) // 1 for wait in hook.waits] == sorted(int(wait) for wait in hook.waits)
    assert hook.waits[0] >= 1
    assert hook.waits[-1] >= 4


def test_a_site_that_asks_for_a_long_wait_is_left_to_the_tasks_own_retry(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    with moodle.changed(maintenance="cli"), pytest.raises(MoodleMaintenance) as caught:
        hook.create_accounts([person(1)])
    assert caught.value.retry_after == 300 > LONGEST_WAIT
    assert (hook.requests_made, hook.waits) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.ERROR_500, function=CREATE, after=True),
        Fault(FaultKind.ERROR_502, function=CREATE, after=True),
        Fault(FaultKind.ERROR_504, function=CREATE, after=True),
        Fault(FaultKind.RESET_AFTER, function=CREATE),
        Fault(FaultKind.RESET_BEFORE, function=CREATE),
        Fault(FaultKind.TRUNCATED, function=CREATE),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_a_write_whose_answer_is_lost_is_never_repeated(hook: MoodleHook, moodle: SandboxMoodle, fault: Fault) -> None:
    moodle.faults.add(fault)
    with pytest.raises(AnswerLost):
        hook.create_accounts([person(1)])
    assert (hook.requests_made, hook.waits) == (1, [])


@pytest.mark.parametrize("kind", [FaultKind.ERROR_502, FaultKind.RESET_AFTER, FaultKind.TRUNCATED])
def test_a_read_whose_answer_is_lost_is_repeated(hook: MoodleHook, moodle: SandboxMoodle, kind: FaultKind) -> None:
    moodle.faults.add(Fault(kind, function=READ, first=2))
    assert hook.accounts_by_field("username", ["guest"]).accounts[0].username == "guest"
    assert hook.requests_made == 3


def test_php_warnings_before_the_answer_do_no_harm(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.faults.add(Fault(FaultKind.PHP_WARNING))
    assert hook.create_accounts([person(1)])[0].username == "jan1"


def test_a_page_instead_of_an_answer_is_not_a_moodle(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.faults.add(Fault(FaultKind.HTML))
    with pytest.raises(NotAMoodle):
        hook.create_accounts([person(1)])


# ---- pause -----------------------------------------------------------------------------------------------------------


def test_the_guard_stands_before_every_request_also_the_repeated_ones(moodle: SandboxMoodle) -> None:
    calls: list[int] = []

    def guard() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise CouplingPaused("demo", "kerstvakantie")

    settings = hook_for(moodle.url, moodle.token).settings
    hook = MoodleHook.from_settings(settings, guard=guard, sleep=lambda _: None)
    with moodle.changed(db_down=True), pytest.raises(CouplingPaused, match="kerstvakantie"):
        hook.accounts_by_field("id", [1])
    assert hook.requests_made == 2


# ---- Airflow ---------------------------------------------------------------------------------------------------------


def test_the_hook_reads_airflows_connection(moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch) -> None:
    host = moodle.url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__LEREN", "false")
    monkeypatch.setenv("AIRFLOW_CONN_LEREN", f"moodle://:{moodle.token}@{host}/?batch_size=20")
    hook = MoodleHook("leren")
    assert hook.settings.batch_size == 20
    assert hook.site_info().username == "svc-coupling"
    assert moodle.token not in repr(hook)


def test_a_connection_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="nergens"):
        _ = MoodleHook("nergens").settings


def test_no_persons_values_are_logged_at_info(
    hook: MoodleHook, moodle: SandboxMoodle, caplog: pytest.LogCaptureFixture
) -> None:
    moodle.faults.add(Fault(FaultKind.ERROR_503, first=1))
    with caplog.at_level(logging.DEBUG):
        hook.create_accounts([person(1)])
    assert "Attempt 1" in caplog.text
    assert not any(word in caplog.text for word in ("Jansen", "jan1", moodle.token))
