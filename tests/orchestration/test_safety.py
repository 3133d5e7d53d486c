"""What stands between a plan and its load: quarantine, approval of exactly one plan, one run at a time."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.providers.standard.operators.hitl import TaskAwaitingInput
from airflow.sdk import ObjectStoragePath
from orchestration.coupling import Coupling, connect

from moodle_coupling.errors import EnvironmentBusy, NotApproved, OtherPlanAnswered, Quarantined
from moodle_coupling.ledger import approvals, leases
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.errors import LedgerUnavailable
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.runs import begin_run, get_run, latest_runs
from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.ledger.words import ApprovalAnswer, RunState
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.matching.frames import PLAN_COLUMNS
from moodle_coupling.orchestration import safety
from moodle_coupling.orchestration.approval import PLAN, approval_task
from moodle_coupling.orchestration.connection_checks import check_connection
from moodle_coupling.orchestration.run import Run, held, let_go
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.words.sentence import ENGLISH

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


@pytest.mark.clock
def test_scheduled_runs_stay_away_from_a_quarantine_and_a_run_by_hand_lifts_it(run: Run, ledger: Ledger) -> None:
    leases.impose(ledger, "demo", "too much went wrong")
    with pytest.raises(Quarantined, match="too much went wrong"):
        safety.mind_quarantine(replace(run, scheduled=True))
    safety.mind_quarantine(replace(run, started_by="jan"))
    assert leases.in_quarantine(ledger, "demo") is None
    assert leases.quarantine_history(ledger, "demo")[0].lifted_by == "jan"
    safety.mind_quarantine(replace(run, scheduled=True))


@pytest.mark.clock
def test_after_the_quarantine_a_scheduled_run_may_try_and_the_next_failure_lasts_longer(
    run: Run, ledger: Ledger
) -> None:
    first = leases.impose(ledger, "demo", "once", backoff=[dt.timedelta(0), dt.timedelta(hours=12)])
    safety.mind_quarantine(replace(run, scheduled=True))
    second = leases.impose(ledger, "demo", "again", backoff=[dt.timedelta(0), dt.timedelta(hours=12)])
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
        ("Reject", None, ApprovalAnswer.LAPSED, ""),
    ],
)
def test_who_answered_is_in_the_ledger_and_no_answer_in_time_counts_as_a_reject(
    run: Run, ledger: Ledger, monkeypatch: pytest.MonkeyPatch,
    option: str, user: dict[str, str] | None, decision: ApprovalAnswer, by: str,
) -> None:  # fmt: skip
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    monkeypatch.setattr("moodle_coupling.orchestration.run.open_run", lambda *_: run)
    digest = plan_digest(plan)
    approval_task("demo.yaml", 24, []).execute_complete({}, event(option, user, digest))  # type: ignore[typeddict-item]

    asked = approvals.ask(ledger, run.record.id, digest, ["again"])
    if decision is ApprovalAnswer.LAPSED:
        assert asked.decision is None  # asked anew: nobody said no
    else:
        assert (asked.decision, asked.decided_by) == (decision, by)
    if decision is not ApprovalAnswer.APPROVED:
        assert not approvals.is_approved(ledger, run.record.id, digest)
        assert get_run(ledger, run.record.id).state == RunState.REJECTED
        said = f"{decision} by {by}" if user else "nobody answered in time"
        assert ENGLISH.say(get_run(ledger, run.record.id).reason) == said


JAN = {"id": "1", "name": "jan"}


def event(option: str, user: dict[str, str] | None = JAN, plan: str | None = None) -> dict[str, Any]:
    """Give an answer as Airflow hands it on; without ``plan`` it does not say which plan it is about."""
    return {
        "chosen_options": [option],
        "params_input": {} if plan is None else {PLAN: plan},
        "responded_at": dt.datetime.now(dt.UTC),
        "responded_by_user": user,
    }


class Asking:
    """The approval step of one run, whose question was put to somebody ``asked`` times."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.asked: list[dict[str, Any]] = []
        monkeypatch.setattr("moodle_coupling.orchestration.run.open_run", lambda *_: run)
        monkeypatch.setattr(
            "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **put: self.asked.append(put)
        )

    def begin(self) -> Any:
        """Begin the task, or begin it again: after a crash, a retry, a clear."""
        context: Any = {"task_instance": SimpleNamespace(id="x"), "ti": None}
        with contextlib.suppress(TaskAwaitingInput):
            return approval_task("demo.yaml", 24, []).execute(context)
        return "waits"

    def answer(self, given: dict[str, Any]) -> Any:
        return approval_task("demo.yaml", 24, []).execute_complete({}, given)  # type: ignore[typeddict-item]

    @property
    def plan(self) -> str:
        """The plan that the form last put says."""
        found: str = self.asked[-1]["params"][PLAN]["value"]
        return found


