"""Builds the DAGs of every mapping file in include/mappings (or the folder in [moodle_coupling] mappings_folder)."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import conf

from moodle_coupling.orchestration.dags import build_dags

folder = (
    conf.get("moodle_coupling", "mappings_folder", fallback="") or Path(__file__).parent.parent / "include/mappings"
)
globals().update(build_dags(Path(folder)))
