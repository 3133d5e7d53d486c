"""When the line fails: nothing is lost, nothing doubled, and what nobody can know is said."""

from __future__ import annotations

import time

import pytest
from provisioning.plans import CREATE, UPDATE, change, codes, create, load_rows, people_in, statuses

from moodle_coupling.errors import CouplingPaused, MoodleDenied, MoodleUnavailable, SettingError
from moodle_coupling.sandbox.moodle import running_moodle


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    "fault",
    ["reset_after", "reset_before", "truncated", "502,after=1", "502", "php_warning"],
)
def test_a_lost_answer_to_a_create_neither_loses_nor_doubles_anyone(moodle, fault):
    moodle.faults.add(f"{fault},first=1,function={CREATE}")
    result = load_rows(moodle, [create(n) for n in range(1, 61)], batch_size=20, parallel_requests=1)
    assert statuses(result) == {"done": 60}
    assert len(people_in(moodle)) == 60


def test_a_page_instead_of_an_answer_stops_and_the_next_load_finds_what_was_done(moodle):
    moodle.faults.add(f"html,after=1,function={CREATE}")
    rows = [create(n) for n in range(1, 61)]
    result = load_rows(moodle, rows, batch_size=20, parallel_requests=1)
    assert isinstance(result.stopped, MoodleDenied)
    assert statuses(result) == {"unknown": 20, "failed": 40}
    moodle.faults.clear()
    assert statuses(load_rows(moodle, rows)) == {"done": 60}
    assert len(people_in(moodle)) == 60


@pytest.mark.parametrize("fault", ["reset_after", "reset_before", "truncated", "502,after=1", "502"])
def test_lost_answers_while_a_batch_is_taken_apart(moodle, fault):
    moodle.faults.add(f"{fault},every=3,function={CREATE}")
    rows = [create(n, **({"country": f"N{n}"} if n in (5, 13) else {})) for n in range(1, 21)]
    result = load_rows(moodle, rows, parallel_requests=1)
    assert codes(result).items() >= {5: "invalidparameter", 13: "invalidparameter"}.items()
    assert statuses(result) == {"done": 18, "rejected": 2}
    assert len(people_in(moodle)) == 18


def test_a_site_that_never_answers_a_create_ends_in_unknown_and_a_stop(moodle):
    moodle.faults.add(f"reset_before,function={CREATE}")
    result = load_rows(moodle, [create(n) for n in range(1, 61)], batch_size=20, parallel_requests=1)
    assert statuses(result) == {"unknown": 20, "failed": 40}
    assert result.stopped is not None
    assert len(moodle.calls.all(CREATE)) == 3
    moodle.faults.clear()
    again = load_rows(moodle, [create(n) for n in range(1, 61)], batch_size=20)
    assert statuses(again) == {"done": 60}
    assert len(people_in(moodle)) == 60


def test_a_work_that_is_done_after_the_client_has_gone_is_found_by_looking(moodle):
    moodle.faults.add(f"latency,seconds=0.8,first=1,function={CREATE}")
    result = load_rows(moodle, [create(n) for n in range(1, 4)], read_timeout=0.4)
    assert statuses(result) == {"done": 3}
    wait_until(lambda: len(moodle.calls.all(CREATE)) == result.calls["create"])
    assert len(people_in(moodle)) == 3


def test_a_slow_drip_is_only_slow(moodle):
    moodle.faults.add(f"slow_drip,seconds=0.01,size=200,function={CREATE}")
    assert statuses(load_rows(moodle, [create(n) for n in range(1, 11)])) == {"done": 10}


