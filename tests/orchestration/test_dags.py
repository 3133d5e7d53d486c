"""The DAG builder: cheap to parse, one DAG per mapping file, and a wrong file never hides the others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk import CronTriggerTimetable

from moodle_coupling.orchestration.dags import build_dags
from moodle_coupling.orchestration.names import pool_name

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = (ROOT / "include/mappings/demo_file.yaml").read_text()

PARSE = """
import json, sys, time
from pathlib import Path
import airflow.sdk
from airflow.sdk import DAG, Asset, CronTriggerTimetable, ExceptionRetryPolicy, task
HEAVY = {"pandas", "pyarrow", "sqlalchemy", "numpy"}
airflows_own = HEAVY & set(sys.modules)
begin = time.process_time()
from moodle_coupling.orchestration.dags import build_dags
dags = build_dags(Path(sys.argv[1]))
from airflow.sdk import conf
print(json.dumps({
    "dags": sorted(dags), "cpu": time.process_time() - begin,
    "heavy": sorted(HEAVY & set(sys.modules) - airflows_own),
    "limit": conf.getfloat("core", "dagbag_import_timeout"),
}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def coupling(folder: Path, name: str) -> None:
    text = DEMO.replace("environment: demo_file", f"environment: {name}").replace(
        "connection: moodle_demo_file", f"connection: moodle_{name}"
    )
    (folder / f"{name}.yaml").write_text(text)


def test_twenty_couplings_parse_without_pandas_in_a_small_part_of_the_time_out(folder: Path) -> None:
    for number in range(20):
        coupling(folder, f"school{number}")
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert len([name for name in seen["dags"] if name.startswith("moodle_provision__")]) == 20
    assert seen["heavy"] == []
    assert seen["cpu"] < seen["limit"] / 5  # processor time, so that a busy machine does not matter


def test_each_mapping_file_makes_two_dags_and_all_share_one_check_dag(folder: Path) -> None:
    coupling(folder, "demo")
    coupling(folder, "other")
    assert sorted(build_dags(folder)) == [
        "moodle_check_connection",
        "moodle_provision__demo",
        "moodle_provision__other",
        "moodle_reconcile__demo",
        "moodle_reconcile__other",
    ]


def test_a_wrong_mapping_file_becomes_a_dag_that_says_so_and_hides_no_other(folder: Path) -> None:
    coupling(folder, "good")
    (folder / "bad.yaml").write_text(DEMO.replace("environment: demo_file", "environment: bad\nusernam: {}"))
    dags = build_dags(folder)
    assert set(dags) == {
        "moodle_check_connection",
        *(f"moodle_{what}__{name}" for what in ("provision", "reconcile") for name in ("bad", "good")),
    }
    for what in ("provision", "reconcile"):
        wrong = dags[f"moodle_{what}__bad"]
        assert "bad.yaml" in wrong.doc_md
        assert "usernam" in wrong.doc_md
        assert wrong.schedule is None


def test_only_tasks_that_talk_to_moodle_take_a_slot_of_its_pool(folder: Path) -> None:
    coupling(folder, "demo")
    for dag_id in ("moodle_provision__demo", "moodle_reconcile__demo"):
        dag = build_dags(folder)[dag_id]
        talking = {task.task_id for task in dag.tasks if task.pool == pool_name("demo")}
        assert talking == {"check_site", "snapshot", "load"}


def test_provision_and_reconcile_have_schedules_of_their_own_in_the_mapping_s_time_zone(folder: Path) -> None:
    coupling(folder, "demo")
    path = folder / "demo.yaml"
    said = 'schedule: {provision: "*/30 6-20 * * 1-5", reconcile: "15 2 * * *", timezone: Europe/Brussels}\n'
    path.write_text(re.sub(r"^schedule:.*\n(?:[ #].*\n)*", "", path.read_text(), flags=re.MULTILINE) + said)
    dags = build_dags(folder)
    assert dags["moodle_provision__demo"].schedule == CronTriggerTimetable(
        "*/30 6-20 * * 1-5", timezone="Europe/Brussels"
    )
    assert dags["moodle_reconcile__demo"].schedule == CronTriggerTimetable("15 2 * * *", timezone="Europe/Brussels")
    path.write_text(path.read_text().replace(said, ""))
    assert build_dags(folder)["moodle_reconcile__demo"].schedule is None


def test_nothing_is_written_before_the_plan_and_the_report_always_runs(folder: Path) -> None:
    coupling(folder, "demo")
    dag = build_dags(folder)["moodle_provision__demo"]
    assert {"check_site", "extract", "transform", "snapshot", "plan", "approve", "chunks"} == dag.get_task(
        "load"
    ).get_flat_relative_ids(upstream=True)
    assert dag.get_task("report").trigger_rule == "all_done"
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_every_dag_has_an_owner_tags_a_display_name_and_documentation(folder: Path) -> None:
    coupling(folder, "demo")
    for dag in build_dags(folder).values():
        assert dag.owner == "moodle-coupling"
        assert "moodle" in dag.tags
        assert dag.dag_display_name != dag.dag_id
        assert dag.doc_md
