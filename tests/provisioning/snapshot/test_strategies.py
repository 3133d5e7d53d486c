"""Everyone is read, whichever way: nobody twice, nobody deleted, and one odd account in nobody's way."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provisioning.snapshot.site import (
    READ,
    RETRIEVE,
    SEARCH,
    STRATEGIES,
    account,
    links,
    names,
    offer_report,
    read,
    special,
)

from moodle_coupling.errors import AnswerLost
from moodle_coupling.provisioning.snapshot import everyone, reading
from moodle_coupling.sandbox.moodle import running_moodle

ODD = "jos\u00e9"


@pytest.fixture(autouse=True)
def _near(monkeypatch):
    """Nobody is far away on these sites."""
    monkeypatch.setattr(everyone, "AT_ONCE", 500)
    monkeypatch.setattr(everyone, "BEYOND", 1000)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        offer_report(sandbox)
        yield sandbox


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_everyone_is_read_once_whatever_their_address(moodle, strategy):
    addresses = ["a@example.org", "_b@example.org", "%c@example.org", "0d@example.org", "", "\u00e9@example.org"]
    moodle.add_accounts(account(f"u{n}", email=email, idnumber=f"CV-{n}") for n, email in enumerate(addresses))
    snapshot = read(moodle, strategy=strategy)
    assert names(snapshot) == special(strategy) | {f"u{n}" for n in range(6)}
    assert snapshot.accounts["id"].is_unique
    assert list(snapshot.accounts["id"]) == sorted(snapshot.accounts["id"])
    assert (snapshot.strategy, snapshot.total, snapshot.unreadable) == (strategy, 6 + len(special(strategy)), ())


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["plain", "deleted", "odd", "gap", "suspended"]),
        st.sampled_from(["x", "Q", "_", "\u00fc", ""]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE)
def test_all_ways_give_what_is_there(people):
    with running_moodle() as moodle:
        offer_report(moodle, "username", "idnumber", "email", "fullnamewithlink")
        expected, odd = set(), set()
        for n, (kind, initial, numbered) in enumerate(people):
            if kind == "gap":
                moodle.table.reserve_ids(moodle.add_accounts([account(f"g{n}", idnumber=f"G{n}")])[0] + 700)
                expected.add(f"g{n}")
                continue
            username = f"{ODD}{n}" if kind == "odd" else f"u{n}"
            email = f"{initial}{n}@example.org" if initial else ""
            fields = {"idnumber": f"CV-{n}" if numbered else "", "suspended": kind == "suspended"}
            (id_,) = moodle.add_accounts([account(username, email=email, **fields)])
            if kind == "deleted":
                moodle.table.update(
                    id_,
                    {"deleted": 1, "username": f"{username}@example.org.1760000000", "email": "0" * 32, "idnumber": ""},
                )
            elif kind == "odd":
                odd.add(str(id_))
            else:
                expected.add(username)
        for strategy in STRATEGIES:
            snapshot = read(moodle, strategy=strategy)
            assert names(snapshot) == expected | special(strategy)
            assert odd <= set(snapshot.unreadable)
            assert snapshot.total == len(expected | special(strategy)) + len(odd)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_odd_account_is_named_by_its_id_and_nobody_else_is_missed(moodle, strategy):
    offer_report(moodle, "username", "idnumber", "email", "fullnamewithlink")
    moodle.add_accounts(account(f"jan{n}", idnumber=f"CV-{n}") for n in range(60))
    (odd,) = moodle.add_accounts([account(ODD, email="jaap@example.org", idnumber="CV-odd")])
    snapshot = read(moodle, {"idnumber": "CV-odd"}, strategy=strategy)
    assert names(snapshot) == special(strategy) | {f"jan{n}" for n in range(60)}
    # Its person's key too, so that nobody is taken for new.
    assert snapshot.unreadable == (str(odd), "CV-odd")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_calls_fit_the_form_and_profile_fields_come_along(moodle, strategy):
    moodle.settings.change({"max_input_vars": 120})
    moodle.add_accounts(account(f"u{n}", idnumber=f"{n}") for n in range(300))
    moodle.add_accounts([account("p", idnumber="p", profile_field_customfield1="x")])
    snapshot = read(moodle, strategy=strategy, max_input_vars=120)
    assert len(snapshot.accounts) == 301 + len(special(strategy))
    assert max(call.fields for call in moodle.calls.all()) <= 120
    values = snapshot.accounts.set_index("username")["profile_field_customfield1"]
    assert values["p"] == "x"
    assert set(values.drop("p")) == {""}


def test_a_small_site_without_report_is_read_by_number(moodle, caplog):
    moodle.restrict_token()
    caplog.set_level("INFO")
    assert read(moodle).strategy == "fields"
    assert "lacks core_reportbuilder_list_reports and core_reportbuilder_retrieve_report" in caplog.text
    assert moodle.calls.all(SEARCH) == moodle.calls.all(RETRIEVE) == []


def test_a_site_with_the_report_is_read_by_it(moodle):
    assert read(moodle).strategy == "report"
    assert len(moodle.calls.all(RETRIEVE)) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_progress_is_told_in_the_callers_thread_and_never_goes_back(moodle, strategy, monkeypatch):
    monkeypatch.setattr(reading, "TOLD_EVERY", 0)
    moodle.add_accounts(account(f"u{n}", idnumber=f"{n}") for n in range(40))
    told, threads = [], set()

    def progress(done, total):
        told.append((done, total))
        threads.add(threading.current_thread())

    read(moodle, strategy=strategy, progress=progress)
    everyone = 40 + len(special(strategy))
    assert told[-1] == (everyone, everyone)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert threads == {threading.current_thread()}
    assert all(total is None or total >= done for done, total in told)
    if strategy == "report":
        assert {total for _, total in told if total is not None} == {everyone}


class TestNumbers:
    def test_a_gap_that_refused_creates_left_is_no_end(self, moodle):
        moodle.add_accounts([account("voor")])
        moodle.table.reserve_ids(everyone.BEYOND - 100)
        moodle.add_accounts([account("na")])
        assert {"voor", "na"} <= names(read(moodle, strategy="fields"))

    def test_a_stretch_of_deleted_accounts_is_no_end(self, moodle, monkeypatch):
        monkeypatch.setattr(everyone, "AT_ONCE", 20)
        monkeypatch.setattr(everyone, "BEYOND", 60)
        gone = {"deleted": 1, "email": "0" * 32}
        moodle.add_accounts({**account(f"weg{n}@example.org.1760000000"), **gone} for n in range(100))
        moodle.add_accounts([account("na")])
        assert "na" in names(read(moodle, strategy="fields"))

    def test_whoever_a_persons_key_finds_far_beyond_is_not_alone_there(self, moodle):
        moodle.add_accounts([account("voor")])
        moodle.table.reserve_ids(8000)
        moodle.add_accounts([account("na", idnumber="CV-1"), account("ernaast")])
        assert "ernaast" not in names(read(moodle, strategy="fields"))
        assert {"na", "ernaast"} <= names(read(moodle, {"idnumber": "CV-1"}, strategy="fields"))

    def test_a_known_account_says_how_far_to_go(self, moodle):
        moodle.table.reserve_ids(8000)
        ids = moodle.add_accounts([account("na", idnumber="CV-1"), account("ernaast")])
        assert {"na", "ernaast"} <= names(read(moodle, strategy="fields", known=links((ids[0], "CV-1"))))
        assert {"na", "ernaast"} <= names(read(moodle, strategy="fields", account_ids=[ids[1]]))

    def test_numbers_that_lie_far_apart_are_listed_instead_and_the_log_says_what_was_not_asked(self, moodle, caplog):
        moodle.restrict_token()
        moodle.table.reserve_ids(5_000_000)
        ids = moodle.add_accounts([account("na", idnumber="CV-1"), account("leeg", email="")])
        snapshot = read(moodle, known=links((ids[0], "CV-1")))
        assert snapshot.strategy == "listing"
        assert {"na", "leeg"} <= names(snapshot)
        assert "are not all asked" in caplog.text
        assert len(moodle.calls.all(READ)) < 200


class TestListing:
    def test_slices_that_would_be_large_are_cut_beforehand(self, moodle, monkeypatch):
        monkeypatch.setattr(everyone, "_MOST", 20)
        moodle.add_accounts(account(f"s{n:03}") for n in range(100))
        people = [{"email": f"S{n:03}@example.org"} for n in range(100)]
        assert len(read(moodle, *people, strategy="listing").accounts) == 103
        asked = [call.parameters["criteria"][0]["value"] for call in moodle.calls.all(SEARCH)]
        assert {"s00%", "s09%", "s0@%", "a%"} <= set(asked)
        assert not {"s%", "s0%"} & set(asked)
        assert max(call.accounts for call in moodle.calls.all(SEARCH)) <= 20

    def test_a_slice_whose_answer_is_lost_is_cut(self, moodle):
        moodle.add_accounts(account(f"s{n}") for n in range(9))

        def losing(find):
            def find_accounts(key, value):
                if value == "s%":
                    raise AnswerLost("too long")
                return find(key, value)

            return find_accounts

        snapshot = read(moodle, strategy="listing", replaced={"find_accounts": losing})
        assert len(snapshot.accounts) == 12
        assert "s0%" in {call.parameters["criteria"][0]["value"] for call in moodle.calls.all(SEARCH)}

    def test_what_cannot_be_listed_at_all_is_read_by_number(self, moodle):
        moodle.add_accounts(account(f"s{n}") for n in range(9))

        def losing(_find):
            def find_accounts(_key, _value):
                raise AnswerLost("too long")

            return find_accounts

        deepest = pytest.MonkeyPatch()
        with deepest.context() as patched:
            patched.setattr(everyone, "_DEEPEST", 1)
            assert len(read(moodle, strategy="listing", replaced={"find_accounts": losing}).accounts) == 12
