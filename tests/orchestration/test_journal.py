"""The ledger as the journal of a load: what a retry does, and what stops it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from provisioning.plans import AT_ONCE, CREATE, UPDATE, change, create, hook_for, people_in, plan_of, row, statuses
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from moodle_coupling.errors import MoodleUnavailable, TooManyFailures
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.errors import LeaseLost, LedgerUnavailable, NotInLedger
from moodle_coupling.ledger.intentions import count_states, mark_sent, plan_intentions
from moodle_coupling.ledger.leases import Lease, acquire
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.outcomes import run_outcomes
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.orchestration.load import load_with_ledger, open_rows
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.provisioning.load.loader import LoadResult

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


@pytest.fixture
def ledger(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    schema.upgrade(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def run(ledger: Ledger) -> str:
    return begin_run(ledger, "demo", "moodle_provision__demo", "manual", mode="changed").id


def load_part(moodle, ledger: Ledger, run: str, part: pd.DataFrame, **more) -> LoadResult:
    settings = {"batch_size": 2, "parallel_requests": 1} | more.pop("settings", {})
    digest = more.pop("digest", plan_digest(part))
    with hook_for(moodle, **settings) as hook:
        return load_with_ledger(part, hook, ledger, run, digest=digest, pace=AT_ONCE, **more)


def standing(ledger: Ledger, run: str) -> dict[str, str]:
    frame = run_outcomes(ledger, run)
    return dict(zip(frame["key"], frame["status"], strict=True))


def test_a_load_leaves_one_outcome_per_row_in_the_ledger_with_the_person_unless_nothing_was_to_do(moodle, ledger, run):
    plan = plan_of([create(1), create(2, lang="xx"), row(3, "none", verdict="linked")])
    result = load_part(moodle, ledger, run, plan)
    assert standing(ledger, run) == {"1": "done", "2": "rejected"}
    assert list(result.outcomes["status"]) == ["done", "rejected", "skipped"]
    frame = run_outcomes(ledger, run).set_index("key")
    assert frame.loc["1", ["firstname", "lastname", "email"]].tolist() == [
        "Voornaam1",
        "van der Test1",
        "user00001@example.org",
    ]
    assert list(frame.loc[["1", "2"], "at"]) == list(result.outcomes["at"][:2])
    assert count_states(ledger, run) == {"planned": 0, "sent": 0, "settled": 2}


def test_an_account_that_no_person_has_is_told_by_its_id(moodle, ledger, run):
    (account,) = moodle.add_accounts([{"username": "weg", "idnumber": "WEG", "email": "weg@example.org"}])
    orphan = change(1, account, "suspend", suspended=True) | {"row": None, "person_id": "", "extern_id": ""}
    plan = plan_of([orphan])
    load_part(moodle, ledger, run, plan)
    assert standing(ledger, run) == {f"account {account}": "done"}
    assert load_part(moodle, ledger, run, plan).calls == {}


def test_a_second_try_sends_only_what_has_no_final_outcome(moodle, ledger, run):
    plan = plan_of([create(n) for n in range(1, 8)])
    moodle.faults.add(f"503,skip=2,function={CREATE}")
    first = load_part(moodle, ledger, run, plan)
    assert isinstance(first.stopped, MoodleUnavailable)
    assert statuses(first) == {"done": 4, "failed": 3}
    # The third call was announced and Moodle did nothing; the seventh person was never announced.
    assert standing(ledger, run) == {"1": "done", "2": "done", "3": "done", "4": "done", "5": "failed", "6": "failed"}
    assert count_states(ledger, run) == {"planned": 1, "sent": 0, "settled": 6}
    assert list(open_rows(ledger, run, plan)["row"]) == [5, 6, 7]
    moodle.faults.clear()
    second = load_part(moodle, ledger, run, plan)
    assert second.calls["create"] == 2
    assert list(second.outcomes["row"]) == list(range(1, 8))
    assert statuses(second) == {"done": 7}
    assert open_rows(ledger, run, plan).empty
    assert load_part(moodle, ledger, run, plan).calls == {}


def test_what_a_load_that_stops_has_announced_ahead_is_as_planned_again(moodle, ledger, run):
    plan = plan_of([create(n, **({"email": f"geen-adres{n}"} if n < 3 else {})) for n in range(1, 7)])
    moodle.faults.add(f"latency=0.5,first=1,function={CREATE}")
    first = load_part(moodle, ledger, run, plan, stop=StopRule(minimum=2))
    assert isinstance(first.stopped, TooManyFailures)
    assert count_states(ledger, run) == {"planned": 4, "sent": 0, "settled": 2}
    assert statuses(load_part(moodle, ledger, run, plan, stop=None)) == {"rejected": 2, "done": 4}


def test_the_parts_of_one_plan_know_nothing_of_each_other(moodle, ledger, run):
    plan = plan_of([create(n) for n in range(1, 8)])
    digest = plan_digest(plan)
    left, right = plan.iloc[:4].reset_index(drop=True), plan.iloc[4:].reset_index(drop=True)
    assert statuses(load_part(moodle, ledger, run, right, digest=digest)) == {"done": 3}
    assert list(open_rows(ledger, run, left)["row"]) == [1, 2, 3, 4]
    assert statuses(load_part(moodle, ledger, run, left, digest=digest)) == {"done": 4}
    assert set(standing(ledger, run).values()) == {"done"}
    assert count_states(ledger, run) == {"planned": 0, "sent": 0, "settled": 7}


def test_what_was_sent_and_not_settled_is_looked_up_first(moodle, ledger, run):
    (account,) = moodle.add_accounts(
        [{"username": "user00001", "idnumber": "CV-00001", "email": "u1@example.org", "city": "Emmen"}]
    )
    moodle.add_accounts([{"username": "user00002", "idnumber": "CV-00002", "email": "user00002@example.org"}])
    plan = plan_of([change(1, account, city="Emmen"), create(2), create(3)])
    plan_intentions(ledger, run, ["1", "2", "3"], digest=plan_digest(plan))
    mark_sent(ledger, run, ["1", "2", "3"], "of a worker that was killed")
    result = load_part(moodle, ledger, run, plan)
    assert statuses(result) == {"done": 3}
    assert len(moodle.calls.all(UPDATE)) == 0
    assert len(moodle.calls.all(CREATE)) == 1
    assert standing(ledger, run) == dict.fromkeys("123", "done")
    assert set(people_in(moodle)) == {"CV-00001", "CV-00002", "CV-00003"}


def test_what_is_unknown_is_looked_up_by_the_next_try(moodle, ledger, run):
    plan = plan_of([create(n) for n in (1, 2)])
    moodle.faults.add(f"html,after=1,function={CREATE}")
    assert statuses(load_part(moodle, ledger, run, plan)) == {"unknown": 2}
    assert standing(ledger, run) == {"1": "unknown", "2": "unknown"}
    before = len(moodle.calls.all(CREATE))
    moodle.faults.clear()
    assert statuses(load_part(moodle, ledger, run, plan)) == {"done": 2}
    assert len(moodle.calls.all(CREATE)) == before
    assert standing(ledger, run) == {"1": "done", "2": "done"}


def test_another_plan_of_a_cleared_run_begins_anew(moodle, ledger, run):
    load_part(moodle, ledger, run, plan_of([create(1), create(2)]))
    # In tonight's file row 1 is somebody else.
    other = plan_of([create(1, idnumber="CV-00009", username="ander", email="ander@example.org")])
    assert statuses(load_part(moodle, ledger, run, other)) == {"done": 1}
    assert set(people_in(moodle)) == {"CV-00001", "CV-00002", "CV-00009"}
    assert standing(ledger, run) == {"1": "done"}


def test_once_another_run_has_the_environment_nothing_more_is_sent(moodle, ledger, run):
    lease = acquire(ledger, "demo", "this run", ttl=HOUR)
    assert isinstance(lease, Lease)
    plan = plan_of([create(n) for n in range(1, 7)])
    taken_over = []

    def guard() -> None:
        # While the second batch is on its way the lease runs out, and another run takes the environment.
        if len(moodle.calls.all(CREATE)) == 1 and not taken_over:
            ledger._clock = lambda: dt.datetime.now(dt.UTC) + 2 * HOUR
            taken_over.append(acquire(ledger, "demo", "another run", ttl=HOUR))
            ledger._clock = None

    result = load_part(moodle, ledger, run, plan, lease=lease, settings={"guard": guard})
    assert isinstance(taken_over[0], Lease)
    assert isinstance(result.stopped, LeaseLost)
    assert statuses(result) == {"done": 4, "failed": 2}
    assert len(people_in(moodle)) == 4
    assert standing(ledger, run) == dict.fromkeys("1234", "done")


@pytest.mark.parametrize("commit", range(2, 8))
def test_a_ledger_that_fails_stops_the_load_and_nothing_is_sent_unrecorded(moodle, ledger, run, commit):
    plan = plan_of([create(n) for n in range(1, 7)])
    commits = []

    def fail(connection) -> None:
        commits.append(1)
        if len(commits) >= commit:
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(ledger._engine, "commit", fail)
    result = load_part(moodle, ledger, run, plan)
    event.remove(ledger._engine, "commit", fail)
    assert isinstance(result.stopped, LedgerUnavailable)
    recorded = 6 - count_states(ledger, run)["planned"]
    assert len(people_in(moodle)) <= recorded
    assert statuses(result).get("done", 0) == len(people_in(moodle))
    assert statuses(load_part(moodle, ledger, run, plan)) == {"done": 6}
    assert len(people_in(moodle)) == 6
    assert standing(ledger, run) == dict.fromkeys("123456", "done")


def test_without_the_ledger_nothing_begins(moodle, ledger):
    with pytest.raises(NotInLedger):
        load_part(moodle, ledger, "no such run", plan_of([create(1)]))
    assert len(moodle.calls.all()) == 0


def test_too_many_failures_stop_the_load_unless_it_is_told_otherwise(moodle, ledger, run):
    rows = [create(n, **({"email": f"geen-adres{n}"} if n % 2 else {})) for n in range(1, 61)]
    result = load_part(moodle, ledger, run, plan_of(rows), settings={"batch_size": 20})
    assert isinstance(result.stopped, TooManyFailures)
    assert set(standing(ledger, run)) == {str(n) for n in range(1, 21)}
    whole = load_part(moodle, ledger, run, plan_of(rows), settings={"batch_size": 20}, stop=None)
    assert whole.stopped is None
    assert statuses(whole) == {"done": 30, "rejected": 30}
