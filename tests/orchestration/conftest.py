"""A coupling for tests of the DAG as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from orchestration.coupling import Coupling

from moodle_coupling.ledger.schema import upgrade

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def coupling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: Path) -> Coupling:
    staging = tmp_path / "staging"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{staging}")
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(tmp_path))
    ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", ledger_url)
    upgrade(ledger_url)
    shutil.copy(ROOT / "dags/moodle_coupling_dags.py", migrated / "dags")
    return Coupling(tmp_path, "trial", staging, migrated)
