"""A coupling with a mapping file, a source and a connection of its own, whose DAG runs in this process."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from airflow.dag_processing.dagbag import DagBag

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

MAPPING = """\
environment: {name}
connection: moodle_{name}
source: {{type: file, path: persons.csv}}
idnumber: extern_id
username: {{recipe: first_infix_last}}
safeguards: {{first_load: false, source_shrunk: off}}
fields:
  auth: {{value: manual}}
  city: {{column: city}}
"""
HEADINGS = ("PersonId", "ExternId", "Voornaam", "Tussenvoegsel", "Achternaam", "E-mail", "Plaats")


@dataclass
class Coupling:
    """One environment in a folder of its own; ``run`` and ``reconcile`` give the end of a run of its DAGs."""

    folder: Path
    name: str
    staging: Path
    airflow_home: Path
    more: str = ""
    mapping: str = MAPPING
    runs: list[Any] = field(default_factory=list)

    def persons(self, rows: Iterable[tuple[str, ...]]) -> None:
        with (self.folder / "persons.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(HEADINGS)
            writer.writerows(rows)

    def run(self, **conf: Any) -> Run:
        return self._run(f"moodle_provision__{self.name}", conf)

    def reconcile(self, **conf: Any) -> Run:
        return self._run(f"moodle_reconcile__{self.name}", conf)

    def _run(self, dag_id: str, conf: dict[str, Any]) -> Run:
        (self.folder / f"{self.name}.yaml").write_text(self.mapping.format(name=self.name) + self.more)
        dag = DagBag(self.airflow_home / "dags").dags[dag_id]
        before = self._folders()
        finished = dag.test(run_conf=conf)
        made = self._folders() - before
        return Run(finished, max(made, default=None))

    def _folders(self) -> set[Path]:
        return {path for path in self.staging.glob(f"{self.name}/*") if not path.name.startswith("known__")}


@dataclass
class Run:
    """The end of a run: its state, its tasks' states and the frames in its folder."""

    dag_run: Any
    folder: Path | None

    @property
    def state(self) -> str:
        return str(self.dag_run.state)

    @property
    def tasks(self) -> dict[str, str]:
        return {ti.task_id: str(ti.state) for ti in self.dag_run.get_task_instances()}

    def frame(self, name: str) -> pd.DataFrame:
        assert self.folder is not None
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def has(self, name: str) -> bool:
        return self.folder is not None and (self.folder / name).exists()

    @property
    def actions(self) -> dict[str, int]:
        return {str(key): int(value) for key, value in self.frame("plan")["action"].value_counts().items()}


def connect(monkeypatch: pytest.MonkeyPatch, name: str, url: str, token: str, **extra: Any) -> None:
    """Make the coupling's connection, as an environment variable: no database row is left behind."""
    made = {"conn_type": "moodle", "host": url, "password": token, "extra": {"allow_http": True, **extra}}
    monkeypatch.setenv(f"AIRFLOW_CONN_MOODLE_{name.upper()}", json.dumps(made))
