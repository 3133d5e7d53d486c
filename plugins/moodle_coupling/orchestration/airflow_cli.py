"""Our command line within Airflow's: ``airflow moodle …`` is ``moodle-coupling …``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def get_commands() -> list[object]:
    """Give the command for Airflow's parser; loaded with every ``airflow`` command, so it imports next to nothing."""
    from moodle_coupling.airflow_internals import command

    rest = "a command of moodle-coupling and what it takes"
    return [command("moodle", "The Moodle coupling (as moodle-coupling)", _run, rest)]


def _run(arguments: argparse.Namespace) -> None:
    from moodle_coupling.cli import main

    sys.exit(main(arguments.rest))
