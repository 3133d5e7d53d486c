"""A plan cut into parts: what a task reads, what it refuses, what is settled without one, and what is not done twice."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath
from orchestration.coupling import MAPPING
from provisioning.plans import change, create, plan_of, row

from moodle_coupling.contract.facts import PlanParts, StepsDone
from moodle_coupling.errors import NotApproved, SettingError
from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger import approvals
from moodle_coupling.ledger.accounts import fingerprints, record_links
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.outcomes import run_outcomes
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.ledger.words import ApprovalAnswer
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import parts, safety, staging
from moodle_coupling.orchestration.once import once
from moodle_coupling.orchestration.run import Run
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, moodle: SandboxMoodle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    moodle.remove_accounts(account["id"] for account in moodle.accounts() if account["id"] > 3)
    moodle.calls.clear()
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}")
    path = tmp_path / "trial.yaml"
    path.write_text(MAPPING.format(name="trial") + "limits: {chunk_size: 100}\n")
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    ledger = open_ledger(url)
    settings = MoodleSettings("moodle_trial", moodle.url, moodle.token)
    monkeypatch.setattr(Run, "hook", lambda _run: MoodleHook.from_settings(settings))
    yield Run(
        mapping=load_mapping(path),
        mapping_path=path,
        folder=ObjectStoragePath(f"file://{tmp_path}"),
        ledger=ledger,
        record=begin_run(ledger, "trial", "dag", "one", mode="changed"),
        holder="dag one",
    )
    ledger.close()


def cut(run: Run, plan: pd.DataFrame, *, all_load: bool = False) -> list[parts.Chunk]:
    persons = plan["row"].dropna().astype("int64")
    prints = pd.DataFrame({"row": persons, "fingerprint": "print " + persons.astype("str")})
    staging.write_frame(run.folder, "fingerprints", prints)
    staging.write_frame(run.folder, "plan", plan)
    return parts.cut(run, plan, all_load=all_load)


def the_parts(run: Run) -> list[pd.DataFrame]:
    told = staging.read_facts(run.folder, PlanParts).parts
    return [staging.read_frame(run.folder, f"part-{one.number:04d}") for one in told if one.loads]


def quiet(number: int) -> dict[str, Any]:
    return row(number, "none", verdict="linked", account_id=1000 + number)


def test_a_task_loads_its_part_without_the_rest_of_the_plan(run: Run, moodle: SandboxMoodle) -> None:
    first, second, third = cut(run, plan_of([create(number) for number in range(250)]))
    for name in ("plan", "fingerprints", "part-0000", "part-0002"):
        (run.folder / f"{name}.parquet").unlink()
    assert parts.load_chunk(run, second) == {"done": 100}
    assert len([one for one in moodle.accounts() if one["idnumber"]]) == 100
    known = fingerprints(run.ledger, "trial").set_index("idnumber")["fingerprint"]
    assert known.to_dict() == {f"CV-{number:05}": f"print {number}" for number in range(100, 200)}
    assert (first["number"], third["number"]) == (0, 2)


def test_a_part_that_is_not_the_one_that_was_cut_is_not_loaded(run: Run, moodle: SandboxMoodle) -> None:
    plan = plan_of([create(number) for number in range(150)])
    first, second = cut(run, plan)
    other = staging.read_frame(run.folder, "part-0001")
    staging.write_frame(run.folder, "part-0000", other)
    with pytest.raises(SettingError) as refused:
        parts.load_chunk(run, first)
    assert refused.value.said.code == "staging.altered"
    with pytest.raises(SettingError):
        parts.load_chunk(run, parts.Chunk(number=1, start=0, stop=150))  # of a plan before this one
    with pytest.raises(SettingError):
        parts.load_chunk(run, parts.Chunk(number=7, start=0, stop=100))
    assert not [call for call in moodle.calls.all() if call.function == "core_user_create_users"]
    assert parts.load_chunk(run, second) == {"done": 50}


def test_the_parts_of_a_plan_that_waits_for_an_approval_are_bound_to_exactly_that_plan(run: Run) -> None:
    plan = plan_of([create(number) for number in range(3)])
    (chunk,) = cut(run, plan, all_load=True)
    strict = replace(run, mapping=run.mapping.model_copy(update={"safeguards": type(run.mapping.safeguards)()}))
    assert safety.weigh(strict, plan, in_scope=3)
    with pytest.raises(NotApproved):
        parts.load_chunk(run, chunk)
    asked = approvals.ask(run.ledger, run.record.id, plan_digest(plan), ["why"])
    approvals.answer(run.ledger, asked.id, ApprovalAnswer.APPROVED, by="jan")
    cut(run, plan_of([create(number) for number in range(4)]), all_load=True)  # somebody cleared the run
    with pytest.raises(NotApproved):
        parts.load_chunk(run, parts.Chunk(number=0, start=0, stop=4))
    (chunk,) = cut(run, plan, all_load=True)
    assert parts.load_chunk(run, chunk) == {"done": 3}


def test_what_writes_nothing_is_settled_without_a_task_and_without_a_call(run: Run, moodle: SandboxMoodle) -> None:
    rows = [*(quiet(number) for number in range(240)), row(240, "reject", verdict="duplicate_person", evidence="x")]
    stale = pd.DataFrame({"idnumber": ["CV-00240"], "account_id": [5], "fingerprint": ["old"]})
    record_links(run.ledger, "trial", stale)
    assert cut(run, plan_of(rows)) == []
    assert moodle.calls.all() == []
    assert [len(staging.read_frame(run.folder, f"outcomes-{number:04d}")) for number in range(3)] == [100, 100, 41]
    assert list(run_outcomes(run.ledger, run.record.id)["key"]) == ["240"]
    known = fingerprints(run.ledger, "trial").set_index("idnumber")["fingerprint"]
    assert known["CV-00007"] == "print 7"
    assert known["CV-00240"] == ""


@pytest.mark.parametrize("all_load", [True, False])
def test_a_part_may_be_of_accounts_of_nobody_alone(run: Run, all_load: bool) -> None:
    """So it is where the source is empty: no row of the plan has a fingerprint, and no person has one either."""
    rows = [row(number, "none", verdict="orphan", account_id=1000 + number) for number in range(3)]
    plan = plan_of(rows).assign(row=pd.array([pd.NA] * 3, dtype="Int64"))
    chunks = cut(run, plan, all_load=all_load)
    assert [parts.load_chunk(run, chunk) for chunk in chunks] == ([{"skipped": 3}] if all_load else [])
    assert list(staging.read_frame(run.folder, "outcomes-0000")["account_id"]) == [1000, 1001, 1002]


def test_few_changes_among_many_people_start_one_task(run: Run) -> None:
    rows = [create(number) if number % 90 == 0 else quiet(number) for number in range(450)]
    (chunk,) = cut(run, plan_of(rows))
    (part,) = the_parts(run)
    assert set(part.loc[part["action"] == "create", "row"]) == {0, 90, 180, 270, 360}
    assert len(part) == 100
    parts.load_chunk(run, chunk)
    done = [staging.read_frame(run.folder, f"outcomes-{number:04d}") for number in range(5)]
    assert sorted(pd.concat(done)["row"]) == list(range(450))


def test_all_parts_of_a_plan_that_somebody_must_approve_are_left_to_tasks(run: Run) -> None:
    assert len(cut(run, plan_of([quiet(number) for number in range(250)]), all_load=True)) == 3
    assert run_outcomes(run.ledger, run.record.id).empty
    assert not staging.has_frame(run.folder, "outcomes-0000")


def test_what_one_decision_is_about_stays_in_one_part(run: Run) -> None:
    rows = [change(number, 2000 + number, city="Ede") for number in range(250)]
    plan = plan_of(rows)
    decided = pd.array([pd.NA] * 250, dtype="Int64")
    for decision, (one, other) in enumerate([(3, 240), (99, 100), (5, 180)]):
        decided[one] = decided[other] = decision
    for start in range(110, 170):
        decided[start] = 40 + start // 2
    cut(run, plan.assign(decision=decided))
    where = [set(part["decision"].dropna()) for part in the_parts(run)]
    assert sum(map(len, where)) == len(set().union(*where)) == 33
    assert sum(len(part) for part in the_parts(run)) == 250


def test_parts_and_outcomes_of_a_plan_before_this_one_are_gone(run: Run) -> None:
    for chunk in cut(run, plan_of([create(number) for number in range(150)])):
        parts.load_chunk(run, chunk)
    cut(run, plan_of([create(number) for number in range(50)]))
    names = {file.name for file in run.folder.iterdir()}
    assert {name for name in names if name.startswith(("part-", "outcomes-"))} == {"part-0000.parquet"}


def test_a_step_that_ended_is_not_done_again_by_a_retry_but_is_after_a_clear(run: Run) -> None:
    done: list[int] = []

    def extract(one: Run) -> dict[str, int]:
        done.append(one.series)
        return {"persons": len(done)}

    def fails(_run: Run) -> dict[str, int]:
        raise SettingError("x")

    with pytest.raises(SettingError):
        once(run, fails)
    assert staging.find_facts(run.folder, StepsDone) is None
    first = replace(run, series=3)
    assert [once(first, extract) for _ in range(3)] == [{"persons": 1}] * 3
    assert once(replace(run, series=4), extract) == {"persons": 2}
    assert done == [3, 4]


def test_a_step_that_lasts_for_a_time_is_done_again_after_it(run: Run) -> None:
    done: list[int] = []

    def snapshot(_run: Run) -> dict[str, int]:
        done.append(1)
        return {}

    once(run, snapshot, lasts=dt.timedelta(minutes=10))
    once(run, snapshot, lasts=dt.timedelta(minutes=10))
    assert len(done) == 1
    once(run, snapshot, lasts=dt.timedelta(0))
    assert len(done) == 2