@pytest.mark.parametrize("fault", ["reset_after", "truncated", "502,after=1", "502", "reset_before"])
def test_a_lost_answer_to_an_update_is_read_back(moodle, fault):
    ids = moodle.add_accounts(_account(n) for n in range(1, 11))
    moodle.faults.add(f"{fault},first=1,function={UPDATE}")
    result = load_rows(moodle, [change(n, id_, city="Assen", suspended=True) for n, id_ in enumerate(ids, 1)])
    assert statuses(result) == {"done": 10}
    assert {account["city"] for account in people_in(moodle).values()} == {"Assen"}
    assert {account["suspended"] for account in people_in(moodle).values()} == {1}


def test_maintenance_halfway_keeps_what_is_done_and_fails_the_rest(moodle):
    moodle.faults.add(f"503,skip=2,function={CREATE}")
    result = load_rows(moodle, [create(n) for n in range(1, 61)], batch_size=20, parallel_requests=1)
    assert isinstance(result.stopped, MoodleUnavailable)
    assert statuses(result) == {"done": 40, "failed": 20}
    assert set(codes(result).values()) == {"unavailable"}
    moodle.faults.clear()
    assert statuses(load_rows(moodle, [create(n) for n in range(1, 61)])) == {"done": 60}


def test_a_pause_that_the_hook_meets_stops_before_the_next_request(moodle):
    def guard() -> None:
        if len(moodle.calls.all(CREATE)) >= 1:
            raise CouplingPaused("demo", "upgrade")

    result = load_rows(moodle, [create(n) for n in range(1, 61)], batch_size=20, parallel_requests=1, guard=guard)
    assert isinstance(result.stopped, CouplingPaused)
    assert statuses(result) == {"done": 20, "failed": 40}
    assert set(codes(result).values()) == {"paused"}
    assert len(moodle.calls.all(CREATE)) == 1


def test_a_token_that_may_not_create_stops_the_load(moodle):
    from moodle_coupling.sandbox.moodle import CAPABILITIES

    moodle.restrict_token(capabilities=frozenset(CAPABILITIES) - {"moodle/user:create"})
    result = load_rows(moodle, [create(n) for n in range(1, 6)])
    assert isinstance(result.stopped, MoodleDenied)
    assert statuses(result) == {"failed": 5}
    assert set(codes(result).values()) == {"denied"}


def test_a_site_that_takes_fewer_variables_than_we_think_is_not_written_to(moodle):
    moodle.settings.change({"max_input_vars": 200})
    result = load_rows(moodle, [create(n) for n in range(1, 61)])
    assert isinstance(result.stopped, SettingError)
    assert statuses(result) == {"failed": 60}
    assert len(moodle.calls.all(CREATE)) == 0


def test_a_limit_that_is_lowered_in_the_middle_of_a_load_loses_no_field_of_anyone(moodle):
    def lower():
        if len(moodle.calls.all(CREATE)) == 1:
            moodle.settings.change({"max_input_vars": 150})

    fields = {"profile_field_customfield1": "een", "profile_field_customfield2": "twee"}
    result = load_rows(moodle, [create(n, **fields) for n in range(1, 61)], batch_size=20, guard=lower)
    assert statuses(result) == {"done": 60}
    assert len(people_in(moodle)) == 60
    expected = {"customfield1": "een", "customfield2": "twee"}
    assert all(one["profile_fields"] == expected for one in people_in(moodle).values())


def test_batches_are_as_small_as_the_site_needs(moodle):
    moodle.settings.change({"max_input_vars": 100})
    result = load_rows(moodle, [create(n, profile_field_customfield1="x") for n in range(1, 61)], max_input_vars=100)
    assert statuses(result) == {"done": 60}
    # 100 variables, less 3 control fields, at 8 per account: 12 accounts per call.
    assert result.calls["create"] == 5
    assert max(call.fields for call in moodle.calls.all(CREATE)) <= 100


def wait_until(true) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("waited 5 s in vain")


def _account(number: int) -> dict[str, object]:
    return {
        "username": f"user{number:05}",
        "firstname": "Voor",
        "lastname": "Achter",
        "email": f"user{number:05}@example.org",
        "idnumber": f"CV-{number:05}",
    }