@pytest.fixture
def asking(run: Run, monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(run, monkeypatch)


def refused(run: Run, plan: pd.DataFrame) -> bool:
    try:
        safety.refuse_unapproved(run, plan_digest(plan))
    except NotApproved:
        return True
    return False


def test_the_question_is_put_in_the_configured_language(
    asking: Asking, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    safety.weigh(run, creates(3), in_scope=3)
    asking.begin()
    (put,) = asking.asked
    assert put["subject"] == "Een plan voor Moodle wacht op uw goedkeuring"
    assert "Dit is de eerste keer dat deze Moodle wordt gevuld" in put["body"]
    assert "| aanmaken | 3 |" in put["body"]
    assert "[Het hele plan, rij voor rij](" in put["body"]


def test_a_rejected_plan_is_not_asked_again_however_often_the_task_begins_again(asking: Asking, run: Run) -> None:
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    assert asking.begin() == "waits"
    assert asking.answer(event("Reject"))["chosen_options"] == ["Reject"]
    for _ in range(3):
        safety.weigh(run, plan, in_scope=3)  # cleared from 'plan' on
        assert asking.begin()["chosen_options"] == ["Reject"]
    assert len(asking.asked) == 1
    assert get_run(run.ledger, run.record.id).state == RunState.REJECTED
    assert refused(run, plan)
    # An answer that comes after all (an old page, a call of the API) changes nothing.
    assert asking.answer(event("Approve", plan=plan_digest(plan)))["chosen_options"] == ["Reject"]
    assert refused(run, plan)


@pytest.mark.parametrize(("option", "loads"), [("Reject", False), ("Approve", True)])
@pytest.mark.parametrize("away", ["approvals.ask", "approvals.answer", "runs.set_state"])
def test_an_answer_given_while_the_ledger_is_away_is_not_asked_for_again(
    asking: Asking, run: Run, monkeypatch: pytest.MonkeyPatch, away: str, option: str, loads: bool
) -> None:
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    assert asking.begin() == "waits"

    def fail(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the ledger is away")

    with monkeypatch.context() as broken:
        broken.setattr(f"moodle_coupling.ledger.{away}", fail)
        for _ in range(2):
            with pytest.raises(LedgerUnavailable):
                asking.answer(event(option, plan=asking.plan))
    # The task is tried again, and Airflow has forgotten the answer.
    assert asking.begin()["chosen_options"] == [option]
    assert len(asking.asked) == 1
    found = approvals.asked_about(run.ledger, run.record.id, plan_digest(plan))
    assert found is not None
    assert found.decided_by == "jan"
    assert refused(run, plan) is not loads


def test_an_answer_about_another_plan_does_not_count(asking: Asking, run: Run) -> None:
    old, new = creates(3), creates(4)
    safety.weigh(run, old, in_scope=3)
    asking.begin()
    page = asking.plan
    safety.weigh(run, new, in_scope=4)  # the source has one more by now, and somebody cleared the run
    asking.begin()
    assert asking.plan != page
    for stale in (event("Approve", plan=page), event("Reject", plan=page), event("Approve")):
        with pytest.raises(OtherPlanAnswered):
            asking.answer(stale)
        assert asking.begin() == "waits"
    assert refused(run, new)
    asking.answer(event("Approve", plan=asking.plan))
    assert not refused(run, new)
    safety.weigh(run, old, in_scope=3)
    assert refused(run, old)


def test_an_approval_of_one_run_is_none_of_another(asking: Asking, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    asking.begin()
    asking.answer(event("Approve", plan=asking.plan))
    other = replace(run, record=begin_run(run.ledger, "demo", "dag", "two", mode="changed"))
    assert refused(other, plan)
    assert not refused(run, plan)


def test_a_rejected_plan_is_not_loaded_either_once_no_safeguard_trips(asking: Asking, run: Run) -> None:
    plan = creates(3)
    safety.weigh(run, plan, in_scope=3)
    asking.begin()
    asking.answer(event("Reject"))
    (run.folder / "approval.json").unlink()  # the mapping's safeguards were taken off
    assert refused(run, plan)


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
    coupling.persons([(*person[:-1], "xx") for person in PEOPLE])
    coupling.more = "  lang: {column: city}\n"  # a fixed one the check would find beforehand
    run = coupling.run()

    assert run.state == "failed"
    found = leases.in_quarantine(the_ledger(), coupling.name)
    assert found is not None
    assert found.level == 1
    assert latest_runs(the_ledger(), coupling.name)[0].state == RunState.FAILED
    check_connection(f"moodle_{coupling.name}", load_mapping(coupling.folder / f"{coupling.name}.yaml"))
    assert leases.in_quarantine(the_ledger(), coupling.name) is None


def test_a_run_waits_while_another_has_the_environment(
    coupling: Coupling, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moodle_coupling import settings

    ledger = the_ledger()
    leases.acquire(ledger, coupling.name, "somebody else", ttl=dt.timedelta(minutes=5))
    waited: list[str] = []

    def look_again(*_: object, **__: object) -> int:
        waited.append("once")
        leases.release(ledger, leases.acquire(ledger, coupling.name, "somebody else", ttl=dt.timedelta(minutes=5)))  # type: ignore[arg-type]
        return 0

    monkeypatch.setattr(settings, "pause_look_seconds", look_again)
    coupling.persons(PEOPLE[:2])
    run = coupling.run()

    assert waited == ["once"]
    assert run.state == "success"
    assert {account["idnumber"] for account in moodle.accounts()} >= {"E-0", "E-1"}
