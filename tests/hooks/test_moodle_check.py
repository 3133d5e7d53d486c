"""The connection check tells apart what is the matter, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests_mock as mocking
from hooks.servers import answer, hook_for, listening, read_request

from moodle_coupling.errors import CouplingPaused, SettingError
from moodle_coupling.hooks.moodle.check import Finding, Level, Wants, check_site, create_cost, explain, is_fit
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.sandbox.moodle import CAPABILITIES, FUNCTIONS, running_moodle

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from hooks.servers import Listener

    from moodle_coupling.sandbox.moodle import SandboxMoodle

PEOPLE = [
    {
        "username": f"jan{number}",
        "firstname": "Jan",
        "lastname": "Jansen",
        "email": f"jan{number}@example.org",
        "idnumber": f"P{number}",
        "profile_field_customfield1": "afdeling",
    }
    for number in range(10)
]


@pytest.fixture
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=PEOPLE) as site:
        yield site


@pytest.fixture
def hook(moodle: SandboxMoodle) -> MoodleHook:
    return hook_for(moodle.url, moodle.token)


def errors(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings if finding.level is Level.ERROR]


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_site_set_up_as_it_should_is_fit_and_nothing_was_written(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    before = moodle.accounts(deleted=True)
    findings = check_site(hook, Wants(profile_fields={"customfield1": ""}))
    assert is_fit(findings)
    assert {finding.level for finding in findings} == {Level.OK}
    assert moodle.accounts(deleted=True) == before
    assert hook.requests_made < 12


def test_a_site_without_a_single_person_is_fit_too() -> None:
    with running_moodle() as empty:
        findings = check_site(hook_for(empty.url, empty.token))
    assert is_fit(findings), explain(findings)


@pytest.mark.parametrize("release", ["4.5", "5.1"])
def test_it_says_which_moodle_it_is(hook: MoodleHook, moodle: SandboxMoodle, release: str) -> None:
    with moodle.changed(release=release):
        assert f"runs Moodle {release}" in explain(check_site(hook))


@pytest.mark.parametrize(
    ("capability", "code"),
    [
        ("webservice/rest:use", "access_denied"),
        ("moodle/user:create", "create_denied"),
        ("moodle/user:update", "update_denied"),
        ("moodle/user:viewdetails", "accounts_invisible"),
        ("moodle/user:viewalldetails", "idnumber_invisible"),
        ("moodle/site:viewuseridentity", "email_invisible"),
    ],
)
def test_a_missing_capability_is_named(hook: MoodleHook, moodle: SandboxMoodle, capability: str, code: str) -> None:
    moodle.restrict_token(capabilities=frozenset(CAPABILITIES) - {capability})
    findings = check_site(hook)
    assert errors(findings) == [code]
    assert capability in explain(findings) or code == "access_denied"


def test_capabilities_that_are_not_needed_are_not_asked_for(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(
        capabilities=frozenset(CAPABILITIES) - {"moodle/user:delete", "moodle/user:viewhiddendetails"},
        functions=tuple(name for name in FUNCTIONS if name != "core_user_delete_users"),
    )
    assert is_fit(check_site(hook))


def test_every_missing_function_is_named(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.restrict_token(functions=("core_webservice_get_site_info", "core_user_get_users_by_field"))
    findings = check_site(hook)
    assert errors(findings) == ["functions_missing"]
    for name in ("core_user_create_users", "core_user_update_users", "core_user_get_users."):
        assert name in explain(findings)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enablewebservices": False}, "web_services_off"),
        ({"rest_enabled": False}, "web_services_off"),
        ({"maintenance": "cli"}, "maintenance"),
        ({"maintenance": "config"}, "maintenance"),
        ({"upgrade_running": True}, "maintenance"),
        ({"php_down": True}, "no_answer"),
        ({"db_down": True}, "overloaded"),
        ({"sitepolicy": True}, "service_user_blocked"),
        ({"showuseridentity": ()}, "email_invisible"),
        ({"max_input_vars": 400}, "max_input_vars"),
        ({"max_input_vars": 400, "display_errors": True}, "max_input_vars"),
    ],
)
def test_a_site_that_is_not_ready_is_told_apart(
    hook: MoodleHook, moodle: SandboxMoodle, changes: dict[str, Any], code: str
) -> None:
    with moodle.changed(**changes):
        findings = check_site(hook)
    assert errors(findings) == [code]
    assert not hook.waits


@pytest.mark.parametrize(
    ("token", "code", "word"),
    [
        ({"valid_until": 1}, "token_invalid", "expired"),
        ({"ip_restriction": "192.0.2.1"}, "access_denied", "IP"),
        ({"service_enabled": False}, "access_denied", "disabled"),
    ],
)
def test_a_token_that_does_not_do_is_told_apart(
    hook: MoodleHook, moodle: SandboxMoodle, token: dict[str, Any], code: str, word: str
) -> None:
    moodle.restrict_token(**token)
    findings = check_site(hook)
    assert errors(findings) == [code]
    assert word in explain(findings)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("502,function=core_user_create_users", "no_answer"), ("503,function=core_user_update_users", "overloaded")],
)
def test_trouble_half_way_that_may_pass_is_called_that(
    hook: MoodleHook, moodle: SandboxMoodle, fault: str, code: str
) -> None:
    moodle.faults.add(fault)
    assert errors(check_site(hook)) == [code]


def test_a_wrong_token_is_told_apart(moodle: SandboxMoodle) -> None:
    assert errors(check_site(hook_for(moodle.url, "0" * 32))) == ["token_invalid"]


def test_profile_fields_are_found_misspelt_or_left_open(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    findings = check_site(hook, Wants(profile_fields={"customfield1": "", "CustomField1": "", "afdeling": ""}))
    assert errors(findings) == ["profile_field_case"]
    levels = {finding.code: finding.level for finding in findings}
    assert (levels["profile_field"], levels["profile_field_unverified"]) == (Level.OK, Level.WARNING)
    assert "Profile field 'customfield1' exists, of type text." in explain(findings)


@pytest.mark.parametrize(("said", "fits"), [("text", True), ("textarea", True), ("menu", False), ("datetime", False)])
def test_a_type_that_the_site_contradicts_is_an_error(hook: MoodleHook, said: str, *, fits: bool) -> None:
    findings = check_site(hook, Wants(profile_fields={"customfield1": said}))
    assert errors(findings) == ([] if fits else ["profile_field_type"])
    if not fits:
        assert f"is of type text on this site, and the mapping file says {said}" in explain(findings)
        assert "profile_fields.customfield1.type" in explain(findings)


def test_a_profile_field_that_nobody_has_filled_is_not_guessed_about(hook: MoodleHook) -> None:
    findings = check_site(hook, Wants(profile_fields={"customfield2": ""}))
    assert "could not be verified, nor its type" in explain(findings)
    assert is_fit(findings)


LEAST = frozenset(
    {
        "webservice/rest:use",
        "moodle/user:create",
        "moodle/user:update",
        "moodle/user:viewdetails",
        "moodle/user:viewalldetails",
        "moodle/site:viewuseridentity",
    }
)


@pytest.mark.parametrize(("field", "code"), [("suspended", "suspended_invisible"), ("email", "email_invisible")])
def test_a_hidden_field_that_every_run_needs_is_an_error_with_setting_and_capability(
    hook: MoodleHook, moodle: SandboxMoodle, field: str, code: str
) -> None:
    moodle.restrict_token(capabilities=LEAST)
    with moodle.changed(hiddenuserfields=(field,)):
        findings = check_site(hook)
    (found,) = [finding for finding in findings if finding.code == code]
    assert found.level is Level.ERROR
    assert "hiddenuserfields" in found.remedy
    assert "moodle/user:viewhiddendetails" in found.remedy
    moodle.restrict_token(capabilities=LEAST | {"moodle/user:viewhiddendetails"})
    with moodle.changed(hiddenuserfields=(field,)):
        assert errors(check_site(hook)) == []


def test_a_field_that_no_account_shows_is_a_warning_for_the_mapping_that_compares_it(
    hook: MoodleHook, moodle: SandboxMoodle
) -> None:
    moodle.restrict_token(capabilities=LEAST)
    moodle.add_accounts([{**PEOPLE[0], "username": "ver", "email": "ver@example.org", "id": 5000, "city": "Assen"}])
    wants = Wants(compared=("city",))
    (found,) = [finding for finding in check_site(hook, wants) if finding.level is Level.WARNING]
    assert found.code == "field_unseen"
    assert "'city'" in found.message
    assert "hiddenuserfields" in found.message
    assert "moodle/user:viewhiddendetails" in found.remedy
    assert "field_unseen" not in codes(check_site(hook))
    assert "field_unseen" not in codes(check_site(hook, Wants(compared=("city",), known_ids=(5000,))))
    with moodle.changed(hiddenuserfields=("city",)):
        assert "field_unseen" in codes(check_site(hook, Wants(compared=("city",), known_ids=(5000,))))


@pytest.mark.parametrize(
    ("field", "value"), [("lang", "nl"), ("auth", "saml9"), ("theme", "none-such"), ("institution", "<b>x</b>")]
)
def test_a_value_of_the_mapping_that_the_site_does_not_take_is_found_beforehand_and_nothing_is_written(
    hook: MoodleHook, moodle: SandboxMoodle, field: str, value: str
) -> None:
    before = moodle.accounts(deleted=True)
    good = {("auth", "oidc"): "fields.auth.value", ("country", "NL"): "fields.country.value"}
    findings = check_site(hook, Wants(values={**good, (field, value): f"fields.{field}.value"}))
    (found,) = [finding for finding in findings if finding.level is Level.ERROR]
    assert found.code == "value_not_taken"
    assert f"Moodle does not take {field}" in found.message
    assert f"fields.{field}.value" in found.message
    assert found.remedy
    assert errors(check_site(hook, Wants(values=good))) == []
    assert is_fit(check_site(hook, Wants(values={(field, value): f"fields.{field}.default"})))
    assert moodle.accounts(deleted=True) == before


@pytest.mark.parametrize("auth", ["manual", "nologin", "none", "email", "lti"])
def test_an_auth_plugin_whose_passwords_moodle_keeps_needs_one_made(hook: MoodleHook, auth: str) -> None:
    values = {("auth", auth): "fields.auth.value"}
    assert errors(check_site(hook, Wants(values=values, with_password=False))) == ["auth_unfit"]
    assert errors(check_site(hook, Wants(values=values))) == []


@pytest.mark.parametrize("auth", ["webservice", "mnet"])
def test_an_auth_plugin_that_no_new_account_can_have_is_named(hook: MoodleHook, auth: str) -> None:
    findings = check_site(hook, Wants(values={("auth", auth): "fields.auth.value"}))
    assert errors(findings) == ["auth_unfit"]
    assert auth in explain(findings)


@pytest.mark.parametrize("auth", ["db", "ldap", "shibboleth", "oauth2", "oidc"])
def test_other_auth_plugins_need_no_password(hook: MoodleHook, auth: str) -> None:
    assert errors(check_site(hook, Wants(values={("auth", auth): "fields.auth.value"}, with_password=False))) == []


def test_a_batch_that_does_not_fit_is_told_with_what_the_site_takes(moodle: SandboxMoodle) -> None:
    findings = check_site(hook_for(moodle.url, moodle.token, batch_size=200))
    warning = next(finding for finding in findings if finding.code == "batch_size")
    assert warning.level is Level.WARNING
    assert "5000" in warning.remedy


def test_a_max_input_vars_that_is_too_high_is_told_with_what_fits(moodle: SandboxMoodle) -> None:
    hook = hook_for(moodle.url, moodle.token, max_input_vars=5000)
    with moodle.changed(max_input_vars=1000):
        findings = check_site(hook)
    assert errors(findings) == ["max_input_vars"]
    assert "to 1000" in explain(findings)


def test_a_site_that_calls_itself_otherwise_may_be_a_copy(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    with moodle.changed(siteurl="https://moodle.example.org"):
        findings = check_site(hook)
    assert "site_url" in codes(findings)
    assert is_fit(findings)


def test_an_odd_account_in_the_sample_does_not_hide_the_others(hook: MoodleHook, moodle: SandboxMoodle) -> None:
    moodle.add_accounts([{"username": "josé", "firstname": "J", "lastname": "J", "email": "j@example.org"}])
    assert is_fit(check_site(hook))


def test_nothing_there_and_nothing_like_a_moodle_there() -> None:
    assert errors(check_site(hook_for("http://127.0.0.1:1"))) == ["unreachable"]

    def page(conn: socket.socket, listener: Listener) -> None:
        read_request(conn)
        conn.sendall(answer(b"<!DOCTYPE html><html><title>Welkom</title></html>"))

    with listening(page) as server:
        assert errors(check_site(hook_for(server.url))) == ["not_a_moodle"]


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ('[{"error": false, "data": {"enablewebservices": 0}}]', "web_services_off"),
        ('[{"error": false, "data": {"enablewebservices": 1}}]', "rest_off"),
        ('[{"error": true, "exception": {}}]', "web_services_off"),
        ("<html></html>", "web_services_off"),
    ],
)
def test_web_services_off_and_rest_off_are_told_apart_where_the_site_tells(config: str, code: str) -> None:
    hook = hook_for("https://moodle.example.org")
    with mocking.Mocker() as site:
        site.post("https://moodle.example.org/webservice/rest/server.php", status_code=403)
        public = site.post("https://moodle.example.org/lib/ajax/service-nologin.php", text=config)
        assert errors(check_site(hook)) == [code]
    assert hook.settings.token not in public.last_request.text


def test_while_paused_nothing_is_asked(moodle: SandboxMoodle) -> None:
    def guard() -> None:
        raise CouplingPaused("demo", "kerstvakantie")

    hook = MoodleHook.from_settings(hook_for(moodle.url, moodle.token).settings, guard=guard)
    with pytest.raises(CouplingPaused, match="kerstvakantie"):
        check_site(hook)
    assert hook.test_connection() == (False, "Environment 'demo' is paused: kerstvakantie")
    assert moodle.calls.all() == []


def test_the_button_says_yes_or_what_to_mend(
    hook: MoodleHook, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, text = hook.test_connection()
    assert fit
    assert "runs Moodle" in text
    with moodle.changed(maintenance="config"):
        assert hook.test_connection()[0] is False
    monkeypatch.setenv("AIRFLOW_CONN_LEEG", "moodle://moodle.example.org")
    fit, text = MoodleHook("leeg").test_connection()
    assert (fit, "Web service token" in text) == (False, True)


def test_a_wrong_connection_is_a_setting_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LEEG", "moodle://moodle.example.org")
    with pytest.raises(SettingError, match="leeg"):
        check_site(MoodleHook("leeg"))


def test_the_worst_is_told_first() -> None:
    findings = [
        Finding(Level.OK, "a", "goed"),
        Finding(Level.ERROR, "b", "fout", "doe iets"),
        Finding(Level.WARNING, "c", "pas op"),
    ]
    assert explain(findings).splitlines() == ["ERROR: fout doe iets", "WARNING: pas op", "OK: goed"]


@pytest.mark.parametrize(
    ("milliseconds", "wants", "level"),
    [
        (3.1, Wants(with_password=False), "ok"),
        (23.5, Wants(with_password=False), "warning"),  # PostgreSQL with 43,000 accounts
        (41.9, Wants(with_password=False), "warning"),  # MariaDB with 40,000
        (12.7, Wants(), "ok"),  # Moodle makes passwords
        (7.0, Wants({f"f{n}": "" for n in range(5)}, with_password=False), "ok"),
    ],
)
def test_what_creating_took_is_said_and_where_it_is_much_what_can_be_done(milliseconds, wants, level):
    found = create_cost(500, milliseconds, wants)
    assert (found.code, str(found.level)) == ("create_cost", level)
    assert f"{milliseconds:.0f} ms" in found.message
    assert ("docs/performance.md" in found.remedy) == (level == "warning")
