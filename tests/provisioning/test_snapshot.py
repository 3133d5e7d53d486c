"""The snapshot holds whoever a candidate can be or be confused with, and refuses a site that hides e-mail addresses."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provisioning.plans import hook_for

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.matching.frames import CANDIDATE_COLUMNS
from moodle_coupling.people.usernames import numbered
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import CAPABILITIES, running_moodle

READ = "core_user_get_users_by_field"


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


def candidates(*people: dict[str, object]) -> pd.DataFrame:
    defaults = dict.fromkeys(CANDIDATE_COLUMNS, "") | {"inactive": False, "in_scope": True}
    rows = [defaults | {"row": number} | person for number, person in enumerate(people, 1)]
    return pd.DataFrame(rows, columns=list(CANDIDATE_COLUMNS))


def account(username: str, **fields: object) -> dict[str, object]:
    return {"username": username, "firstname": "V", "lastname": "A", "email": f"{username}@example.org"} | fields


def read(moodle, *people, full=False, **connection):
    with hook_for(moodle, **connection) as hook:
        return read_accounts(hook, candidates(*people), full=full)


def names(snapshot) -> set[str]:
    return set(snapshot.accounts["username"])


def test_accounts_are_found_by_idnumber_email_and_username_and_nobody_else(moodle):
    moodle.add_accounts(
        [
            account("a", idnumber="CV-1", profile_field_customfield1="vrij", city="Assen"),
            account("b", email="Piet@Example.org"),
            account("jan-jansen"),
            account("iemand-anders", idnumber="CV-99"),
        ]
    )
    snapshot = read(
        moodle,
        {"idnumber": "CV-1", "email": "jan@example.org", "username": "jan-jansen"},
        {"idnumber": "CV-2", "email": "piet@example.org", "username": "piet"},
    )
    assert names(snapshot) == {"a", "b", "jan-jansen"}
    first = snapshot.accounts.set_index("username").loc["a"]
    assert (first["idnumber"], first["city"], first["profile_field_customfield1"]) == ("CV-1", "Assen", "vrij")
    assert snapshot.unreadable == ()


def test_a_near_spelling_of_the_idnumber_is_found(moodle):
    moodle.add_accounts([account("a", idnumber="cv-1"), account("b", idnumber="CV-2 ")])
    assert names(read(moodle, {"idnumber": "CV-1"}, {"idnumber": "CV-2"})) == {"a", "b"}


def test_what_only_the_database_takes_for_equal_is_dropped(moodle):
    # MariaDB sees é and e as the same letter; they are two people.
    moodle.add_accounts([account("a", idnumber="Andre"), account("b", idnumber="Andr\u00e9")])
    assert names(read(moodle, {"idnumber": "Andre"})) == {"a"}


def test_an_account_that_settles_its_person_asks_no_more(moodle):
    moodle.add_accounts(account(f"jan{n}", idnumber=f"CV-{n}") for n in range(2, 30))
    people = [{"idnumber": f"CV-{n}", "email": f"JAN{n}@example.org", "username": "jan"} for n in range(2, 30)]
    snapshot = read(moodle, *people)
    assert len(snapshot.accounts) == 28
    assert snapshot.calls == 1
    assert len(moodle.calls.all(READ)) == 1


@settings(max_examples=15, deadline=None)
@given(taken=st.sets(st.integers(1, 40)), wanting=st.integers(1, 6))
def test_as_many_free_numbers_are_known_as_persons_may_need(taken, wanting):
    with running_moodle() as moodle:
        moodle.add_accounts(account("jan" if n == 1 else numbered("jan", n)) for n in taken)
        people = [{"idnumber": f"CV-{n}", "email": f"x{n}@example.org", "username": "jan"} for n in range(wanting)]
        snapshot = read(moodle, *people)
        known = names(snapshot)
        free = [n for n in range(1, 100) if n not in taken][:wanting]
        below = {"jan" if n == 1 else numbered("jan", n) for n in taken if n < free[-1]}
        assert below <= known
        assert snapshot.calls <= 2 + 6


def test_a_persons_name_that_is_free_needs_no_look_at_its_numbers(moodle):
    snapshot = read(moodle, {"idnumber": "CV-1", "email": "jan@example.org", "username": "jan"})
    assert snapshot.calls == 3
    assert len(snapshot.accounts) == 0


def test_hidden_emails_refuse_the_run(moodle):
    moodle.add_accounts([account("a", idnumber="CV-1")])
    moodle.restrict_token(capabilities=frozenset(CAPABILITIES) - {"moodle/site:viewuseridentity"})
    with pytest.raises(MoodleAccessDenied, match="viewuseridentity"):
        read(moodle, {"idnumber": "CV-1"})


def test_an_odd_account_does_not_hide_the_others(moodle):
    moodle.add_accounts([account(f"u{n}", idnumber=f"CV-{n}") for n in range(1, 20)])
    moodle.add_accounts([account("jos\u00e9", email="jose@example.org", idnumber="CV-50")])
    snapshot = read(moodle, *({"idnumber": f"CV-{n}"} for n in [*range(1, 20), 50]))
    assert len(snapshot.accounts) == 19
    assert "CV-50" in snapshot.unreadable


def test_many_candidates_are_asked_in_calls_that_fit(moodle):
    moodle.settings.change({"max_input_vars": 120})
    moodle.add_accounts(account(f"u{n}", idnumber=f"{n}") for n in range(1, 301))
    snapshot = read(
        moodle, *({"idnumber": f"{n}", "email": f"u{n}@example.org"} for n in range(1, 401)), max_input_vars=120
    )
    assert len(snapshot.accounts) == 300
    assert max(call.fields for call in moodle.calls.all(READ)) <= 120


def test_an_account_known_by_its_link_is_found_whatever_became_of_its_number(moodle):
    emptied, other, renamed = moodle.add_accounts(
        [account("a", idnumber=""), account("b", idnumber="X-9"), account("c", idnumber="CV-3")]
    )
    links = pd.DataFrame({"account_id": [emptied, other, renamed, 999], "idnumber": ["CV-1", "CV-2", "CV-3", "CV-4"]})
    people = candidates(*({"idnumber": f"CV-{n}"} for n in (1, 3, 4)))
    with hook_for(moodle) as hook:
        snapshot = read_accounts(hook, people, known=links)
        # Only the links of those who are looked at: CV-2 is nobody here.
        assert names(snapshot) == {"a", "c"}
        assert names(read_accounts(hook, people, account_ids=[other])) == {"b", "c"}
    assert (snapshot.strategy, snapshot.total) == ("", None)


def test_an_odd_account_is_named_once_in_the_spelling_of_the_source(moodle):
    moodle.add_accounts([account("jos\u00e9", email="jose@example.org", idnumber="Cv-50")])
    assert read(moodle, {"idnumber": "Cv-50"}).unreadable == ("Cv-50",)


def test_a_full_snapshot_holds_everyone_once(moodle):
    moodle.add_accounts(account(f"{c}x", email=f"{c}x@example.org", idnumber=c) for c in "abcxyz059_-")
    moodle.add_accounts([account("leeg", email="", idnumber="CV-1")])
    snapshot = read(moodle, {"idnumber": "CV-1"}, full=True)
    assert {f"{c}x" for c in "abcxyz059_-"} | {"admin", "leeg"} <= names(snapshot)
    assert snapshot.accounts["id"].is_unique


def test_a_full_snapshot_goes_around_an_odd_account(moodle):
    moodle.add_accounts([account(f"jan{n}") for n in range(5)])
    (odd,) = moodle.add_accounts([account("jos\u00e9", email="jaap@example.org")])
    snapshot = read(moodle, full=True)
    assert {f"jan{n}" for n in range(5)} <= names(snapshot)
    assert snapshot.unreadable == (str(odd),)
