"""What is not Airflow's public interface is imported in one module, and each such import is still there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "plugins/moodle_coupling/airflow_internals.py"
PUBLIC = ("airflow.sdk", "airflow.sdk.exceptions", "airflow.sdk.log", "airflow.plugins_manager")
INTERNALS = {
    "airflow.api.common.airflow_health",
    "airflow.api.common.trigger_dag",
    "airflow.api_fastapi.app",
    "airflow.api_fastapi.auth.managers.base_auth_manager",
    "airflow.api_fastapi.auth.managers.models",
    "airflow.api_fastapi.auth.tokens",
    "airflow.api_fastapi.core_api.security",
    "airflow.cli.cli_config",
    "airflow.configuration",
    "airflow.models.connection",
    "airflow.models.dag",
    "airflow.models.dagrun",
    "airflow.models.pool",
    "airflow.models.variable",
    "airflow.sdk.crypto",
    "airflow.sdk.definitions.param",
    "airflow.sdk.execution_time",
    "airflow.sdk.execution_time.comms",
    "airflow.sdk.io",
    "airflow.sdk.lineage",
    "airflow.sdk.observability",
    "airflow.utils.session",
    "airflow.utils.types",
}


def internals(path: Path) -> set[str]:
    """Give the modules of Airflow that a file imports and that are not public, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {
        name
        for name in found
        if name.partition(".")[0] == "airflow" and name not in PUBLIC and not name.startswith("airflow.providers.")
    }


def test_these_and_no_others_are_used() -> None:
    assert internals(HOME) == INTERNALS


def test_no_other_module_uses_any() -> None:
    files = [path for top in ("plugins", "dags") for path in (ROOT / top).rglob("*.py") if path != HOME]
    assert {str(path.relative_to(ROOT)): found for path in files if (found := internals(path))} == {}


def test_every_function_says_why_and_what_comes_after() -> None:
    functions = [node for node in ast.parse(HOME.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    said = {node.name: ast.get_docstring(node) or "" for node in functions}
    assert [name for name, text in said.items() if "Why" not in text or "fter it" not in text] == []


@pytest.mark.parametrize("module", sorted(INTERNALS))
def test_this_airflow_has_it(module: str) -> None:
    importlib.import_module(module)
