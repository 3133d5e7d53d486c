"""A new kind of source: a folder among the sources, and nothing else; no file of the house knows it by name."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from moodle_coupling import sources
from moodle_coupling.errors import CouplingError, SourceUnavailable
from moodle_coupling.mapping.file import MappingFileError, json_schema, load_mapping
from moodle_coupling.mapping.source import declared
from moodle_coupling.orchestration import connection_checks
from moodle_coupling.orchestration.access import wants
from moodle_coupling.orchestration.dags import check_dag
from moodle_coupling.orchestration.lineage import sources_of
from moodle_coupling.sources import kinds
from moodle_coupling.sources.access_list import read_list
from moodle_coupling.sources.contract import Kind, Wanted
from moodle_coupling.sources.kinds import open_source, waits_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import Mapping

TOYS = Path(__file__).parent / "toys"
FILE = """\
environment: demo
connection: moodle_demo
source:
  type: toy
  connection: toybox_demo
  names: [Teddy, Barbie]
idnumber: person_id
fields:
  city: { column: city, default: Lego }
access:
  source:
    type: toy
    connection: toybox_demo
    names: [Teddy]
    courses: [tea]
    columns: { person_id: person_id, course: course }
"""


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(TOYS)])
    declared.cache_clear()
    yield
    declared.cache_clear()
    for name in [each for each in sys.modules if each.startswith(f"{sources.__name__}.toy")]:
        del sys.modules[name]


def load(folder: Path, text: str = FILE) -> Mapping:
    path = folder / "demo.yaml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    return load(tmp_path)


def test_it_is_read_and_held_to_what_the_mapping_needs(mapping: Mapping, tmp_path: Path) -> None:
    extract = open_source(mapping, tmp_path).extract(Wanted())

    assert extract.persons["firstname"].tolist() == ["Teddy", "Barbie"]
    assert extract.left_alone == ("city",)


def test_a_list_of_access_comes_from_it(mapping: Mapping, tmp_path: Path) -> None:
    assert mapping.access is not None
    assert mapping.access.source is not None

    rows = read_list(mapping.access.source, tmp_path).rows

    assert rows[["person_id", "course"]].to_numpy().tolist() == [["1", "tea"]]
    assert wants(mapping).courses


@pytest.mark.parametrize(
    ("right", "wrong", "place", "code"),
    [
        ("type: toy", "type: toyy", (4, "source.type"), "mapping.value.not_one_of"),
        ("  names:", "  nams:", (6, "source.nams"), "mapping.key.unknown"),
        ("    courses: [tea]\n", "", (11, "access.source.courses"), "mapping.key.missing"),
        ("type: toy", "type: sql", (6, "source.names"), "mapping.key.of_another_source"),
    ],
)
def test_what_is_wrong_with_its_keys_is_said_at_their_place(
    right: str, wrong: str, place: tuple[int, str], code: str, tmp_path: Path
) -> None:
    with pytest.raises(MappingFileError) as error:
        load(tmp_path, FILE.replace(right, wrong, 1))

    assert (*place, code) in [(one.line, one.key, one.said.code) for one in error.value.problems]


def test_a_misspelt_type_is_told_which_is_meant(tmp_path: Path) -> None:
    with pytest.raises(MappingFileError, match="'toyy' is not one of file, sql, coachview, toy; did you mean 'toy'"):
        load(tmp_path, FILE.replace("toy\n", "toyy\n", 1))


def test_an_editor_completes_its_keys() -> None:
    jsonschema.validate(yaml.safe_load(FILE), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(FILE.replace("names", "nams")), json_schema())


def test_its_connection_is_checked_by_name_and_by_type(mapping: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_checks, "_type_of", lambda _: "toybox")

    checked, _ = kinds.checked_connections(mapping)
    assert checked[0] == "toybox_demo"
    assert [one.code for one in checked[1].check(checked[2], None)] == ["toys"]
    assert [one.code for one in connection_checks.check_one("attic").findings] == ["box"]
    assert "toybox_demo" in check_dag([mapping]).params.get_param("connection").schema["examples"]


def test_a_run_waits_when_it_says_so(mapping: Mapping) -> None:
    tea_time = dt.datetime(2026, 11, 29, 16, tzinfo=dt.UTC)
    now = tea_time - dt.timedelta(hours=1)

    assert waits_until(mapping, SourceUnavailable("asleep"), now) == tea_time
    assert waits_until(mapping, CouplingError("broken"), now) is None


def test_lineage_has_its_address(mapping: Mapping, tmp_path: Path) -> None:
    assert list(sources_of(mapping, tmp_path)) == ["toy://toybox_demo/"] * 2


def test_every_folder_that_declares_a_kind_has_a_type_of_its_own() -> None:
    folders = [path.parent for each in sources.__path__ for path in Path(each).glob("*/settings.py")]

    assert list(kinds.kinds()) == ["file", "sql", "coachview", "toy"]
    assert len(folders) == len(kinds.kinds())
    assert all(isinstance(kind, Kind) for kind in kinds.kinds().values())
