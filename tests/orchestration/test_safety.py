"""What stands between a plan and its load: quarantine, approval of exactly one plan, one run at a time."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath
from orchestration.coupling import Coupling, connect

from moodle_coupling.errors import EnvironmentBusy, NotApproved, Quarantined
from moodle_coupling.ledger import approvals, leases, quarantine
from moodle_coupling.ledger.digests import plan_digest
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.runs import begin_run, get_run, latest_runs
from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.ledger.words import ApprovalAnswer, RunState
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.matching.frames import PLAN_COLUMNS
from moodle_coupling.orchestration import safety
from moodle_coupling.orchestration.approving import approval_task
from moodle_coupling.orchestration.checking import check_connection
from moodle_coupling.orchestration.remembering import held, let_go
from moodle_coupling.orchestration.run import Run
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    with_it = open_ledger(url)
    yield with_it
    with_it.close()


@pytest.fixture
def run(ledger: Ledger, tmp_path: Path) -> Run:
    mapping = Mapping.model_validate(
        {
            "environment": "demo",
            "connection": "moodle_demo",
            "source": {"type": "file", "path": "x.csv"},
            "idnumber": "extern_id",
        }
    )
    return Run(
        mapping=mapping,
        mapping_path=tmp_path / "demo.yaml",
        folder=ObjectStoragePath(f"file://{tmp_path}"),
        ledger=ledger,
        record=begin_run(ledger, "demo", "dag", "one", mode="changed"),
        holder="dag one",
    )


def creates(count: int) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        dict.fromkeys(PLAN_COLUMNS, "")
        | {"row": n, "person_id": str(n), "idnumber": f"E{n}", "account_id": None, "verdict": "new", "action": "create"}
        | {
            "changes": '{"username": [null, "x"]}',
            "reasons": "[]",
            "other_accounts": "[]",
            "decision": None,
            "drift": "{}",
        }
        for n in range(count)
    ]
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).astype(
        {"row": "Int64", "account_id": "Int64", "decision": "Int64"}
    )


def test_scheduled_runs_stay_away_from_a_quarantine_and_a_run_by_hand_lifts_it(run: Run, ledger: Ledger) -> None:
    quarantine.impose(ledger, "demo", "too much went wrong")
    with pytest.raises(Quarantined, match="too much went wrong"):
        safety.mind_quarantine(replace(run, scheduled=True))
    safety.mind_quarantine(replace(run, started_by="jan"))
    assert quarantine.in_quarantine(ledger, "demo") is None
    assert quarantine.quarantine_history(ledger, "demo")[0].lifted_by == "jan"
    safety.mind_quarantine(replace(run, scheduled=True))


def test_after_the_quarantine_a_scheduled_run_may_try_and_the_next_failure_lasts_longer(
    run: Run, ledger: Ledger
) -> None:
    first = quarantine.impose(ledger, "demo", "once", backoff=[dt.timedelta(0), dt.timedelta(hours=12)])
    safety.mind_quarantine(replace(run, scheduled=True))
    second = quarantine.impose(ledger, "demo", "again", backoff=[dt.timedelta(0), dt.timedelta(hours=12)])
    assert (first.level, second.level) == (1, 2)
    with pytest.raises(Quarantined):
        safety.mind_quarantine(replace(run, scheduled=True))


def test_the_first_load_may_not_be_loaded_until_exactly_its_plan_is_approved(run: Run, ledger: Ledger) -> None:
    plan = creates(3)
    (tripped,) = safety.weigh(run, plan, in_scope=3)
    assert tripped.code == "first_load"
    digest = plan_digest(plan)
    with pytest.raises(NotApproved, match="Nothing was written"):
        safety.refuse_unapproved(run, digest)
    asked = approvals.ask(ledger, run.record.id, digest, ["why"])
    approvals.answer(ledger, asked.id, ApprovalAnswer.APPROVED, by="jan")
    safety.refuse_unapproved(run, digest)
    with pytest.raises(NotApproved):
        safety.refuse_unapproved(run, plan_digest(creates(4)))


def test_a_plan_that_trips_nothing_needs_nobody(run: Run) -> None:
    assert safety.weigh(run, creates(0), in_scope=0) == ()
    safety.refuse_unapproved(run, "any")


def test_of_two_runs_for_one_environment_the_second_is_told_who_has_it(ledger: Ledger) -> None:
    with (
        held(ledger, "demo", "dag one"),
        pytest.raises(EnvironmentBusy, match="dag one"),
        held(ledger, "demo", "dag two"),
    ):
        pass
    with held(ledger, "demo", "dag one"):  # its next task
        pass
    with pytest.raises(EnvironmentBusy), held(ledger, "demo", "dag two"):
        pass
    let_go(ledger, "demo", "dag two")  # not its own to let go
    let_go(ledger, "demo", "dag one")
    with held(ledger, "demo", "dag two") as lease:
        assert lease.holder == "dag two"


@pytest.mark.parametrize(
    ("option", "user", "decision", "by"),
    [
        ("Approve", {"id": "1", "name": "jan"}, ApprovalAnswer.APPROVED, "jan"),
        ("Reject", {"id": "1", "name": "jan"}, ApprovalAnswer.REJECTED, "jan"),
        ("Reject", None, ApprovalAnswer.LAPSED, "nobody in time"),
    ],
)
def test_who_answered_is_in_the_ledger_and_no_answer_in_time_counts_as_a_reject(
    run: Run, ledger: Ledger, monkeypatch: pytest.MonkeyPatch,
    option: str, user: dict[str, str] | None, decision: ApprovalAnswer, by: str,
) -> None:  # fmt: skip
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    monkeypatch.setattr("moodle_coupling.orchestration.run.open_run", lambda *_: run)
    event = {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": dt.datetime.now(dt.UTC),
        "responded_by_user": user,
    }
    approval_task("demo.yaml", 24, []).execute_complete({}, event)  # type: ignore[typeddict-item]

    digest = plan_digest(plan)
    asked = approvals.ask(ledger, run.record.id, digest, ["again"])
    if decision is ApprovalAnswer.APPROVED:
        assert (asked.decision, asked.decided_by) == (decision, by)
    else:
        assert asked.decision is None  # asked anew: the answer before was no
        assert not approvals.is_approved(ledger, run.record.id, digest)
        assert get_run(ledger, run.record.id).state == RunState.REJECTED
        assert get_run(ledger, run.record.id).reason == f"{decision} by {by}"


PEOPLE = [(str(n), f"E-{n}", f"Voornaam{n}", "", f"Naam{n}", f"p{n}@example.org", "") for n in range(30)]


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def the_ledger() -> Ledger:
    return open_ledger(os.environ["AIRFLOW__MOODLE_COUPLING__LEDGER_URL"])


def test_a_load_of_which_most_fails_stops_itself_and_a_passing_check_lifts_the_quarantine(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    coupling.persons(PEOPLE)
    coupling.more = "  lang: {value: xx}\n"
    run = coupling.run()

    assert run.state == "failed"
    found = quarantine.in_quarantine(the_ledger(), coupling.name)
    assert found is not None
    assert found.level == 1
    assert latest_runs(the_ledger(), coupling.name)[0].state == RunState.FAILED
    check_connection(f"moodle_{coupling.name}", load_mapping(coupling.folder / f"{coupling.name}.yaml"))
    assert quarantine.in_quarantine(the_ledger(), coupling.name) is None


def test_a_run_waits_while_another_has_the_environment(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moodle_coupling.orchestration import coupling_dags

    ledger = the_ledger()
    leases.acquire(ledger, coupling.name, "somebody else", ttl=dt.timedelta(minutes=5))
    waited: list[str] = []

    def look_again(*_: object, **__: object) -> int:
        waited.append("once")
        leases.release(ledger, leases.acquire(ledger, coupling.name, "somebody else", ttl=dt.timedelta(minutes=5)))  # type: ignore[arg-type]
        return 0

    monkeypatch.setattr(coupling_dags, "conf", SimpleNamespace(getint=look_again))
    coupling.persons(PEOPLE[:2])
    run = coupling.run()

    assert waited == ["once"]
    assert run.state == "success"
    assert {account["idnumber"] for account in moodle.accounts()} >= {"E-0", "E-1"}
