"""What ``moodle-coupling doctor`` finds in an installation: nothing in a good one, and each thing that is wrong with its mend."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from airflow.jobs.job import Job, JobState
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.pool import Pool
from airflow.utils.session import create_session
from orchestration.coupling import MAPPING, connect
from sqlalchemy import delete

from moodle_coupling import airflow_internals
from moodle_coupling.cli import main
from moodle_coupling.hooks.moodle.check import Finding, Level
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.leases import acquire
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.orchestration import doctor
from moodle_coupling.orchestration.doctor import examine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = ("SchedulerJob", "DagProcessorJob", "TriggererJob")
DAGS = ("moodle_provision__sound", "moodle_reconcile__sound")
BUNDLE = "doctor-tests"


@pytest.fixture
def installation(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of the mapping files of an installation in which nothing is wrong."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    said = MAPPING.format(name="sound") + "notify: {to: [engineer@example.org]}\n"
    (folder / "sound.yaml").write_text(said, encoding="utf-8")
    connect(monkeypatch, "sound", "http://127.0.0.1:9", "token")
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(folder))
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}/staging")
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    schema.upgrade(f"sqlite:///{tmp_path}/ledger.db")
    now = dt.datetime.now(dt.UTC)
    with create_session() as session:
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
        session.add_all(DagModel(dag_id=dag_id, bundle_name=BUNDLE, is_stale=False) for dag_id in DAGS)
        for kind in PARTS:
            job = Job(state=JobState.RUNNING, latest_heartbeat=now, start_date=now)
            job.job_type = kind
            session.add(job)
    airflow_internals.make_pool("moodle__sound", 1, "for the tests of doctor")
    yield folder
    with create_session() as session:
        session.execute(delete(DagModel).where(DagModel.dag_id.in_(DAGS)))
        session.execute(delete(DagBundleModel).where(DagBundleModel.name == BUNDLE))
        session.execute(delete(Job).where(Job.job_type.in_(PARTS)))
        session.execute(delete(Pool).where(Pool.pool == "moodle__sound"))


def wrong(folder: Path) -> list[tuple[str, str]]:
    return [(str(one.level), one.code) for one in examine(folder) if one.level is not Level.OK]


def found(folder: Path, code: str) -> Finding:
    return next(one for one in examine(folder) if one.code == code)


def test_a_good_installation_has_nothing_to_mend(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong(installation) == []
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "The plugin is registered once." in out
    assert out.splitlines()[-1].startswith("0 to mend, 0 to look at, ")


def test_what_is_wrong_is_told_with_how_to_mend_it_to_people_and_to_machines(
    installation: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MOODLE_SOUND")
    airflow_internals.make_pool("moodle__sound", 0, "")
    assert main(["doctor", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["fit"] is False
    errors = {one["code"]: one for one in told["findings"] if one["level"] == "error"}
    assert sorted(errors) == ["connection_missing", "pool_closed"]
    assert "moodle-coupling setup sound" in errors["pool_closed"]["mend"]
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "De pool moodle__sound heeft geen plaatsen" in out.splitlines()[0] + out.splitlines()[1]
    assert out.splitlines()[-1].startswith("2 te herstellen, 0 om na te kijken")


def test_every_finding_that_is_not_good_says_how_to_mend_it(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Disabled")
    with create_session() as session:
        session.execute(delete(Job))
    findings = [one for one in examine(installation) if one.level is not Level.OK]
    assert [(str(one.level), one.code) for one in findings] == [
        ("error", "scheduler_away"),
        ("error", "dag_processor_away"),
        ("warning", "triggerer_away"),
        ("warning", "test_button_off"),
    ]
    assert all(one.remedy for one in findings)


@pytest.mark.parametrize(
    ("slots", "told"),
    [(-1, [("warning", "pool_unlimited")]), (5, [("warning", "pool_wide")]), (4, []), (0, [("error", "pool_closed")])],
)
def test_a_pool_has_a_slot_and_not_too_many(installation: Path, slots: int, told: list[tuple[str, str]]) -> None:
    airflow_internals.make_pool("moodle__sound", slots, "")
    assert wrong(installation) == told


def test_a_pool_and_dags_that_are_not_there_are_missed(installation: Path) -> None:
    with create_session() as session:
        session.execute(delete(Pool).where(Pool.pool == "moodle__sound"))
        session.execute(delete(DagModel).where(DagModel.dag_id == "moodle_reconcile__sound"))
    assert wrong(installation) == [("error", "dags_missing"), ("error", "pool_missing")]


def test_a_ledger_that_was_never_made_or_is_older_is_told(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{installation.parent}/ledger.db"
    schema.downgrade(url, "-1")
    assert wrong(installation) == [("error", "ledger_wrong")]
    assert "moodle-coupling db upgrade" in found(installation, "ledger_wrong").message
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{installation.parent}/none/ledger.db")
    assert wrong(installation) == [("error", "ledger_wrong")]


def test_folders_that_are_missing_or_not_a_folder_are_told(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = installation.parent / "a_file"
    file.write_text("")
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{file}")
    assert wrong(installation) == [("error", "staging_unwritable")]
    assert wrong(installation / "none") == [("error", "mappings_folder_missing"), ("error", "staging_unwritable")]


def test_the_staging_area_is_left_as_it_was(installation: Path) -> None:
    examine(installation)
    assert list((installation.parent / "staging").iterdir()) == []


def test_a_mapping_file_that_is_wrong_is_told(installation: Path) -> None:
    (installation / "other.yaml").write_text("environment: other\n", encoding="utf-8")
    assert wrong(installation) == [("error", "mappings_wrong")]
    assert "other.yaml" in found(installation, "mappings_wrong").message


@pytest.mark.parametrize(
    ("connection", "code"),
    [
        ({"conn_type": "http", "host": "http://127.0.0.1:9"}, "connection_type"),
        ({"conn_type": "moodle", "host": "http://127.0.0.1:9", "extra": {"allow_http": True}}, "connection_wrong"),
    ],
)
def test_a_connection_is_of_the_right_type_and_whole(
    installation: Path, monkeypatch: pytest.MonkeyPatch, connection: dict[str, object], code: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MOODLE_SOUND", json.dumps(connection))
    assert wrong(installation) == [("error", code)]


def test_the_connection_of_a_source_is_looked_at_too(installation: Path) -> None:
    mapping = installation / "sound.yaml"
    head, _, tail = mapping.read_text(encoding="utf-8").partition("source:")
    rest = tail[tail.index("\nidnumber") :] if "\nidnumber" in tail else tail[tail.index("\nusername") :]
    mapping.write_text(f"{head}source:\n  type: coachview\n  connection: cv\n{rest}", encoding="utf-8")
    assert wrong(installation) == [("error", "connection_missing")]
    assert "cv" in found(installation, "connection_missing").message


def test_leases_that_were_left_behind_are_told_and_stand_in_nobodys_way(installation: Path) -> None:
    url = f"sqlite:///{installation.parent}/ledger.db"
    hour = dt.timedelta(hours=1)
    ago = open_ledger(url, clock=lambda: dt.datetime.now(dt.UTC) - 2 * hour)
    acquire(ago, "sound", "moodle_provision__sound night1", ttl=hour)
    ahead = open_ledger(url, clock=lambda: dt.datetime.now(dt.UTC) + 2 * hour)
    acquire(ahead, "other", "moodle_provision__other night1", ttl=hour)
    good = open_ledger(url)
    acquire(good, "third", "moodle_provision__third night1", ttl=hour)
    assert wrong(installation) == [("warning", "lease_ahead"), ("warning", "lease_left")]
    for one in (ago, ahead, good):
        one.close()


def test_a_lease_of_a_run_that_has_ended_is_told(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(f"sqlite:///{installation.parent}/ledger.db")
    acquire(ledger, "sound", "moodle_provision__sound night1", ttl=dt.timedelta(minutes=10))
    ended = ("failed", "scheduled", "", dt.datetime.now(dt.UTC))
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(airflow_internals, "facts_of_run", lambda *names: asked.append(names) or ended)
    assert wrong(installation) == [("warning", "lease_of_ended")]
    assert asked == [("moodle_provision__sound", "night1")]
    ledger.close()


@pytest.mark.parametrize(
    ("apart", "told"),
    [
        (2, []),
        (30, [("warning", "clock_behind")]),
        (-30, [("warning", "clock_ahead")]),
        (120, [("error", "clock_behind")]),
    ],
)
def test_a_clock_that_differs_from_the_databases_is_told(
    installation: Path, monkeypatch: pytest.MonkeyPatch, apart: int, told: list[tuple[str, str]]
) -> None:
    later = dt.timedelta(seconds=apart)
    monkeypatch.setattr(airflow_internals, "database_now", lambda: dt.datetime.now(dt.UTC) + later)
    assert wrong(installation) == told


def test_a_plugin_that_is_there_twice_or_not_at_all_is_told(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow import plugins_manager

    monkeypatch.setattr(plugins_manager, "get_plugin_info", lambda _attributes: [])
    assert wrong(installation) == [("error", "plugin_missing")]
    refused = {"/srv/plugins/moodle_coupling/plugin.py": "Plugin 'moodle_coupling' already registered, skipping"}
    monkeypatch.setattr(plugins_manager, "get_import_errors", lambda: refused)
    assert wrong(installation) == [("error", "plugin_refused")]


@pytest.mark.parametrize(
    ("options", "there", "told"),
    [
        (["STATSD_ON"], False, [("error", "figures_no_client")]),
        (["STATSD_ON"], True, [("warning", "figures_untagged")]),
        (["STATSD_ON", "STATSD_INFLUXDB_ENABLED"], True, []),
        (["OTEL_ON"], True, []),
        (["STATSD_DATADOG_ENABLED"], False, [("error", "figures_no_client")]),
    ],
)
def test_figures_have_what_sends_them_and_tags(
    installation: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], there: bool, told: list[tuple[str, str]]
) -> None:
    for option in options:
        monkeypatch.setenv(f"AIRFLOW__METRICS__{option}", "True")
    monkeypatch.setattr(doctor, "find_spec", lambda _package: there or None)
    assert wrong(installation) == told


def test_a_package_that_is_not_installed_is_told(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "entry_points", lambda group: ())
    assert wrong(installation) == [("error", "provider_missing")]


def test_an_environment_of_which_nobody_is_told_is_to_be_looked_at(installation: Path) -> None:
    (installation / "sound.yaml").write_text(MAPPING.format(name="sound"), encoding="utf-8")
    assert wrong(installation) == [("warning", "notifiers_none")]
