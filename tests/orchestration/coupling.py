"""A coupling with a mapping file, a source and a connection of its own, whose DAG runs in this process."""

from __future__ import annotations

import csv
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import jsonschema
import pandas as pd
from airflow.dag_processing import dagbag
from airflow.dag_processing.dagbag import DagBag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
        bag = DagBag(self.airflow_home / "dags")
        before = self._folders()
        with parsed_once(bag, self._read_while_parsing()):
            finished = bag.dags[dag_id].test(run_conf=conf)
        made = self._folders() - before
        return Run(finished, max(made, default=None))

    def _read_while_parsing(self) -> str:
        """Give all that the DAGs are made from, as one text."""
        files = sorted(self.folder.glob("*.y*ml"))
        settings = sorted(item for item in os.environ.items() if item[0].startswith("AIRFLOW__"))
        return repr([(path.name, path.read_text("utf-8")) for path in files] + settings)

    def _folders(self) -> set[Path]:
        return {path for path in self.staging.glob(f"{self.name}/*") if not path.name.startswith("known__")}


_in_database: set[str] = set()


@contextmanager
def parsed_once(bag: DagBag, made_from: str) -> Iterator[None]:
    """Spare ``dag.test()`` what says nothing about us: a second reading of the DAG files, writing the same DAGs again, and
    checks of the same schemas of params, some 300 a run."""
    write = dagbag.sync_bag_to_db

    def written_once(*args: Any, **kwargs: Any) -> None:
        if _in_database != {made_from}:
            write(*args, **kwargs)
            _in_database.clear()
            _in_database.add(made_from)

    with (
        patch.object(dagbag, "BundleDagBag", lambda **_places: bag),
        patch.object(dagbag, "sync_bag_to_db", written_once),
        schemas_checked_once(),
    ):
        yield


@contextmanager
def schemas_checked_once() -> Iterator[None]:
    latest = jsonschema.Draft202012Validator
    check, checked = latest.check_schema, set()

    def once(schema: Any, *args: Any, **kwargs: Any) -> None:
        key = json.dumps(schema, sort_keys=True, default=repr)
        if key not in checked:
            check(schema, *args, **kwargs)
            checked.add(key)

    with patch.object(latest, "check_schema", once):
        yield


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
