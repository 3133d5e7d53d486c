"""From run to run: a source that can tell is asked only for what changed since the last run that ended well."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """\
environment: {name}
connection: moodle_{name}
source: {{type: sql, connection: school, table: persons, changed_column: changed, overlap_minutes: 0}}
idnumber: extern_id
safeguards: {{first_load: false, source_shrunk: off}}
"""


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "school.db"
    monkeypatch.setenv("AIRFLOW_CONN_SCHOOL", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    change(
        path,
        "CREATE TABLE persons (PersonId TEXT, ExternId TEXT, Voornaam TEXT, Achternaam TEXT, Email TEXT, changed TEXT)",
    )
    for number in range(1, 6):
        add(path, number, f"2024-11-0{number} 08:00:00")
    return path


def change(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


def add(path: Path, number: int, changed: str) -> None:
    values = (str(number), f"CV-{number}", f"Voor{number}", "Achter", f"p{number}@example.org", changed)
    change(path, "INSERT INTO persons VALUES (?, ?, ?, ?, ?, ?)", *values)


def names(moodle: SandboxMoodle) -> dict[str, str]:
    return {one["idnumber"]: one["lastname"] for one in moodle.accounts() if one["idnumber"].startswith("CV-")}


def read(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Read ")]
    caplog.clear()
    return [text.split(" in ")[0] + text.rpartition(":")[2] for text in found]


def test_the_second_run_reads_what_changed_and_plans_for_everyone(
    coupling: Coupling, moodle: SandboxMoodle, school: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coupling.mapping = SOURCE
    coupling.run()
    assert read(caplog) == ["Read everyone 5 persons"]
    change(school, "UPDATE persons SET Achternaam = 'Nieuw', changed = '2024-11-20 08:00:00' WHERE PersonId = '2'")
    add(school, 6, "2024-11-21 08:00:00")
    run = coupling.run()
    assert read(caplog) == ["Read what changed 3 persons"]  # the one on the watermark itself too
    assert len(run.frame("persons")) == 6
    assert run.actions == {"none": 4, "update": 1, "create": 1}
    assert names(moodle)["CV-2"] == "Nieuw"
    assert coupling.run().actions == {"none": 6}
    read(caplog)

    change(school, "DELETE FROM persons WHERE PersonId = '1'")
    night = coupling.reconcile()
    assert read(caplog) == ["Read everyone 5 persons"]
    assert night.frame("plan").set_index("idnumber").loc["CV-1", "verdict"] == "orphan"
    assert len(coupling.run().frame("persons")) == 5


def test_the_watermark_stays_when_the_run_did_not_end_well(
    coupling: Coupling, moodle: SandboxMoodle, school: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coupling.mapping = SOURCE
    coupling.run()
    read(caplog)
    add(school, 6, "2024-11-21 08:00:00")
    coupling.run(dry_run=True)
    coupling.more = "fields: {lang: {value: xx}}\n"  # which this Moodle does not have
    assert coupling.run().state == "failed"
    coupling.more = ""
    assert coupling.run(person_ids=["3"]).state == "success"
    # A dry run, a run that failed and one for some persons only: each reads the newcomer anew.
    assert read(caplog) == ["Read what changed 2 persons"] * 3
    assert coupling.run().actions == {"none": 5, "create": 1}
    assert read(caplog) == ["Read what changed 2 persons"]
    add(school, 7, "2024-11-22 08:00:00")
    coupling.run()
    assert read(caplog) == ["Read what changed 2 persons"]
    assert set(names(moodle)) == {f"CV-{number}" for number in range(1, 8)}
