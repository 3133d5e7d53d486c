"""The rules of the house, as far as the ledger can break them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ledger import postgres

import moodle_coupling

LEDGER = Path(moodle_coupling.__file__).parent / "ledger"


def test_the_ledger_imports_neither_airflow_nor_http_nor_pandas_when_it_is_loaded() -> None:
    names = [
        ".".join(("moodle_coupling", "ledger", *path.relative_to(LEDGER).with_suffix("").parts))
        for path in LEDGER.rglob("*.py")
        if "migrations" not in path.parts and path.name != "__init__.py"
    ]
    assert len(names) > 20
    script = (
        f"import sys\nfor name in {names!r}: __import__(name)\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    )
    path = {"PYTHONPATH": str(LEDGER.parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert not {"airflow", "requests", "httpx", "pandas", "numpy", "pyarrow"} & set(done.stdout.split())


def test_its_errors_can_be_imported_without_the_database_libraries() -> None:
    script = (
        "import sys, moodle_coupling.ledger.errors, moodle_coupling.ledger.words\nprint('sqlalchemy' in sys.modules)"
    )
    path = {"PYTHONPATH": str(LEDGER.parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("ci", "must_be_there"), [("true", True), ("", False)])
def test_without_postgresql_the_checks_that_guard_a_change_fail_and_a_person_is_told(
    ci: str, must_be_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(postgres.PostgresMissing, match=r"not tried on PostgreSQL. scripts/test_services.sh") as missing:
        postgres.find_programs()
    assert missing.value.must_be_there is must_be_there
