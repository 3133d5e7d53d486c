"""Airflow's hook lineage hears where persons come from and which Moodle is written to; no secret is in it, and no run fails by it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.openlineage import facet
from airflow.sdk import Asset, plugins_manager
from airflow.sdk import lineage as airflows

from moodle_coupling.mapping import Mapping
from moodle_coupling.orchestration.lineage import dataset_of, tell_read, tell_written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COACHVIEW = {"type": "coachview", "connection": "coachview_x"}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, migrated: Path) -> Iterator[airflows.HookLineageCollector]:
    """The collector that Airflow makes where a plugin listens."""
    airflows.get_hook_lineage_collector.cache_clear()
    monkeypatch.setattr(plugins_manager, "get_hook_lineage_readers_plugins", lambda: [airflows.HookLineageReader])
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    for name, conn in {
        "moodle_x": {"conn_type": "moodle", "host": "https://moodle.example.org/sub/", "password": "s3cret"},
        "coachview_x": {
            "conn_type": "coachview",
            "host": "https://cv.example.org",
            "login": "id",
            "password": "s3cret",
        },
        "hr": {"conn_type": "postgres", "host": "db.example.org", "schema": "hr", "login": "me", "password": "s3cret"},
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(conn))
    yield airflows.get_hook_lineage_collector()
    airflows.get_hook_lineage_collector.cache_clear()


def run(tmp_path: Path, *sources: dict[str, Any]) -> Any:
    said = {"environment": "x", "connection": "moodle_x", "idnumber": "extern_id"}
    named = [{"name": f"s{number}", **one} for number, one in enumerate(sources)] if len(sources) > 1 else sources[0]
    mapping = Mapping.model_validate(said | {"source": named})
    return SimpleNamespace(mapping=mapping, mapping_path=tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ({"type": "file", "path": "persons.csv"}, "file://{folder}/persons.csv"),
        ({"type": "file", "path": "s3://keys@bucket/in/p.csv"}, "s3://bucket/in/p.csv"),
        (COACHVIEW, "https://cv.example.org/"),
        (
            {"type": "sql", "connection": "hr", "table": "school.people"},
            "postgres://db.example.org:5432/hr/school/people",
        ),
        ({"type": "sql", "connection": "hr", "table": "people"}, "postgres://db.example.org:5432/hr/public/people"),
    ],
)
def test_where_persons_come_from(
    heard: airflows.HookLineageCollector, tmp_path: Path, source: dict[str, Any], uri: str
) -> None:
    tell_read(run(tmp_path, source))
    (one,) = heard.collected_assets.inputs
    assert one.asset.uri == uri.format(folder=tmp_path)
    assert "s3cret" not in repr(heard.collected_assets)


def test_where_a_list_of_access_comes_from(heard: airflows.HookLineageCollector, tmp_path: Path) -> None:
    of = run(tmp_path, COACHVIEW)
    access = {"source": {"path": "list.csv", "columns": {"course": "Cursus"}}}
    said = of.mapping.model_dump(exclude_unset=True) | {"access": access}
    tell_read(SimpleNamespace(mapping=Mapping.model_validate(said), mapping_path=of.mapping_path))
    assert [one.asset.uri for one in heard.collected_assets.inputs] == [
        "https://cv.example.org/",
        f"file://{tmp_path}/list.csv",
    ]


def test_what_airflow_does_not_take_hides_no_other_source_and_fails_nothing(
    heard: airflows.HookLineageCollector, tmp_path: Path
) -> None:
    tell_read(run(tmp_path, {"type": "sql", "connection": "hr", "query": "SELECT 1"}, COACHVIEW))
    assert [one.asset.uri for one in heard.collected_assets.inputs] == ["https://cv.example.org/"]
    tell_read(run(tmp_path, {"type": "coachview", "connection": "gone"}))
    assert len(heard.collected_assets.inputs) == 1


def test_which_moodle_is_written_to(heard: airflows.HookLineageCollector, tmp_path: Path) -> None:
    tell_written(run(tmp_path, COACHVIEW))
    tell_written(run(tmp_path, COACHVIEW))
    assert {one.asset.uri for one in heard.collected_assets.outputs} == {"moodle://moodle.example.org/sub/users"}


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("moodle://moodle.example.org/sub/users", "moodle://moodle.example.org", "sub/users"),
        ("moodle://demo/persons", "moodle://demo", "persons"),
        ("moodle://demo", "moodle://demo", "/"),
    ],
)
def test_openlineage_names_an_asset_by_its_place_and_its_path(
    monkeypatch: pytest.MonkeyPatch, uri: str, namespace: str, name: str
) -> None:
    monkeypatch.setattr(facet, "Dataset", dict)  # the client of OpenLineage is not installed here
    assert dataset_of(Asset(uri=uri), None) == {"namespace": namespace, "name": name}
