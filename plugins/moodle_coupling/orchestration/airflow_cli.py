"""Our command line within Airflow's: ``airflow moodle …`` is ``moodle-coupling …``."""

from __future__ import annotations

import argparse
import sys


def get_commands() -> list[object]:
    """Give the command for Airflow's parser; loaded with every ``airflow`` command, so it imports nothing of ours."""
    from airflow.cli.cli_config import ActionCommand, Arg

    told = "a command of moodle-coupling and what it takes"
    rest = Arg(("rest",), nargs=argparse.REMAINDER, help=told)  # type: ignore[no-untyped-call]
    return [ActionCommand(name="moodle", help="The Moodle coupling (as moodle-coupling)", func=_run, args=(rest,))]


def _run(arguments: argparse.Namespace) -> None:
    from moodle_coupling.cli import main

    sys.exit(main(arguments.rest))
