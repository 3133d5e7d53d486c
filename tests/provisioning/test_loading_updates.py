"""Changing accounts over HTTP: each on its own, nothing emptied, nothing written that was not planned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provisioning.plans import UPDATE, change, codes, create, load_rows, people_in, plan_of, row, statuses

from moodle_coupling.provisioning.load.loader import load
from moodle_coupling.provisioning.load.rows import OUTCOME_COLUMNS
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import ENGLISH


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


def add(moodle, count):
    return moodle.add_accounts(
        {
            "username": f"user{n:05}",
            "firstname": f"Voor{n}",
            "lastname": "Achter",
            "email": f"user{n:05}@example.org",
            "idnumber": f"CV-{n:05}",
            "city": "Assen",
            "profile_field_customfield1": "oud",
            "profile_field_customfield2": "blijft",
        }
        for n in range(1, count + 1)
    )


def test_only_what_was_planned_is_written(moodle):
    [first, second] = add(moodle, 2)
    before = people_in(moodle)["CV-00002"]
    result = load_rows(
        moodle,
        [
            change(1, first, lastname="Nieuw", profile_field_customfield1=""),
            row(2, "none", verdict="linked", account_id=second),
        ],
    )
    assert list(result.outcomes["status"]) == ["done", "skipped"]
    changed = people_in(moodle)["CV-00001"]
    assert (changed["firstname"], changed["lastname"], changed["city"]) == ("Voor1", "Nieuw", "Assen")
    assert changed["profile_fields"].get("customfield1", "") == ""
    assert changed["profile_fields"]["customfield2"] == "blijft"
    assert people_in(moodle)["CV-00002"] == before


def test_linking_suspending_and_reactivating_are_changes_too(moodle):
    ids = add(moodle, 3)
    rows = [
        change(1, ids[0], "link", idnumber=("CV-00001", "NIEUW")),
        change(2, ids[1], "suspend", suspended=True),
        change(3, ids[2], "reactivate", suspended=False),
    ]
    moodle.table.update(ids[2], {"suspended": 1})
    assert statuses(load_rows(moodle, rows)) == {"done": 3}
    there = people_in(moodle)
    assert there["NIEUW"]["id"] == ids[0]
    assert (there["CV-00002"]["suspended"], there["CV-00003"]["suspended"]) == (1, 0)


@pytest.mark.parametrize(
    ("planned", "meanwhile"),
    [
        ({"idnumber": ("", "NIEUW")}, {"city": "Emmen"}),
        ({"idnumber": ("CV-00001", "NIEUW")}, {"idnumber": "VAN-IEMAND"}),
        ({"suspended": (False, True), "city": "Emmen"}, {"suspended": 1}),
    ],
    ids=["it had an idnumber all along", "it is another's by now", "someone else suspended it"],
)
def test_what_says_whose_account_it_is_must_still_be_as_the_plan_saw_it(moodle, planned, meanwhile):
    [one, other] = add(moodle, 2)
    moodle.table.update(one, meanwhile)
    before = moodle.account("user00001")
    result = load_rows(moodle, [change(1, one, **planned), change(2, other, suspended=True)])
    assert codes(result) == {1: "changed_meanwhile"}
    assert statuses(result) == {"rejected": 1, "done": 1}
    assert moodle.account("user00001") == before


def test_what_is_as_planned_already_is_done_without_another_write(moodle):
    [one] = add(moodle, 1)
    moodle.table.update(one, {"suspended": 1})
    assert statuses(load_rows(moodle, [change(1, one, "suspend", suspended=True)])) == {"done": 1}
    assert moodle.calls.all(UPDATE) == []


def test_an_account_that_is_gone_is_not_suspended(moodle):
    assert codes(load_rows(moodle, [change(1, 999_999, "suspend", suspended=True)])) == {1: "account_gone"}


@pytest.mark.parametrize("field", ["firstname", "lastname", "email", "username", "idnumber"])
def test_an_update_never_empties_what_a_person_needs(moodle, field):
    [first, second] = add(moodle, 2)
    result = load_rows(moodle, [change(1, first, **{field: " "}), change(2, second, city="Emmen")])
    assert codes(result) == {1: f"{field}_empty"}
    assert people_in(moodle)["CV-00001"][field] != ""
    assert people_in(moodle)["CV-00002"]["city"] == "Emmen"


def test_a_warning_rejects_that_person_only(moodle):
    ids = add(moodle, 4)
    moodle.add_accounts([{"username": "ander", "email": "bezet@example.org"}])
    rows = [
        change(1, ids[0], email="bezet@example.org"),
        change(2, ids[1], email="geen-adres"),
        change(3, 999_999, city="Emmen"),
        change(4, 2, city="Emmen"),
        change(5, ids[3], city="Emmen"),
    ]
    result = load_rows(moodle, rows)
    assert codes(result) == {1: "email_taken", 2: "email_invalid", 3: "account_gone", 4: "protected"}
    assert list(result.outcomes["status"]) == ["rejected", "rejected", "rejected", "skipped", "done"]
    assert result.calls["update"] == 1


def test_a_whole_call_refused_is_taken_apart(moodle):
    ids = add(moodle, 60)
    rows = [
        change(n, ids[n - 1], **({"country": f"N{n}"} if n in (9, 41) else {"city": "Emmen"})) for n in range(1, 61)
    ]
    result = load_rows(moodle, rows)
    assert codes(result) == {9: "invalidparameter", 41: "invalidparameter"}
    assert sum(account["city"] == "Emmen" for account in people_in(moodle).values()) == 58
    assert result.extra_calls <= 2 * (2 * math.ceil(math.log2(60)) + 1)


def test_an_answer_that_cannot_be_read_is_followed_by_a_look(moodle):
    ids = add(moodle, 10)
    # A weak password makes Moodle's whole answer unreadable although the others are written.
    rows = [change(n, ids[n - 1], **({"password": "abc"} if n == 4 else {"city": "Emmen"})) for n in range(1, 11)]
    result = load_rows(moodle, rows)
    assert codes(result) == {4: "invalidresponse"}
    assert statuses(result) == {"done": 9, "rejected": 1}
    assert result.calls["update"] == 1


def test_a_read_only_database_makes_failures_not_rejections(moodle):
    ids = add(moodle, 8)
    moodle.settings.change({"db_read_only": True})
    rows = [change(n, id_, city="Emmen") for n, id_ in enumerate(ids, 1)]
    assert statuses(load_rows(moodle, rows)) == {"failed": 8}
    moodle.settings.change({"db_read_only": False})
    assert statuses(load_rows(moodle, rows)) == {"done": 8}


def test_two_rows_for_one_account_are_never_both_sent(moodle):
    [first] = add(moodle, 1)
    result = load_rows(moodle, [change(1, first, city="Emmen"), change(2, first, city="Assen")])
    assert codes(result) == {2: "account_twice"}
    assert people_in(moodle)["CV-00001"]["city"] == "Emmen"


def test_rows_that_need_no_call_get_their_outcome_without_any(moodle):
    rows = [
        row(1, "none", verdict="linked", account_id=60),
        row(2, "none", verdict="id_differs", account_id=61, evidence="Points at account 61."),
        row(3, "none", verdict="protected", account_id=2),
        row(
            4,
            "reject",
            reasons=[
                {"code": "city_too_long", "field": "city", "message": "Too long."},
                {"code": "firstname_missing", "field": "firstname", "message": "No first name."},
            ],
        ),
        row(5, "reject", verdict="duplicate_person", evidence="Shares its idnumber with 6."),
        row(6, "update", verdict="linked", account_id=70),
        row(7, "none", verdict="orphan", account_id=80) | {"row": None, "person_id": "", "extern_id": ""},
    ]
    result = load_rows(moodle, rows)
    assert list(result.outcomes["code"]) == [
        "nothing_to_do", "mismatch", "protected", "firstname_missing", "duplicate_person", "nothing_to_do", "nothing_to_do",
    ]  # fmt: skip
    assert list(result.outcomes["status"]) == ["skipped"] * 3 + ["rejected"] * 2 + ["skipped"] * 2
    assert ENGLISH.say(result.outcomes["message"].iloc[3]) == "No first name."
    assert result.calls == {}
    assert not moodle.calls.all()


def test_an_empty_plan_gives_an_empty_frame_of_outcomes(moodle):
    result = load_rows(moodle, [])
    assert list(result.outcomes.columns) == list(OUTCOME_COLUMNS)
    assert len(result.outcomes) == 0


def test_outcomes_survive_parquet_unchanged(moodle, tmp_path):
    import pandas as pd

    [first] = add(moodle, 1)
    outcomes = load_rows(moodle, [change(1, first, city="Emmen"), create(2)]).outcomes
    outcomes.to_parquet(tmp_path / "outcomes.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "outcomes.parquet"), outcomes)


def test_an_error_of_our_own_is_not_swallowed(moodle):
    class Broken:
        settings = type("S", (), {"batch_size": 50, "parallel_requests": 2, "max_input_vars": 1000})()

        def takes_variables(self, count):
            return True

        def update_accounts(self, changes):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(plan_of([change(1, 5, city="x")]), Broken())


BAD = st.sampled_from(
    [{"lang": "xx"}, {"email": "bezet@example.org"}, {"firstname": "<b>x</b>"}, {"lastname": "x" * 101}]
)


@settings(max_examples=20, deadline=None)
@given(bad=st.dictionaries(st.integers(1, 30), BAD, max_size=8))
def test_whichever_changes_are_bad_all_others_are_written(bad):
    with running_moodle() as moodle:
        ids = add(moodle, 30)
        moodle.add_accounts([{"username": "ander", "email": "bezet@example.org"}])
        rows = [change(n, ids[n - 1], **bad.get(n, {"city": "Emmen"})) for n in range(1, 31)]
        result = load_rows(moodle, rows, batch_size=4)
        assert set(result.outcomes.loc[result.outcomes["status"] == "done", "row"]) == set(range(1, 31)) - set(bad)
        there = people_in(moodle)
        assert all((there[f"CV-{n:05}"]["city"] == "Emmen") == (n not in bad) for n in range(1, 31))
        assert len(moodle.calls.all(UPDATE)) == result.calls["update"] + result.calls.get("probe", 0)
