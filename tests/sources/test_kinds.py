"""A new kind of source: its settings, a folder that declares it, and a row; nothing else in the house knows it by name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from moodle_coupling.errors import CouplingError, SourceUnavailable
from moodle_coupling.hooks.moodle.check import Finding, Level
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping import source as mapping_source
from moodle_coupling.mapping.source import SourceSettings
from moodle_coupling.orchestration import connection_checks
from moodle_coupling.orchestration.dags import check_dag
from moodle_coupling.people.arrow import pa
from moodle_coupling.sources import kinds
from moodle_coupling.sources.contract import Kind, Wanted
from moodle_coupling.sources.headings import Headings
from moodle_coupling.sources.kinds import open_source, waits_until
from moodle_coupling.sources.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract, Source

TEA_TIME = dt.datetime(2026, 11, 29, 16, tzinfo=dt.UTC)
COLUMNS = ("person_id", "firstname", "lastname", "email1")


class ToySource(SourceSettings):
    """Persons out of the mapping file itself."""

    type: Literal["toy"] = "toy"
    connection: str
    names: list[str]


@dataclass(frozen=True)
class ToyReader:
    settings: ToySource
    where: str = "the toy"
    kind: str = "toy"
    incremental: bool = False

    def extract(self, wanted: Wanted) -> Extract:  # always everyone
        records = Records(
            Headings({name: at for at, name in enumerate(COLUMNS)}, dict(zip(COLUMNS, COLUMNS, strict=True)))
        )
        rows: Sequence[Sequence[str]] = [
            (str(number), name, "Toy", f"{name}@example.com") for number, name in enumerate(self.settings.names, 1)
        ]
        columns = {
            name: pa.array(each, type=pa.large_string())
            for name, each in zip(COLUMNS, zip(*rows, strict=True), strict=True)
        }
        records.add_columns(np.arange(1, len(rows) + 1), columns)
        return records.extract({})


class Toy(Kind):
    settings = ToySource
    connection_type = "toybox"

    def open(self, settings: ToySource, base: Path) -> Source:  # it lies nowhere
        return ToyReader(settings)

    def check(self, settings: ToySource, sharing: Any) -> list[Finding]:  # it counts no requests
        return [Finding(Level.OK, "toys", f"There are {len(settings.names)} toys.")]

    def check_connection(self, connection: str, sharing: Any) -> list[Finding]:
        return [Finding(Level.OK, "box", f"{connection} is a box.")]

    def waits_until(self, error: CouplingError, now: dt.datetime) -> dt.datetime | None:
        return TEA_TIME if isinstance(error, SourceUnavailable) else None


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> Mapping:
    monkeypatch.setitem(mapping_source.KINDS, "toy", ToySource)
    monkeypatch.setitem(kinds.KINDS, "toy", Toy())
    return Mapping.model_validate(
        {
            "environment": "demo",
            "connection": "moodle_demo",
            "source": {"type": "toy", "connection": "toybox_demo", "names": ["Teddy", "Barbie"]},
            "idnumber": "person_id",
            "fields": {"city": {"column": "city", "default": "Lego"}},
        }
    )


def test_it_is_read_and_held_to_what_the_mapping_needs(mapping: Mapping, tmp_path: Path) -> None:
    extract = open_source(mapping, tmp_path).extract(Wanted())

    assert extract.persons["firstname"].tolist() == ["Teddy", "Barbie"]
    assert extract.left_alone == ("city",)


def test_its_connection_is_checked_by_name_and_by_type(mapping: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_checks, "_type_of", lambda _: "toybox")

    (checked,) = kinds.checked_connections(mapping)
    assert checked[0] == "toybox_demo"
    assert [one.code for one in checked[1].check(checked[2], None)] == ["toys"]
    assert [one.code for one in connection_checks.check_one("attic").findings] == ["box"]
    assert "toybox_demo" in check_dag([mapping]).params.get_param("connection").schema["examples"]


def test_a_run_waits_when_it_says_so(mapping: Mapping) -> None:
    now = TEA_TIME - dt.timedelta(hours=1)

    assert waits_until(mapping, SourceUnavailable("asleep"), now) == TEA_TIME
    assert waits_until(mapping, CouplingError("broken"), now) is None


def test_every_kind_that_a_mapping_file_can_name_is_declared() -> None:
    assert {name: kind.settings for name, kind in kinds.KINDS.items()} == mapping_source.KINDS
