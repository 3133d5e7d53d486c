"""A form of which the site drops the end, wherever it is cut: Moodle refuses it, does nothing and gives no part of an answer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hooks.servers import hook_for

from moodle_coupling.errors import MoodleRequestTooLarge, MoodleTokenInvalid
from moodle_coupling.hooks.moodle.answers import read_answer
from moodle_coupling.hooks.moodle.records import (
    AccountChange,
    NewAccount,
    changed_account,
    encode,
    form_of,
    new_account,
)
from moodle_coupling.sandbox.moodle import CAPABILITIES, FUNCTIONS, REPORT_FUNCTIONS, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.sandbox.moodle import SandboxMoodle

PEOPLE = [
    {
        "username": f"oud{number}",
        "firstname": "Jan",
        "lastname": f"Jansen {number}",
        "email": f"oud{number}@example.org",
        "idnumber": f"O{number}",
        "city": "Utrecht",
        "profile_field_customfield1": "oud",
        "profile_field_customfield2": "oud",
    }
    for number in range(3)
]


@contextmanager
def a_moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=PEOPLE, settings={"reports": [{"id": 1, "name": "Everyone"}]}) as site:
        functions = (*FUNCTIONS, *REPORT_FUNCTIONS, "core_user_delete_users")
        site.restrict_token(functions=functions, capabilities=frozenset(CAPABILITIES) | {"moodle/user:delete"})
        yield site


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    with a_moodle() as site:
        yield site


@pytest.fixture
def hook(moodle: SandboxMoodle) -> Iterator[MoodleHook]:
    with hook_for(moodle.url, moodle.token) as made:
        yield made


def new(number: int, profile: dict[str, str]) -> dict[str, Any]:
    fields = {
        "username": f"nieuw{number}",
        "firstname": "Fatima",
        "lastname": f"Yilmaz {number}",
        "email": f"nieuw{number}@example.org",
        "idnumber": f"N{number}",
        "auth": "manual",
        "lang": "en",
        "city": "Zwolle",
        "createpassword": True,
    }
    return new_account(NewAccount(fields, profile))


def changed(account_id: int, profile: dict[str, str]) -> dict[str, Any]:
    return changed_account(AccountChange(account_id, {"city": "Zwolle", "idnumber": f"X{account_id}"}, profile))


TWO_FIELDS = {"customfield1": "nieuw", "customfield2": "nieuw"}
CALLS = (
    "create",
    "create with profile fields",
    "update",
    "update with profile fields",
    "update of profile fields only",
    "delete",
    "look-up",
    "search",
    "reports",
    "report page",
)


def call_on(moodle: SandboxMoodle, call: str) -> tuple[str, dict[str, Any]]:
    """Give the function and the parameters of a call that this Moodle carries out."""
    ids = [account["id"] for account in moodle.accounts() if account["username"].startswith("oud")]
    criteria = [{"key": "lastname", "value": "Jansen 1"}, {"key": "email", "value": "oud1@%"}]
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "create": ("core_user_create_users", {"users": [new(number, {}) for number in range(3)]}),
        "create with profile fields": (
            "core_user_create_users",
            {"users": [new(number, TWO_FIELDS) for number in range(3)]},
        ),
        "update": ("core_user_update_users", {"users": [changed(id_, {}) for id_ in ids]}),
        "update with profile fields": (
            "core_user_update_users",
            {"users": [changed(id_, TWO_FIELDS) for id_ in ids]},
        ),
        "update of profile fields only": (
            "core_user_update_users",
            {"users": [changed_account(AccountChange(id_, {}, {"customfield1": ""})) for id_ in ids]},
        ),
        "delete": ("core_user_delete_users", {"userids": ids}),
        "look-up": ("core_user_get_users_by_field", {"field": "idnumber", "values": ["O0", "O1", "O2"]}),
        "search": ("core_user_get_users", {"criteria": criteria}),
        "reports": ("core_reportbuilder_list_reports", {"page": 0, "perpage": 100}),
        "report page": ("core_reportbuilder_retrieve_report", {"reportid": 1, "page": 0, "perpage": 100}),
    }
    return calls[call]


def answer_of(hook: MoodleHook, function: str, body: bytes) -> Any:
    raw = hook.post(body, function)
    return read_answer(raw.status, raw.headers, raw.body, function, sent_bytes=len(body))


@pytest.mark.parametrize("call", CALLS)
def test_wherever_a_form_is_cut_moodle_refuses_it(hook: MoodleHook, moodle: SandboxMoodle, call: str) -> None:
    function, params = call_on(moodle, call)
    form = form_of(moodle.token, function, params)
    before = moodle.accounts(deleted=True)
    for cut in range(len(form)):
        with pytest.raises((MoodleTokenInvalid, MoodleRequestTooLarge)):
            answer_of(hook, function, encode(form[:cut]))
    assert moodle.accounts(deleted=True) == before


@pytest.mark.parametrize("call", ["create with profile fields", "update with profile fields", "look-up"])
def test_so_it_does_where_the_body_breaks_off_in_the_middle_of_a_value(
    hook: MoodleHook, moodle: SandboxMoodle, call: str
) -> None:
    function, params = call_on(moodle, call)
    body = encode(form_of(moodle.token, function, params))
    before = moodle.accounts(deleted=True)
    for cut in {1, len(body) // 3, len(body) // 2, len(body) - 40, len(body) - 33, len(body) - 32, len(body) - 1}:
        with pytest.raises(MoodleTokenInvalid):
            answer_of(hook, function, body[:cut])
    assert moodle.accounts(deleted=True) == before


@pytest.mark.parametrize("call", CALLS)
def test_the_whole_form_is_carried_out(call: str) -> None:
    with a_moodle() as site, hook_for(site.url, site.token) as hook:
        before = site.accounts()
        function, params = call_on(site, call)
        answer = answer_of(hook, function, encode(form_of(site.token, function, params)))
        assert not (isinstance(answer, dict) and answer.get("warnings"))
        writes = function.split("_")[2] in ("create", "update", "delete")
        assert (site.accounts() != before) == writes


@pytest.mark.parametrize("limit", range(3, 26))
def test_php_itself_cuts_an_update_with_profile_fields(limit: int) -> None:
    with a_moodle() as site, hook_for(site.url, site.token) as hook:
        function, params = call_on(site, "update with profile fields")
        before = site.accounts()
        fields = len(form_of(site.token, function, params))
        with site.changed(max_input_vars=limit):
            if limit + 1 >= fields:  # PHP keeps one more than it says
                assert hook.call_once(function, **params) == {"warnings": []}
                return
            with pytest.raises(MoodleRequestTooLarge, match="did nothing"):
                hook.call_once(function, **params)
        assert site.accounts() == before


def test_a_token_that_moodle_does_not_know_stays_that(moodle: SandboxMoodle) -> None:
    with hook_for(moodle.url, "0" * 32) as hook, pytest.raises(MoodleTokenInvalid):
        hook.accounts_by_field("idnumber", ["O0", "O1"])


def test_a_read_of_which_the_end_is_dropped_is_made_of_smaller_ones_and_lacks_nobody(moodle: SandboxMoodle) -> None:
    with hook_for(moodle.url, moodle.token) as hook, moodle.changed(max_input_vars=60):
        read = hook.accounts_by_field("idnumber", [*(f"X{number}" for number in range(300)), "O0", "O1", "O2"])
    assert sorted(account.idnumber for account in read.accounts) == ["O0", "O1", "O2"]
    assert read.unreadable == ()
