"""The DAG builder: cheap to parse, one DAG per mapping file, and a wrong file never hides the others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import DAG, CronTriggerTimetable, get_parsing_context

from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import dags as built
from moodle_coupling.orchestration.dags import WATCH, build_dags
from moodle_coupling.orchestration.names import pool_name

if TYPE_CHECKING:
    from moodle_coupling.mapping import Mapping

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
from moodle_coupling.orchestration.dags import WATCH, build_dags
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


NOT_FOR_NOTHING = {
    "preparation": {"requests", "alembic", "openpyxl"},
    "planning": {"alembic", "openpyxl"},
    "parts": {"requests", "alembic", "openpyxl"},
    "run_end": {"requests", "alembic", "openpyxl"},
}
"""What a task's module and opening the run must not import: each costs every run a tenth of a second or more."""


@pytest.mark.parametrize("module", NOT_FOR_NOTHING)
def test_a_task_imports_only_what_it_uses(module: str) -> None:
    code = (
        "import json, sys, moodle_coupling.orchestration.dags, moodle_coupling.orchestration.run; "
        "from moodle_coupling.hooks.moodle import connection; from moodle_coupling.ledger import ledger; "
        f"import moodle_coupling.orchestration.{module}; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = set(json.loads(done.stdout.splitlines()[-1]))
    assert "pandas" in seen  # else nothing was looked at
    assert seen & NOT_FOR_NOTHING[module] == set()


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
        assert wrong.schedule == dags[f"moodle_{what}__good"].schedule
        assert wrong.catchup is False
        assert set(wrong.params) == set(dags[f"moodle_{what}__good"].params)


def test_a_file_that_turns_wrong_keeps_its_schedule_and_tells_its_people(folder: Path) -> None:
    coupling(folder, "demo")
    path = folder / "demo.yaml"
    plain = re.sub(r"^(schedule|notify):.*\n(?:[ #].*\n)*", "", path.read_text(), flags=re.MULTILINE)
    said = 'schedule: {provision: "*/30 6-20 * * 1-5", timezone: Europe/Brussels}\nnotify: {to: [beheer@example.org]}\n'
    path.write_text(plain + said + "fields: [\n")
    dags = build_dags(folder)
    wrong = dags["moodle_provision__demo"]
    assert wrong.schedule == CronTriggerTimetable("*/30 6-20 * * 1-5", timezone="Europe/Brussels")
    assert dags["moodle_reconcile__demo"].schedule is None
    (task,) = wrong.tasks
    (mail,) = task.on_failure_callback
    assert mail.who.to == ["beheer@example.org"]
    path.write_bytes(b"")
    assert build_dags(folder)["moodle_reconcile__demo"].schedule == CronTriggerTimetable(
        "0 6 * * *", timezone="Europe/Amsterdam"
    )


def test_a_wrong_file_beside_a_good_one_of_the_same_name_takes_nothing_away(folder: Path) -> None:
    coupling(folder, "demo")
    (folder / "demo.yml").write_text("environment: demo")
    (folder / "dé mo.yaml").write_text("environment: [")
    (folder / "d_mo.yaml").write_text("environment: [")
    dags = build_dags(folder)
    assert len(dags["moodle_provision__demo"].tasks) > 1
    assert len(dags) == 7


def test_of_two_files_with_one_connection_both_keep_their_dags_and_their_people_are_told(folder: Path) -> None:
    for name in ("demo", "other", "third"):
        coupling(folder, name)
        path = folder / f"{name}.yaml"
        text = re.sub(r"^notify:.*\n(?:[ #].*\n)*", "", path.read_text(), flags=re.MULTILINE)
        path.write_text(text.replace("moodle_other", "moodle_demo") + "notify: {to: [beheer@example.org]}\n")
    dags = build_dags(folder)
    for name in ("demo", "other", "third"):
        (tells,) = dags[f"moodle_provision__{name}"].get_task("report").on_failure_callback
        assert (tells.environment, tells.who.to) == (name, ["beheer@example.org"])


def test_somebody_watches_where_somebody_is_to_be_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coupling(folder, "demo")
    path = folder / "demo.yaml"
    nobody = re.sub(r"^notify:.*\n(?:[ #].*\n)*", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(nobody)
    assert WATCH not in build_dags(folder)
    path.write_text(nobody + "notify: {to: [beheer@example.org]}\nfields: [\n")
    assert build_dags(folder)[WATCH].schedule is not None
    path.write_text(nobody)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__NOTIFIERS", "[]")
    assert WATCH in build_dags(folder)


def of_a_task(monkeypatch: pytest.MonkeyPatch, dag_id: str) -> None:
    """Say, as Airflow does in the process of a task, for which DAG the file is read."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
    assert get_parsing_context().dag_id == dag_id


def test_a_task_reads_its_own_mapping_file_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(path: Path) -> Mapping:
        read.append(path.stem)
        return load_mapping(path)

    for name in ("one", "two", "three"):
        coupling(folder, name)
    (folder / "bad.yaml").write_text("environment: [", encoding="utf-8")
    whole = build_dags(folder)
    monkeypatch.setattr(built, "load_mapping", reading)
    of_a_task(monkeypatch, "moodle_reconcile__two")
    dags = build_dags(folder)
    assert sorted(dags) == ["moodle_provision__two", "moodle_reconcile__two"]
    assert read == ["two"]
    assert [dag.get_task("load").pool for dag in dags.values()] == [whole[name].get_task("load").pool for name in dags]


@pytest.mark.parametrize(
    "dag_id", ["moodle_check_connection", "moodle_provision__bad", "moodle_provision__gone", "else"]
)
def test_a_task_of_another_dag_or_a_wrong_file_finds_all_dags(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dag_id: str
) -> None:
    coupling(folder, "one")
    (folder / "bad.yaml").write_text("environment: [", encoding="utf-8")
    whole = sorted(build_dags(folder))
    of_a_task(monkeypatch, dag_id)
    assert sorted(build_dags(folder)) == whole


def test_what_airflow_refuses_of_one_file_stops_only_that_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coupling(folder, "demo")
    coupling(folder, "other")
    right = built.provision_dag

    def refusing(mapping: Mapping, path: Path) -> DAG:
        if mapping.environment == "demo":
            raise ValueError("Airflow takes no such DAG")
        return right(mapping, path)

    monkeypatch.setattr(built, "provision_dag", refusing)
    dags = build_dags(folder)
    assert "Airflow takes no such DAG" in dags["moodle_provision__demo"].doc_md
    assert len(dags["moodle_provision__other"].tasks) > 1


def test_only_tasks_that_talk_to_moodle_take_a_slot_of_its_pool(folder: Path) -> None:
    coupling(folder, "demo")
    for dag_id in ("moodle_provision__demo", "moodle_reconcile__demo"):
        dag = build_dags(folder)[dag_id]
        talking = {task.task_id for task in dag.tasks if task.pool == pool_name("demo")}
        assert talking == {"plan", "load"}


def test_one_part_is_loaded_at_a_time_so_that_the_connection_s_bound_holds_over_all_workers(folder: Path) -> None:
    coupling(folder, "demo")
    for dag_id in ("moodle_provision__demo", "moodle_reconcile__demo"):
        dag = build_dags(folder)[dag_id]
        assert dag.get_task("load").max_active_tis_per_dagrun == 1
        # A run at a time, and of the two DAGs the one that holds the environment (environment_hold).
        assert dag.max_active_runs == 1


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
    assert dag.get_task("load").get_flat_relative_ids(upstream=True) == {"prepare", "plan", "approve"}
    assert len(dag.tasks) == 5  # each costs a second or two, however little it does
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
