"""A staging folder that only one worker sees: each later task says so at once, and nothing is sent to Moodle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath, get_current_context
from orchestration.coupling import MAPPING, Coupling, connect

from moodle_coupling import settings
from moodle_coupling.contract.facts import StagingMark
from moodle_coupling.errors import SettingError
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import begin_run, get_run, latest_runs
from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.ledger.words import RunState
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import parts, planning, run_end, staging
from moodle_coupling.orchestration.run import Run
from moodle_coupling.orchestration.shared_staging import check_mark, leave_mark
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import Texts, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Give a run whose staging area is the folder ``one``; ``elsewhere`` gives it as another worker sees it."""
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}/one")
    path = tmp_path / "trial.yaml"
    path.write_text(MAPPING.format(name="trial"))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    ledger = open_ledger(url)
    yield Run(
        mapping=load_mapping(path),
        mapping_path=path,
        folder=staging.made(ObjectStoragePath(f"file://{tmp_path}/one/trial/run")),
        ledger=ledger,
        record=begin_run(ledger, "trial", "dag", "r1", mode="changed"),
        holder="dag r1",
    )
    ledger.close()


def elsewhere(run: Run) -> Run:
    folder = ObjectStoragePath(str(run.folder).replace("/one/", "/two/"))
    folder.mkdir(parents=True, exist_ok=True)
    return replace(run, folder=folder)


def no_hook(_run: Run) -> Any:
    raise AssertionError("Moodle was to be asked")


STEPS: dict[str, Callable[[Run], Any]] = {
    "plan": planning.plan,
    "load": lambda run: parts.load_chunk(run, {"number": 0, "start": 0, "stop": 1}),
    "access": parts.load_access,
    "report": lambda run: run_end.report_and_end(run, {}, {}),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_worker_that_does_not_see_the_first_tasks_mark_goes_no_further(
    run: Run, monkeypatch: pytest.MonkeyPatch, step: Callable[[Run], Any]
) -> None:
    monkeypatch.setattr(Run, "hook", no_hook)
    leave_mark(run)
    with pytest.raises(SettingError) as refused:
        step(elsewhere(run))
    assert refused.value.said.code == "staging.not_shared"


def test_the_mark_of_an_earlier_try_on_another_machine_does_not_count(run: Run) -> None:
    leave_mark(run)
    leave_mark(elsewhere(run))
    check_mark(elsewhere(run))
    with pytest.raises(SettingError):
        check_mark(run)


def test_who_shares_the_folder_sees_the_mark_and_a_run_without_one_is_not_refused(run: Run) -> None:
    check_mark(run)
    leave_mark(run)
    check_mark(replace(run, folder=ObjectStoragePath(str(run.folder))))


def test_a_run_that_ends_on_such_a_worker_is_on_record_as_failed_with_the_reason(run: Run) -> None:
    leave_mark(run)
    with pytest.raises(SettingError):
        STEPS["report"](elsewhere(run))
    record = get_run(run.ledger, run.record.id)
    said = read(record.reason)
    assert record.state == RunState.FAILED
    assert said is not None
    assert said.code == "staging.not_shared"


def test_the_sentence_names_both_machines_the_folder_and_the_option(run: Run) -> None:
    leave_mark(run)
    mark = staging.read_facts(run.folder, StagingMark)
    staging.write_facts(run.folder, StagingMark(token="another", host="elsewhere"))
    with pytest.raises(SettingError) as refused:
        check_mark(run)
    assert Texts("en").say(refused.value.said) == (
        f"This task runs on {mark.host} and does not see what the first task of this run left in {run.folder} on {mark.host}. "
        "Most likely [moodle_coupling] staging_url names a folder that only one worker sees: name one that all share, the same on "
        "each (an object store, or a disk over the network). Or the folder was removed, as it is after [moodle_coupling] "
        "staging_days: then start a new run. This try wrote nothing to Moodle."
    )


def test_a_run_over_two_workers_with_a_folder_each_fails_at_its_second_task_and_is_not_tried_again(
    coupling: Coupling, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    coupling.persons([("1", "CV-1", "Zoë", "", "Meer", "zoe@example.org", "Utrecht")])

    def its_own() -> str:
        first = get_current_context()["ti"].task_id == "prepare"
        return f"file://{tmp_path}/{'one' if first else 'two'}"

    monkeypatch.setattr(settings, "staging_url", its_own)
    with running_moodle() as moodle:
        connect(monkeypatch, coupling.name, moodle.url, moodle.token)
        moodle.calls.clear()
        run = coupling.run()
        assert moodle.calls.all() == []
    assert run.tasks == {
        "prepare": "success",
        "plan": "failed",
        "approve": "upstream_failed",
        "load": "upstream_failed",
        "report": "failed",
    }
    assert {ti.try_number for ti in run.dag_run.get_task_instances() if ti.task_id == "plan"} == {1}
    (record,) = latest_runs(open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), coupling.name)
    said = read(record.reason)
    assert said is not None
    assert said.code == "staging.not_shared"
