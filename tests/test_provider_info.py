"""What Airflow reads of us before anything else."""

from __future__ import annotations

import ast
import json
import os
import pkgutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from moodle_coupling import provider_info
from moodle_coupling.errors import SettingError
from moodle_coupling.hooks.coachview.connection import CoachviewSettings
from moodle_coupling.hooks.coachview.connection import from_connection as coachview_from_connection
from moodle_coupling.hooks.moodle.connection import MoodleSettings, from_connection
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.orchestration.coachview_hook import SharedCoachviewHook

AIRFLOW = Path(airflow.__file__).parent


class Conn:
    conn_id, host, schema, port, password = "demo", "https://moodle.example.org", "", None, "a" * 32

    def __init__(self, extra: dict[str, Any]) -> None:
        self.extra_dejson = extra


def moodle_type() -> dict[str, Any]:
    return provider_info.get_provider_info()["connection-types"][0]


def conn_fields() -> dict[str, dict[str, Any]]:
    return moodle_type()["conn-fields"]


def test_it_imports_nothing() -> None:
    tree = ast.parse(Path(provider_info.__file__).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imported if isinstance(node, ast.ImportFrom)] == ["__future__"]
    assert len(imported) == 1


def test_it_fits_airflows_schema_at_run_time() -> None:
    schema = json.loads((AIRFLOW / "provider_info.schema.json").read_text())
    jsonschema.validate(provider_info.get_provider_info(), schema)


def test_the_connection_form_fits_the_stricter_schema_providers_are_built_with() -> None:
    whole = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text())
    schema = {**whole["properties"]["connection-types"], "definitions": whole.get("definitions", {})}
    jsonschema.validate(provider_info.get_provider_info()["connection-types"], schema)


def test_the_connection_type_is_the_hooks() -> None:
    assert pkgutil.resolve_name(moodle_type()["hook-class-name"]) is MoodleHook
    assert (moodle_type()["connection-type"], moodle_type()["hook-name"]) == (
        MoodleHook.conn_type,
        MoodleHook.hook_name,
    )


def test_the_advanced_fields_are_the_settings_with_their_defaults() -> None:
    settings = MoodleSettings("demo", "https://moodle.example.org", "t")
    advanced = {field.name for field in fields(MoodleSettings)} - {"conn_id", "base_url", "token"}
    assert set(conn_fields()) == advanced
    for name, field in conn_fields().items():
        assert (field["schema"].get("default") or "") == (getattr(settings, name) or ""), name


@pytest.mark.parametrize("name", [n for n, f in conn_fields().items() if "minimum" in f["schema"]])
def test_the_forms_bounds_are_those_the_hook_keeps(name: str) -> None:
    low, high = conn_fields()[name]["schema"]["minimum"], conn_fields()[name]["schema"]["maximum"]
    for value in (low, high):
        assert getattr(from_connection(Conn({name: value})), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(SettingError, match=name):
            from_connection(Conn({name: value}))


def coachview_type() -> dict[str, Any]:
    return provider_info.get_provider_info()["connection-types"][1]


def coachview_fields() -> dict[str, dict[str, Any]]:
    return coachview_type()["conn-fields"]


class CoachviewConn(Conn):
    login, host = "client", "https://coachview.example.org"


def coachview_settings(**extra: Any) -> CoachviewSettings:
    return coachview_from_connection(CoachviewConn(extra))


def test_the_coachview_connection_type_is_the_hooks() -> None:
    assert coachview_type()["hook-class-name"] == f"{SharedCoachviewHook.__module__}.{SharedCoachviewHook.__qualname__}"
    assert (coachview_type()["connection-type"], coachview_type()["hook-name"]) == (
        SharedCoachviewHook.conn_type,
        SharedCoachviewHook.hook_name,
    )


def test_the_advanced_coachview_fields_are_the_settings_with_their_defaults() -> None:
    settings = CoachviewSettings("demo", CoachviewConn.host, CoachviewConn.login, CoachviewConn.password)
    advanced = {field.name for field in fields(CoachviewSettings)}
    assert set(coachview_fields()) == advanced - {"conn_id", "base_url", "client_id", "client_secret"}
    as_shown = {name: field["schema"].get("default") for name, field in coachview_fields().items()}
    assert coachview_settings() == settings
    assert coachview_settings(**as_shown) == settings


@pytest.mark.parametrize("name", [n for n, f in coachview_fields().items() if "minimum" in f["schema"]])
def test_the_coachview_forms_bounds_are_those_the_hook_keeps(name: str) -> None:
    low, high = (coachview_fields()[name]["schema"][bound] for bound in ("minimum", "maximum"))
    beside = {"daily_budget": 10_000_000} if name == "budget_reserve" else {}
    for value in (low, high):
        assert getattr(coachview_settings(**{**beside, name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(SettingError, match=name):
            coachview_settings(**{**beside, name: value})


@pytest.mark.parametrize("name", [n for n, f in coachview_fields().items() if "enum" in f["schema"]])
def test_the_coachview_forms_choices_are_those_the_hook_knows(name: str) -> None:
    choices = coachview_fields()[name]["schema"]["enum"]
    assert [getattr(coachview_settings(**{name: choice}), name) for choice in choices] == choices
    assert sorted(choices) == sorted(type(getattr(coachview_settings(), name)))


def test_every_field_has_a_help_text() -> None:
    every = [*conn_fields().values(), *coachview_fields().values()]
    assert all(len(field["description"]) > 20 for field in every)


SHOW = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
shown = {
    "behaviour": manager.field_behaviours["moodle"],
    "coachview": manager.field_behaviours["coachview"],
    "fields": {name: widget.is_sensitive for name, widget in manager.connection_form_widgets.items()},
    "lineage": manager.asset_to_openlineage_converters["moodle"].__qualname__,
}
print("SHOWN " + json.dumps(shown))
"""


def test_airflow_shows_the_form_and_knows_how_openlineage_names_our_assets(tmp_path: Path) -> None:
    # An installed distribution is a folder with these two files; so the test does not depend on how ours is installed.
    dist = tmp_path / "airflow_moodle_coupling-0.1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-moodle-coupling\nVersion: 0.1.0\n")
    (dist / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = moodle_coupling.provider_info:get_provider_info\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(provider_info.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SHOWN " in done.stdout, done.stderr
    shown = json.loads(done.stdout.split("SHOWN ")[1])
    assert shown["lineage"] == "dataset_of"
    assert shown["behaviour"]["relabeling"] == {"host": "Moodle URL", "password": "Web service token"}
    mine = {name: masked for name, masked in shown["fields"].items() if name.startswith("extra__moodle__")}
    assert set(mine) == {f"extra__moodle__{name}" for name in conn_fields()}
    assert [name for name, masked in mine.items() if masked] == ["extra__moodle__proxy"]
    assert shown["coachview"]["relabeling"] == {
        "host": "Coachview URL", "login": "Client id", "password": "Client secret"
    }  # fmt: skip
    theirs = {name: masked for name, masked in shown["fields"].items() if name.startswith("extra__coachview__")}
    assert set(theirs) == {f"extra__coachview__{name}" for name in coachview_fields()}
    assert [name for name, masked in theirs.items() if masked] == ["extra__coachview__proxy"]
