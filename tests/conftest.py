"""Gives every test process an Airflow of its own, set before anything imports airflow, and the clock that --moment names."""

from __future__ import annotations

import atexit
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import requests
from contract.any_site import MoodleSite
from contract.sandboxes import COURSE, SANDBOXES, sandbox_of_kind
from hypothesis import HealthCheck, settings
from ledger.postgres import Postgres, PostgresMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(tempfile.mkdtemp(prefix="moodle-coupling-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(HOME / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
(HOME / "dags").mkdir()
(HOME / "plugins").mkdir()
sys.path.insert(0, str(ROOT / "scripts"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the moment at which the tests are to run, the machine's zone with it: ``--moment 2028-02-29T23:59:30Z,Europe/Amsterdam``."""
    parser.addoption("--moment", metavar="UTC[,ZONE]", help="run as if it were this moment, in this zone")


def pytest_configure(config: pytest.Config) -> None:
    """Set clock and zone before a test file is imported, and let the clock go on. Processes that tests start keep the real one."""
    said = config.getoption("--moment")
    if said:
        import time_machine

        moment, _, zone = said.partition(",")
        travelling = time_machine.travel(
            dt.datetime.fromisoformat(moment).astimezone(ZoneInfo(zone or "UTC")), tick=True
        )
        travelling.start()
        config.add_cleanup(travelling.stop)


@pytest.fixture(scope="session")
def migrated() -> Path:
    """Give the AIRFLOW_HOME of this test process with its metadata database made; a few seconds, once a session."""
    airflow = Path(sys.executable).parent / "airflow"
    done = subprocess.run([str(airflow), "db", "migrate"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return HOME


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give a PostgreSQL server for whatever wants a database of its own; nobody may kill this one."""
    try:
        server = Postgres.start()
    except PostgresMissing as missing:
        if missing.must_be_there:
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield server
    server.stop()


FOLDERS_MARKED = {"e2e": ("e2e", "slow"), "browser": ("browser", "slow"), "crash": ("slow",)}
FIXTURES_MARKED = {"postgres": ("postgres",), "coupling": ("slow",)}
"""What takes long by nature: an Airflow of its own, workers that are killed, whole runs of a DAG; or wants PostgreSQL."""
ASK_FOR_POSTGRES = {"ledger", "crash", "sources"}
"""Folders whose tests ask for the server while they run, and say so in their id; elsewhere it is a sandbox's setting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and their fixtures, so that ``-m "not slow"`` needs no mark in each file."""
    for item in items:
        folders = item.path.relative_to(ROOT / "tests").parts[:-1]
        for folder in folders:
            for name in FOLDERS_MARKED.get(folder, ()):
                item.add_marker(name)
        for fixture in getattr(item, "fixturenames", ()):
            for name in FIXTURES_MARKED.get(fixture, ()):
                item.add_marker(name)
        if "postgres" in item.name.partition("[")[2] and ASK_FOR_POSTGRES.intersection(folders):
            item.add_marker("postgres")


def _tell(config: pytest.Config, text: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is for any Moodle on every kind of sandbox, or on the one real site that MOODLE_URL names.

    A module may name the kinds it runs on in ``SANDBOX_KINDS``.
    """
    if "moodle_site" in metafunc.fixturenames:
        kinds = ["real"] if os.environ.get("MOODLE_URL") else getattr(metafunc.module, "SANDBOX_KINDS", list(SANDBOXES))
        metafunc.parametrize("moodle_site", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def moodle_site(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[MoodleSite]:
    """A site of whose settings and accounts nothing is known."""
    with requests.Session() as session:
        if request.param == "real":
            site = MoodleSite(os.environ["MOODLE_URL"].rstrip("/"), os.environ.get("MOODLE_TOKEN", ""), session)
            site.course = os.environ.get("MOODLE_COURSE", "")
            yield site
            left = site.clean_up()
            if site.cohorts or site.enrolled:
                _tell(
                    pytestconfig,
                    f"\nLeft in {site.url} (the token may not delete them): cohort ids {site.cohorts}, {site.prefix}*; "
                    f"enrolments {sorted(site.enrolled)} (course id, user id)",
                )
            if left:
                _tell(
                    pytestconfig,
                    f"\nLeft in {site.url} (the token may not delete them): user ids {left}, {site.prefix}*",
                )
        else:
            with sandbox_of_kind(request.param) as sandbox:
                before = len(sandbox.accounts())
                site = MoodleSite(sandbox.url, sandbox.token, session, course=COURSE)
                yield site
                left = site.clean_up()
                assert sandbox.access.cohorts() == []
                assert not any(sandbox.access.enrolments(course["id"]) for course in sandbox.access.courses())
                assert len(sandbox.accounts()) == before + len(left)
                assert not left or "core_user_delete_users" not in site.functions()
