"""Where the mapping files are: the same for DAGs, pages and commands, wherever they are started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ASKED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import moodle_coupling.orchestration.dags as dags
seen = []
dags.build_dags = lambda folder: seen.append(folder) or {}
import runpy
runpy.run_path(sys.argv[2])
from moodle_coupling.web.base import couplings
from moodle_coupling import preview
from moodle_coupling.orchestration import commands
print(json.dumps([str(each) for each in (*seen, couplings.mappings_folder(), preview.mappings_folder(), commands.mappings_folder())]))
"""


def asked(cwd: Path, home: Path, **settings: str) -> set[str]:
    """The folders that the DAG file, the pages and the commands read, asked in another process."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW__MOODLE_COUPLING")}
    env |= {"AIRFLOW_HOME": str(home), "PYTHONPATH": ""} | settings
    command = [sys.executable, "-c", ASKED, str(ROOT / "plugins"), str(ROOT / "dags" / "moodle_coupling_dags.py")]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 4
    return set(found)


def test_unset_it_is_one_folder_whatever_the_working_directory(tmp_path):
    (tmp_path / "elsewhere" / "include" / "mappings").mkdir(parents=True)
    for cwd in (tmp_path / "elsewhere", ROOT):
        assert asked(cwd, tmp_path / "home", AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags")) == {
            str(ROOT / "include" / "mappings")
        }


def test_unset_it_is_beside_the_dags_folder(tmp_path):
    (tmp_path / "home" / "include" / "mappings").mkdir(parents=True)
    folders = asked(tmp_path, tmp_path / "home", AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "home" / "dags"))
    assert folders == {str(tmp_path / "home" / "include" / "mappings")}


def test_where_there_is_none_it_is_beside_the_plugins_folder(tmp_path):
    assert asked(tmp_path, tmp_path / "home") == {str(ROOT / "include" / "mappings")}


@pytest.mark.parametrize("said", ["{}/given", "given"])
def test_what_is_said_counts(tmp_path, said):
    folders = asked(tmp_path, tmp_path / "home", AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER=said.format(tmp_path))
    assert folders == {str(tmp_path / "given")}
