"""A coupling for tests of the DAG as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from orchestration.coupling import Coupling, connect
from orchestration.school import SCHOOL, School
from sqlalchemy import delete

from moodle_coupling.ledger.schema import upgrade
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a ledger that is up to date and empty, to be copied."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def coupling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: Path, empty_ledger: Path) -> Iterator[Coupling]:
    staging = tmp_path / "staging"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{staging}")
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(tmp_path))
    ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", ledger_url)
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    shutil.copy(ROOT / "dags/moodle_coupling_dags.py", migrated / "dags")
    yield Coupling(tmp_path, "trial", staging, migrated)
    # What a source was like stands in Airflow, by the environment's name: the next test's is another source.
    with create_session() as session:
        session.execute(delete(AssetStateStoreModel))


@pytest.fixture
def school(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    """Give an environment with access, and a stranger in a cohort that is ours."""
    stranger = {"username": "vreemd", "firstname": "V", "lastname": "Reemd", "email": "vreemd@example.org"}
    with running_moodle(accounts=[stranger], access=SCHOOL) as moodle:
        connect(monkeypatch, coupling.name, moodle.url, moodle.token)
        yield School(coupling, moodle)
