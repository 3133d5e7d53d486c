"""Builds the DAGs of every mapping file in include/mappings (or the folder in [moodle_coupling] mappings_folder)."""

from __future__ import annotations

from moodle_coupling.orchestration.dags import build_dags
from moodle_coupling.settings import mappings_folder

# The file processor passes over a file that does not hold the words 'airflow' and 'dag' ([core] dag_discovery_safe_mode).
globals().update(build_dags(mappings_folder()))
