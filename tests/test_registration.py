"""Airflow's own commands must find the plugin once and complain of nothing, as a clone and as an installed wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # processes with an Airflow of their own
ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def airflow(home: Path, plugins: Path, *args: str, python_path: str = "") -> str:
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "PYTHONPATH": python_path,
    }
    done = subprocess.run([str(BIN / "airflow"), *args], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already registered" not in done.stdout + done.stderr
    assert "Failed to import plugin" not in done.stdout + done.stderr
    return done.stdout


def registered(output: str) -> list[str]:
    return [row["name"] for row in json.loads(output[output.index("[") :])]


def test_a_clone_that_is_installed_registers_the_plugin_once(tmp_path: Path) -> None:
    assert registered(airflow(tmp_path, ROOT / "plugins", "plugins", "-o", "json")).count("moodle_coupling") == 1


def test_an_installed_distribution_registers_the_plugin_once(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    assert registered(airflow(tmp_path, tmp_path / "plugins", "plugins", "-o", "json")).count("moodle_coupling") == 1


def test_a_clone_that_is_not_installed_registers_the_plugin_once(tmp_path: Path) -> None:
    hide = tmp_path / "hide"
    hide.mkdir()
    # sitecustomize runs before Airflow and hides the distribution, as if only the folder were there
    (hide / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "whole = m.distributions\n"
        "def some(**kw):\n"
        "    return [d for d in whole(**kw) if d.metadata['Name'] != 'airflow-moodle-coupling']\n"
        "m.distributions = some\n"
        "m.MetadataPathFinder\n"
        "def entry_points(**params):\n"
        "    eps = [e for d in some() for e in d.entry_points]\n"
        "    return m.EntryPoints(eps).select(**params)\n"
        "m.entry_points = entry_points\n"
    )
    found = registered(airflow(tmp_path, ROOT / "plugins", "plugins", "-o", "json", python_path=str(hide)))
    assert found.count("moodle_coupling") == 1


def test_the_provider_and_its_connection_type_are_found(tmp_path: Path) -> None:
    assert "airflow-moodle-coupling" in airflow(tmp_path, ROOT / "plugins", "providers", "list", "-o", "json")
    hooks = json.loads(airflow(tmp_path, ROOT / "plugins", "providers", "hooks", "-o", "json"))
    mine = [row for row in hooks if row["connection_type"] == "moodle"]
    assert [row["class"] for row in mine] == ["moodle_coupling.hooks.moodle.MoodleHook"]


def test_the_dag_file_has_no_import_errors(migrated: Path) -> None:
    found = airflow(migrated, ROOT / "plugins", "dags", "list-import-errors", "-o", "json")
    assert json.loads(found.splitlines()[-1]) == []


def test_our_commands_are_airflows_too(tmp_path: Path) -> None:
    said = airflow(tmp_path, ROOT / "plugins", "moodle", "schema")
    assert json.loads(said[said.index("{") :])["title"].startswith("Mapping file")
