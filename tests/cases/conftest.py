"""Inputs on which the product once fell short, run as a user runs them: ``moodle-coupling preview``.

Each folder here holds an input, its mapping file and ``expected.md``, which says what is right.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from moodle_coupling.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

CASES: Final = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """What a preview showed: the plan's rows by idnumber (else by person id), what it said beside them, its exit status."""

    rows: dict[str, dict[str, Any]]
    said: str
    status: int

    def codes(self, id_: str) -> list[str]:
        """Give the codes of a row's reasons."""
        return [reason["code"] for reason in self.rows[id_]["reasons"]]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make the SQLite database of a folder's ``make.sql``, and the connection ``hr`` to it."""

    def made(folder: str) -> Path:
        path = tmp_path / f"{folder}.db"
        connection = sqlite3.connect(path)
        connection.executescript((CASES / folder / "make.sql").read_text(encoding="utf-8"))
        connection.close()
        monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps({"conn_type": "sqlite", "host": str(path)}))
        return path

    return made


@pytest.fixture
def preview(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database: Callable[[str], Path]
) -> Callable[..., Shown]:
    """Run ``moodle-coupling preview`` on a folder; with its accounts.csv where it has one, on its database where it makes one."""

    def shown(folder: str, persons: str = "persons.csv", *more: str) -> Shown:
        monkeypatch.chdir(CASES / folder)
        (mapping,) = Path().glob("*.yaml")
        arguments = ["preview", str(mapping.resolve()), "--format", "json", *more]
        if Path("make.sql").exists():
            database(folder)
        else:
            arguments += ["--persons", persons]
        if Path("accounts.csv").exists():
            arguments += ["--accounts", "accounts.csv"]
        status = main(arguments)
        captured = capsys.readouterr()
        rows = [json.loads(line) for line in captured.out.splitlines()]
        return Shown({row["idnumber"] or row["person_id"]: row for row in rows}, captured.err, status)

    return shown
