"""The command line: its subcommands, its exit statuses, and that help comes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from moodle_coupling.cli import main

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("preview", "check", "schema", "sandbox"):
        assert name in shown


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["--nothing"]])
def test_a_usage_error_is_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_schema_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert main(["schema", "--output", str(tmp_path / "schema.json")]) == 0
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == printed
    assert "idnumber" in printed["properties"]


def test_a_schema_that_cannot_be_written_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--output", str(tmp_path / "no" / "schema.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, moodle_coupling.cli as cli; cli.build_parser().format_help(); "
        "print([name for name in ('pandas', 'pyarrow', 'airflow', 'sqlalchemy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(PLUGINS)}
    )
    assert done.stdout.strip() == "[]"


def test_output_that_nobody_reads_to_the_end_is_no_error() -> None:
    command = f"{sys.executable} -m moodle_coupling.cli schema | head -c 1"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
