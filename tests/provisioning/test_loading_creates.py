"""Creating accounts over HTTP: whoever Moodle takes is in, whoever it refuses stands alone with the reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provisioning.plans import CREATE, codes, create, hook_for, load_rows, people_in, plan_of, statuses

from moodle_coupling.provisioning.load.book import Book
from moodle_coupling.provisioning.load.job import Load, Pace
from moodle_coupling.provisioning.load.rows import sort_rows
from moodle_coupling.provisioning.load.writes import create_batch
from moodle_coupling.provisioning.wire import Wire
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import ENGLISH, Sentence


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


def test_everyone_is_created_with_exactly_what_was_planned(moodle):
    rows = [create(n, city="Utrecht", profile_field_customfield1=f"vrij {n}") for n in range(1, 121)]
    result = load_rows(moodle, rows)
    assert statuses(result) == {"done": 120}
    assert result.calls["create"] == 3
    assert result.extra_calls == 0
    there = people_in(moodle)
    assert len(there) == 120
    one = there["CV-00007"]
    assert (one["username"], one["city"], one["auth"]) == ("user00007", "Utrecht", "oidc")
    assert one["profile_fields"] == {"customfield1": "vrij 7"}
    ids = dict(zip(result.outcomes["idnumber"], result.outcomes["account_id"], strict=True))
    assert ids["CV-00007"] == one["id"]


def test_a_second_load_of_the_same_plan_creates_nobody(moodle):
    rows = [create(n) for n in range(1, 61)]
    load_rows(moodle, rows)
    before = moodle.accounts()
    result = load_rows(moodle, rows)
    assert statuses(result) == {"done": 60}
    assert set(codes(result).values()) == {"already_there"}
    assert "create" not in result.calls
    assert moodle.accounts() == before


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"email": "geen-adres"}, "invalidparameter"),
        ({"email": "jan@localhost"}, "invalidparameter"),
        ({"username": "Jan Jansen"}, "invalidparameter"),
        ({"firstname": "<b>Jan</b>"}, "invalidparameter"),
        ({"lastname": "x" * 101}, "dmlwriteexception"),
        ({"idnumber": "x" * 256}, "dmlwriteexception"),
        ({"auth": "bestaatniet"}, "value_not_taken"),
        ({"lang": "xx"}, "value_not_taken"),
        ({"auth": "manual"}, "value_not_taken"),
    ],
)
def test_one_bad_person_stands_alone_with_moodles_reason(moodle, bad, code):
    rows = [create(n, **(bad if n == 33 else {})) for n in range(1, 51)]
    result = load_rows(moodle, rows)
    assert codes(result) == {33: code}
    assert statuses(result) == {"done": 49, "rejected": 1}
    assert len(people_in(moodle)) == 49
    message = result.outcomes.loc[result.outcomes["row"] == 33, "message"].iloc[0]
    assert (next(iter(bad)) if code == "value_not_taken" else "core_user_create_users") in ENGLISH.say(message)
    assert result.extra_calls <= 2 + 2 * math.ceil(math.log2(50)) + 1


def test_a_taken_username_is_found_by_asking_and_names_the_account(moodle):
    [taken] = moodle.add_accounts([{"username": "user00020", "email": "ander@example.org", "idnumber": "ANDER"}])
    result = load_rows(moodle, [create(n) for n in range(1, 51)])
    assert codes(result) == {20: "username_taken"}
    row = result.outcomes[result.outcomes["row"] == 20].iloc[0]
    assert row["account_id"] == taken
    assert "ANDER" in ENGLISH.say(row["message"])
    # A question about what they share, two about who is there, and the rest in one call.
    assert result.extra_calls == 4


def test_a_taken_email_is_found_whatever_its_letter_case(moodle):
    [taken] = moodle.add_accounts([{"username": "ander", "email": "USER00020@Example.org"}])
    result = load_rows(moodle, [create(n) for n in range(1, 51)])
    assert codes(result) == {20: "email_taken"}
    assert result.outcomes.loc[result.outcomes["row"] == 20, "account_id"].iloc[0] == taken
    assert statuses(result) == {"done": 49, "rejected": 1}


def test_a_shared_email_is_no_obstacle_where_the_site_allows_it(moodle):
    moodle.settings.change({"allowaccountssameemail": True})
    moodle.add_accounts([{"username": "ouder", "email": "user00020@example.org"}])
    rows = [create(n, **({"country": "N3"} if n == 3 else {})) for n in range(1, 51)]
    result = load_rows(moodle, rows)
    assert codes(result) == {3: "invalidparameter"}
    assert "CV-00020" in people_in(moodle)


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_persons_with_one_email_are_never_sent_at_the_same_time(moodle, batch_size):
    rows = [create(n, email="gezin@example.org") for n in (1, 2, 3)] + [create(n) for n in range(4, 20)]
    result = load_rows(moodle, rows, batch_size=batch_size, parallel_requests=4)
    assert codes(result) == {2: "email_taken", 3: "email_taken"}
    assert sum(account["email"] == "gezin@example.org" for account in moodle.accounts()) == 1
    assert statuses(result) == {"done": 17, "rejected": 2}


def test_persons_with_one_email_are_all_in_where_the_site_allows_it(moodle):
    moodle.settings.change({"allowaccountssameemail": True})
    result = load_rows(moodle, [create(n, email="afdeling@example.org") for n in range(1, 121)])
    assert statuses(result) == {"done": 120}
    assert result.calls["create"] == 3


def test_a_read_only_database_is_no_rejection_on_a_later_try_either(moodle):
    load_rows(moodle, [create(n) for n in range(1, 6)])
    moodle.settings.change({"db_read_only": True})
    assert statuses(load_rows(moodle, [create(n) for n in range(1, 11)])) == {"done": 5, "failed": 5}


def test_a_person_of_an_earlier_try_is_recognised_inside_a_refused_batch(moodle):
    # The account came after the loader had asked who is there: it shows only when the batch is refused.
    moodle.add_accounts([{"username": "user00002", "email": "user00002@example.org", "idnumber": "CV-00002"}])
    with hook_for(moodle) as hook:
        book = Book()
        create_batch(Load(Wire(hook), book, Pace()), sort_rows(plan_of(create(n) for n in (1, 2, 3))).creates)
        outcomes = {
            outcome.index: outcome for outcome in book.close(range(3), code="", said=Sentence("load.not_sent_unknown"))
        }
    assert [str(outcomes[n].status) for n in range(3)] == ["done"] * 3
    assert outcomes[1].code == "already_there"
    assert len(people_in(moodle)) == 3


BAD = st.sampled_from(
    [
        {"email": "geen-adres"},
        {"username": "Jan"},
        {"firstname": "<i>x</i>"},
        {"lastname": "x" * 101},
        {"lang": "xx"},
        {"auth": "bestaatniet"},
        {"username": "bezet"},
        {"email": "bezet@example.org"},
    ]
)


@settings(max_examples=25, deadline=None)
@given(bad=st.dictionaries(st.integers(1, 40), BAD, max_size=12), debug=st.sampled_from(["none", "developer"]))
def test_whoever_is_bad_and_wherever_everyone_else_is_in(bad, debug):
    taken = {"username": "bezet", "email": "bezet@example.org", "idnumber": "BEZET"}
    with running_moodle(settings={"debug": debug}, accounts=[taken]) as moodle:
        result = load_rows(moodle, [create(n, **bad.get(n, {})) for n in range(1, 41)], batch_size=20)
        rejected = set(result.outcomes.loc[result.outcomes["status"] == "rejected", "row"])
        assert rejected == set(bad)
        assert set(people_in(moodle)) - {"BEZET"} == {f"CV-{n:05}" for n in range(1, 41) if n not in bad}
        assert len(moodle.calls.all(CREATE)) == result.calls["create"]
        # Per batch two questions and one call for the rest; per culprit at most a halving down to it.
        assert result.extra_calls <= 2 * 3 + len(bad) * (2 * math.ceil(math.log2(20)) + 2)


def test_names_are_taken_from_debuginfo_without_halving(moodle):
    moodle.settings.change({"debug": "developer"})
    rows = [create(n, **({"country": f"N{n % 10}"} if n in (7, 40) else {})) for n in range(1, 51)]
    result = load_rows(moodle, rows)
    assert codes(result) == {7: "invalidparameter", 40: "invalidparameter"}
    # A question about what they share, two about who is there, and the rest in one call after each that Moodle names.
    assert result.extra_calls == 5


def test_a_database_gone_read_only_makes_failures_not_rejections(moodle):
    moodle.settings.change({"db_read_only": True})
    result = load_rows(moodle, [create(n) for n in range(1, 9)])
    assert statuses(result) == {"failed": 8}
    moodle.settings.change({"db_read_only": False})
    assert statuses(load_rows(moodle, [create(n) for n in range(1, 9)])) == {"done": 8}


def test_a_setting_that_refuses_everyone_stops_the_load_within_bounds(moodle):
    result = load_rows(moodle, [create(n, lang="xx") for n in range(1, 401)], parallel_requests=1)
    assert result.stopped is not None
    assert "lang" in str(result.stopped)
    assert statuses(result) == {"failed": 400}
    assert sum(result.calls.values()) < 260


def test_a_person_without_a_name_is_never_sent(moodle):
    result = load_rows(moodle, [create(1), create(2, firstname="  "), create(3, idnumber="")])
    assert codes(result) == {2: "firstname_empty", 3: "idnumber_empty"}
    assert len(moodle.calls.all(CREATE)) == 1
