"""The provision DAG on a real scheduler, with LocalExecutor and SQLite as in the demo."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from demo_coupling import write_inputs
from localairflow import LocalAirflow, LocalAirflowError, free_port
from statsd_collector import Collector

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.accounts import read_accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
DAG = "moodle_provision__demo"
PAUSE = "moodle_coupling_paused__moodle_demo"


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=read_accounts(ROOT / "include/samples/accounts.csv")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, moodle: SandboxMoodle, collector: Collector
) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    write_inputs(home)
    settings = {
        "AIRFLOW__MOODLE_COUPLING__PAUSE_LOOK_SECONDS": "2",
        # A killed worker is noticed in seconds instead of minutes.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(home / "include/mappings"),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(collector.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "moodle_coupling",
    }
    local = LocalAirflow(home, free_port(), settings)
    try:
        local.start()
        extra = json.dumps({"batch_size": 5})
        local.put_connection("moodle_demo", conn_type="moodle", host=moodle.url, password=moodle.token, extra=extra)
        local.put_pool("moodle__demo", 1)
        local.wait_for_dag(DAG)
        yield local
    finally:
        local.stop()


def wait_until(true: Callable[[], Any], what: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.3)


def looked_up(moodle: SandboxMoodle) -> set[str]:
    """Give the values by which accounts were looked up so far."""
    calls = moodle.calls.all("core_user_get_users_by_field")
    return {value for call in calls for value in call.parameters["values"].values()}


def outcomes(airflow: LocalAirflow) -> pd.DataFrame:
    """Give the outcomes of the newest run."""
    return pd.read_parquet(max((airflow.home / "moodle_coupling/staging/demo").glob("*/outcomes.parquet")))


def test_the_first_load_waits_for_approval_and_a_rejected_plan_writes_nothing(
    airflow: LocalAirflow, moodle: SandboxMoodle, collector: Collector
) -> None:
    before = moodle.accounts()
    run_id = airflow.trigger(DAG)["dag_run_id"]
    airflow.wait_for_state(DAG, run_id, "approve", {"awaiting_input"})
    question = airflow.question(DAG, run_id)
    assert "first load" in question
    assert "@example.org" not in question
    assert "A plan waits for approval" in airflow.command("moodle-coupling", "status", "demo")

    airflow.answer(DAG, run_id, "Reject")
    airflow.wait_for_run(DAG, run_id)
    assert airflow.states(DAG, run_id)["load"] == ["skipped"]
    assert moodle.accounts() == before
    assert "rejected" in airflow.command("moodle-coupling", "status", "demo")
    # The tasks of a real scheduler send what they count.
    figures = {
        (name.removeprefix("airflow.moodle_coupling."), *sorted(tags.items())) for name, tags, *_ in collector.taken()
    }
    assert ("runs", ("environment", "demo"), ("state", "rejected")) in figures
    assert any(name == "call.duration" and ("connection", "moodle_demo") in tags for name, *tags in figures)
    assert not any(name == "accounts.written" for name, *_ in figures)


def test_an_approved_load_paused_half_way_sends_nothing_more_and_finishes_after_the_pause(
    airflow: LocalAirflow, moodle: SandboxMoodle
) -> None:
    moodle.faults.add("hold,skip=6,function=core_user_create_users")
    run_id = airflow.trigger(DAG)["dag_run_id"]
    airflow.wait_for_state(DAG, run_id, "approve", {"awaiting_input"})
    airflow.answer(DAG, run_id, "Approve")
    wait_until(lambda: len(moodle.accounts()) > 303, "the first batch was sent")
    airflow.command("moodle-coupling", "pause", "demo", "--reason", "test")
    moodle.faults.clear()  # what was sent before the pause gets its answer
    wait_until(lambda: airflow.states(DAG, run_id)["load"] == ["up_for_reschedule"], "the load waits")
    sent = len(moodle.calls.all())
    made = len(moodle.accounts())
    time.sleep(5)  # it looks every two seconds whether it may go on
    assert len(moodle.calls.all()) == sent
    assert len(moodle.accounts()) == made < 303 + 87

    airflow.command("moodle-coupling", "resume", "demo")
    run = airflow.wait_for_run(DAG, run_id)
    assert run["state"] == "success"
    names = Counter(account["username"] for account in moodle.accounts())
    assert sum(names.values()) == 303 + 87
    assert max(names.values()) == 1
    found = outcomes(airflow)
    assert found["status"].value_counts().to_dict() == {"skipped": 231, "done": 137, "rejected": 27}
    assert found["row"].is_unique


def test_a_second_run_changes_nothing(airflow: LocalAirflow, moodle: SandboxMoodle) -> None:
    before = moodle.accounts()
    found = outcomes(airflow)
    right = found[(found["status"] == "done") | (found["code"] == "nothing_to_do")]
    assert len(right) == 137 + 200
    moodle.calls.clear()
    run = airflow.run(DAG)

    assert run["state"] == "success"
    assert moodle.accounts() == before
    # Who is as the source has it is known from the ledger; asked about are only those who share a name or an address
    # with somebody who is not.
    asked = looked_up(moodle)
    assert asked
    assert len(asked & set(right["idnumber"])) < len(right) / 10
    assert set(outcomes(airflow)["status"]) == {"skipped", "rejected"}
    counts = airflow.xcom(DAG, run["dag_run_id"], "report")
    assert counts["planned_create"] == counts["planned_update"] == 0
    events = airflow.api("GET", "assets/events?limit=100")["asset_events"]
    assert [event["extra"]["planned_create"] for event in events] == [87, 0]


def test_an_empty_source_stops_the_run_and_suspends_nobody(airflow: LocalAirflow, moodle: SandboxMoodle) -> None:
    people = airflow.home / "include/samples/persons.csv"
    whole = people.read_bytes()
    people.write_bytes(whole.splitlines(keepends=True)[0])
    before = moodle.accounts()
    run_id = airflow.trigger(DAG, {"mode": "full"})["dag_run_id"]
    airflow.wait_for_state(DAG, run_id, "approve", {"awaiting_input"})
    assert "no persons at all" in airflow.question(DAG, run_id)
    airflow.answer(DAG, run_id, "Reject")
    airflow.wait_for_run(DAG, run_id)
    people.write_bytes(whole)
    assert moodle.accounts() == before


def test_scheduler_and_worker_killed_in_the_middle_of_a_load_lose_and_double_nobody(
    airflow: LocalAirflow, moodle: SandboxMoodle
) -> None:
    people = airflow.home / "include/samples/persons.csv"
    whole = people.read_text(encoding="utf-8-sig")
    cells = whole.splitlines()[0].count(";") + 1
    newcomers = [
        ";".join([f"3000{n:02}", f"NW-{n:03}", "N.", f"Nieuw{n}", "", "Komer", f"nieuw{n}@example.org"])
        + ";" * (cells - 7)
        for n in range(30)
    ]
    people.write_text("\n".join([whole.rstrip("\n"), *newcomers, ""]), encoding="utf-8")
    before = len(moodle.accounts())
    moodle.faults.add("hold,skip=3,function=core_user_create_users")
    run_id = airflow.trigger(DAG)["dag_run_id"]
    wait_until(lambda: len(moodle.accounts()) > before, "the first batch was sent")
    airflow.kill("scheduler")  # with all its workers
    moodle.faults.clear()
    made = len(moodle.accounts()) - before
    assert 0 < made < 30

    airflow.start_again("scheduler")
    run = airflow.wait_for_run(DAG, run_id)
    assert run["state"] == "success"
    idnumbers = Counter(account["idnumber"] for account in moodle.accounts() if account["idnumber"].startswith("NW-"))
    assert len(idnumbers) == 30
    assert set(idnumbers.values()) == {1}
    found = outcomes(airflow)
    assert found["row"].is_unique
    assert (found[found["idnumber"].str.startswith("NW-")]["status"] == "done").sum() == 30


def test_neither_token_nor_names_reach_airflows_database_and_logs(airflow: LocalAirflow, moodle: SandboxMoodle) -> None:
    run_id = airflow.api("GET", f"dags/{DAG}/dagRuns")["dag_runs"][0]["dag_run_id"]
    kept = [airflow.xcom(DAG, run_id, "report", key) for key in ("return_value", "summary")]
    logs = [path.read_text(errors="replace") for path in (airflow.home / "logs").rglob("*.log")]
    assert len(logs) > 8
    sample = (ROOT / "include/samples/persons.csv").read_text(encoding="utf-8-sig")
    secrets = {moodle.token, *re.findall(r"[a-z0-9.]+@example\.org", sample)}
    assert len(secrets) > 300
    for text in [json.dumps(kept, ensure_ascii=False), *logs]:
        assert not [secret for secret in secrets if secret in text]


def test_a_dag_that_airflow_does_not_know_is_an_error_that_says_so(airflow: LocalAirflow) -> None:
    with pytest.raises(LocalAirflowError, match="did not appear"):
        airflow.wait_for_dag("moodle_provision__nowhere", seconds=1)
