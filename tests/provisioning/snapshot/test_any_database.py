"""One verdict on every database: what PostgreSQL does not find is known all the same, on a full run and on any other."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matching.people import mapping, person, persons_frame, reasons_frame
from pandas.testing import assert_frame_equal
from provisioning.plans import hook_for
from provisioning.snapshot.site import READ, SEARCH, MemoryKeys, account, candidates, links, names, offer_report

from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.provisioning.lookups import can_look_up
from moodle_coupling.provisioning.snapshot import accounts, by_report, everyone
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.provisioning.snapshot.keys import folded, is_odd, spellings
from moodle_coupling.sandbox.moodle import running_moodle

DATABASES = ("mariadb", "postgresql")
REPORTS = {
    "no report": (),
    "without ids": ("username", "idnumber", "email"),
    "with ids": ("username", "idnumber", "email", "fullnamewithlink"),
}


@pytest.fixture(autouse=True)
def _a_short_way_to_the_last_account(monkeypatch):
    monkeypatch.setattr(by_report, "_SPOT_CHECK", 1)
    monkeypatch.setattr(everyone, "BEYOND", 500)
    monkeypatch.setattr(everyone, "AT_ONCE", 500)
    monkeypatch.setattr(accounts, "BEYOND", 500)


@pytest.fixture(params=DATABASES)
def moodle(request):
    with running_moodle() as sandbox:
        sandbox.settings.change({"database": request.param})
        yield sandbox


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


def read(moodle, people, keys, *, full=False, **more):
    with hook_for(moodle) as hook:
        return read_accounts(hook, candidates(*people), full=full, keys=keys, **more)


def read_everyone(moodle, keys):
    return read(moodle, [], keys, full=True)


PERSON = {"idnumber": "SP-MIXED", "email": "anna.y@example.org", "username": "anna"}
ODD = {
    "another letter case of the idnumber": {"idnumber": "Sp-Mixed"},
    "small letters": {"idnumber": "sp-mixed"},
    "a space before the idnumber": {"idnumber": " SP-MIXED"},
    "a space behind the idnumber": {"idnumber": "SP-MIXED "},
    "another letter case of the address": {"email": "Anna.Y@Example.org"},
    "the same username": {"username": "anna"},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
@pytest.mark.parametrize("came", ["before everyone was read", "since"])
def test_an_account_with_a_key_in_another_spelling_is_found(moodle, keys, fields, came):
    if came == "since":
        read_everyone(moodle, keys)
    moodle.add_accounts([account("x7") | fields, account("stranger", idnumber="Sp-Other", email="Other@Example.org")])
    if came != "since":
        read_everyone(moodle, keys)
    assert len(read(moodle, [PERSON], keys).accounts) == 1


@pytest.mark.parametrize("came", ["before everyone was read", "since"])
def test_an_accented_username_is_seen_to_be_in_the_way_of_a_plain_one(moodle, keys, came):
    moodle.settings.change({"extendedusernamechars": True})
    if came == "since":
        read_everyone(moodle, keys)
    moodle.add_accounts(
        [
            account("jos\u00e9", email="j@x.org"),
            account("jose2", email="k@x.org"),
            account("jos\u00e93", email="l@x.org"),
        ]
    )
    if came != "since":
        read_everyone(moodle, keys)
    assert names(read(moodle, [{"idnumber": "CV-1", "username": "jose"}], keys)) == {"jos\u00e9", "jose2", "jos\u00e93"}


def test_a_kept_key_only_says_whom_to_read(moodle, keys):
    (id_,) = moodle.add_accounts([account("a", idnumber="Sp-Mixed")])
    read_everyone(moodle, keys)
    with hook_for(moodle) as hook:
        hook.call("core_user_update_users", users=[{"id": id_, "idnumber": "CV-9", "firstname": "Nu"}])
    found = read(moodle, [PERSON], keys).accounts
    assert found[["idnumber", "firstname"]].values.tolist() == [["CV-9", "Nu"]]
    with hook_for(moodle) as hook:
        hook.delete_accounts([id_])
    assert read(moodle, [PERSON], keys).accounts.empty


def test_everyone_is_read_once_and_then_no_more(moodle, keys):
    moodle.add_accounts([account("a", idnumber="Sp-Mixed"), account("b")])
    first, second = read(moodle, [PERSON], keys), read(moodle, [PERSON], keys)
    assert (first.strategy, second.strategy) == ("fields", "")
    assert names(first) > names(second) == {"a"}


def test_who_is_linked_and_stays_the_same_costs_one_call(moodle, keys):
    moodle.add_accounts([account(f"jan{n}", idnumber=f"Cv-{n}") for n in range(2, 30)])
    read_everyone(moodle, keys)
    moodle.calls.clear()
    people = [{"idnumber": f"Cv-{n}", "email": f"JAN{n}@example.org", "username": "jan"} for n in range(2, 30)]
    assert read(moodle, people, keys).calls == len(moodle.calls.all(READ)) == 1


def test_new_persons_cost_three_look_ups_and_one_at_those_who_came_since(moodle, keys, monkeypatch):
    monkeypatch.setattr(accounts, "BEYOND", 2000)
    monkeypatch.setattr(everyone, "AT_ONCE", 1000)
    read_everyone(moodle, keys)
    people = [{"idnumber": f"CV-{n}", "email": f"n{n}@example.org", "username": f"n{n}x"} for n in range(100)]
    moodle.calls.clear()
    assert read(moodle, people, keys).calls == 3 + 4
    assert not moodle.calls.all(SEARCH)


def test_who_came_since_is_read_once_and_accounts_of_our_own_making_never(moodle, keys):
    read_everyone(moodle, keys)
    ids = moodle.add_accounts([account(f"n{n}", idnumber=f"Sp-{n}") for n in range(4)])
    ours = links(*((id_, f"Sp-{number}") for number, id_ in enumerate(ids[:2])))
    read(moodle, [PERSON], keys, known=ours)
    assert keys.highest() == ids[-1]
    assert {id_ for id_, _ in keys.kept} == set(ids[2:])
    moodle.calls.clear()
    read(moodle, [PERSON], keys, known=ours)
    by_id = [call.parameters for call in moodle.calls.all(READ) if call.parameters["field"] == "id"]
    assert all(int(value) > ids[-1] for parameters in by_id for value in parameters["values"].values())
    # Of ours the link tells the key, whatever its letter case.
    assert names(read(moodle, [{"idnumber": "SP-1"}], keys, known=ours)) == {"n1"}


def test_a_new_address_of_a_linked_person_is_searched_even_where_it_was_written_by_hand_since(moodle, keys):
    _, other = moodle.add_accounts([account("a", idnumber="CV-1"), account("b", email="old@example.org")])
    read_everyone(moodle, keys)
    with hook_for(moodle) as hook:
        hook.call("core_user_update_users", users=[{"id": other, "email": "Anna_Y@Example.org"}])
    moodle.add_accounts([account("c", email="AnnaxY@Example.org")])  # what an unescaped _ would find too
    moodle.calls.clear()
    assert names(read(moodle, [{"idnumber": "CV-1", "email": "anna_y@example.org"}], keys)) == {"a", "b"}


def test_where_addresses_are_shared_that_of_a_new_person_is_searched(moodle, keys):
    (other,) = moodle.add_accounts([account("b", email="old@example.org")])
    read_everyone(moodle, keys)
    with hook_for(moodle) as hook:
        hook.call("core_user_update_users", users=[{"id": other, "email": "Anna.Y@Example.org"}])
    assert names(read(moodle, [PERSON], keys, shared_email=True)) == {"b"}


def test_everyone_is_read_where_that_is_quicker_than_to_search_for_so_many(moodle, keys):
    read_everyone(moodle, keys)
    few = [{"idnumber": f"CV-{n}", "email": f"n{n}@example.org"} for n in range(accounts.MOST_SEARCHES)]
    assert read(moodle, few, keys, shared_email=True).strategy == ""
    more = [*few, {"idnumber": "CV-X", "email": "more@example.org"}]
    assert read(moodle, more, keys, shared_email=True).strategy == "fields"


@pytest.mark.parametrize("shown", REPORTS.values(), ids=REPORTS)
def test_keys_are_kept_of_those_too_whom_a_full_run_only_counts(moodle, keys, shown):
    if shown:
        offer_report(moodle, *shown)
    moodle.add_accounts([account(f"n{n}") for n in range(20)])
    moodle.add_accounts([account("b", email="Anna.Y@Example.org")])
    read_everyone(moodle, keys)
    assert names(read(moodle, [PERSON], keys)) == {"b"}


TEXTS = st.text(st.sampled_from("aAbBzZ09-_. \t\u00df\u00e9\u00c9e\u0301\u0130i\u0131sS"), max_size=6)


@settings(max_examples=500)
@given(TEXTS, TEXTS, st.sampled_from(["idnumber", "email"]))
def test_whatever_a_look_up_in_any_spelling_may_miss_is_odd(held, asked, field):
    for value in (asked, held.swapcase(), held.upper(), held.lower(), f" {held} ", held.strip(), held.title()):
        if folded(value) == folded(held) != "" and held not in filter(
            partial(can_look_up, field), spellings(field, value)
        ):
            assert is_odd(field, held)


@pytest.mark.parametrize("field", ["idnumber", "email"])
def test_what_every_spelling_finds_is_not_kept(field):
    common = ["00123", "cv-7", "jan.jansen@example.org", ""] + (["CV-00042"] if field == "idnumber" else [])
    assert not any(is_odd(field, text) for text in common)


# ---- one plan ----------------------------------------------------------------------------------------------------------

IDNUMBERS = st.sampled_from(["", "E1", "e1", " E1", "E1 ", "Eab", "EAB", "eab", "\u00c9a", "\u00e9A", "Ea", "X9"])
EMAILS = st.sampled_from(["a@x.org", "A@X.org", "b@x.org", "B@x.ORG", "c_d@x.org", "C_d@x.org", "cxd@x.org", "q@x.org"])
NAMES = ["jan", "jan2", "jos\u00e9", "jose2", "jos\u00e93", "piet", "e1", "x", "y", "z"]
ACCOUNTS = st.lists(
    st.fixed_dictionaries(
        {
            "username": st.sampled_from(NAMES),
            "idnumber": IDNUMBERS,
            "email": EMAILS,
            "firstname": st.sampled_from(["Jan", "Piet"]),
            "lastname": st.just("Bos"),
            "suspended": st.booleans(),
        }
    ),
    max_size=8,
    unique_by=lambda one: one["username"],
)
PERSONS = st.lists(
    st.builds(
        person,
        idnumber=st.sampled_from(["E1", "e1", "EAB", "eAb", "\u00e9a", "Ea", "E5"]),
        other_id=st.sampled_from(["E1", "X9", ""]),
        username=st.sampled_from(["jan", "jose", "e1"]),
        email=EMAILS,
        firstname=st.sampled_from(["Jan", "Piet"]),
        lastname=st.just("Bos"),
        in_scope=st.booleans(),
    ),
    max_size=4,
)
MAPPINGS = st.builds(
    lambda recipe, shared: mapping(username={"recipe": recipe}, matching={"shared_email": shared}),
    recipe=st.sampled_from(["first_infix_last", "extern_id"]),
    shared=st.booleans(),
)
MOMENTS = st.integers(0, 8)
"""How many of the accounts were there when everyone was read; the others came since."""


def plan_of(moodle, persons, made, keys, *, full, strategy):
    with hook_for(moodle) as hook:
        read = read_accounts(
            hook,
            persons,
            full=full,
            keys=keys,
            settings=SnapshotSettings(strategy=strategy),
            shared_email=made.matching.shared_email,
        )
    plan = make_plan(persons, reasons_frame(), read.accounts, made, service_userid=3, full=full)
    return plan[plan["row"].notna()].reset_index(drop=True)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACCOUNTS, MOMENTS, PERSONS, MAPPINGS, st.sampled_from(list(REPORTS)))
@example(  # two linked persons whose addresses are swapped, in another letter case
    [
        {"username": "x", "idnumber": "E1", "email": "A@X.org", "firstname": "Jan", "lastname": "Bos"},
        {"username": "y", "idnumber": "EAB", "email": "B@x.ORG", "firstname": "Piet", "lastname": "Bos"},
    ],
    2,
    [person(idnumber="E1", email="b@x.org"), person(2, idnumber="EAB", email="a@x.org")],
    mapping(),
    "without ids",
)
def test_the_plan_is_the_same_on_every_database_and_in_every_mode(accounts, moment, persons, made, report):
    people = persons_frame([one | {"row": number} for number, one in enumerate(persons, 1)])
    plans = {}
    for database in DATABASES:
        with running_moodle() as moodle:
            moodle.settings.change({"database": database, "extendedusernamechars": True})
            if REPORTS[report]:
                offer_report(moodle, *REPORTS[report])
            moodle.add_accounts(accounts[:moment])
            keys = MemoryKeys()
            read_everyone(moodle, keys)
            moodle.add_accounts(accounts[moment:])
            strategy = "report" if REPORTS[report] else "fields"
            plans[database, "changed"] = plan_of(moodle, people, made, keys, full=False, strategy=strategy)
            plans[database, "first"] = plan_of(moodle, people, made, MemoryKeys(), full=False, strategy=strategy)
            plans[database, "full"] = plan_of(moodle, people, made, MemoryKeys(), full=True, strategy=strategy)
    for which, plan in plans.items():
        assert_frame_equal(plans["mariadb", "full"], plan, obj=str(which))
