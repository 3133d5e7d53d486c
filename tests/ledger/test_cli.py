"""``moodle-coupling db`` as a person meets it."""

from __future__ import annotations

import argparse

import pytest

from moodle_coupling.ledger.cli import add_db_parser
from moodle_coupling.ledger.schema import head


def command(url: str, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add_db_parser(parser.add_subparsers(), lambda: url)
    arguments = parser.parse_args(["db", *words])
    return int(arguments.func(arguments))


def test_a_ledger_is_made_once_and_told_to_be_there(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(empty_url, "current") == 1
    assert "has schema none" in capsys.readouterr().out
    assert command(empty_url, "upgrade") == 0
    assert "was made" in capsys.readouterr().out
    assert command(empty_url, "upgrade") == 0
    assert "is up to date" in capsys.readouterr().out
    assert command(empty_url, "current") == 0
    assert f"has schema {head()}; this version needs {head()}" in capsys.readouterr().out


def test_no_address_is_taken_from_the_command_line(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(empty_url, "upgrade", "postgresql://u:s3cret@example.org/ledger")
    capsys.readouterr()
