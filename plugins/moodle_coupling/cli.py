"""The command line ``moodle-coupling``; what a subcommand needs is imported when it is run."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from moodle_coupling.errors import CouplingError
from moodle_coupling.ledger.cli import add_db_parser
from moodle_coupling.orchestration.commands import add_airflow_parsers, add_decide_parser, add_upkeep_parsers
from moodle_coupling.preview import add_preview_parser
from moodle_coupling.sandbox.cli import add_sandbox_parser
from moodle_coupling.settings import ledger_url, texts
from moodle_coupling.web.cli import add_export_parser
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, WRONG, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status: 0 done, 1 an input or a setting is wrong, 2 usage."""
    try:
        arguments = build_parser().parse_args(argv)
        status = int(arguments.func(arguments))
        sys.stdout.flush()
    except CouplingError as error:
        print(texts().say(error.said), file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        # Whoever read our output has seen enough (| head); Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return 130
    except SystemExit as ended:  # argparse: 0 after --help, 2 after a usage error
        return ended.code if isinstance(ended.code, int) else USAGE
    return status


def build_parser() -> argparse.ArgumentParser:
    """Give the parser with all subcommands; the chosen one leaves its function in ``func``."""
    parser = argparse.ArgumentParser(
        prog="moodle-coupling", description="Brings people from a training administration into Moodle, with Airflow."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_preview_parser(subparsers)
    add_airflow_parsers(subparsers)
    add_decide_parser(subparsers)
    add_export_parser(subparsers)
    add_upkeep_parsers(subparsers)
    add_db_parser(subparsers, ledger_url)
    _add_schema_parser(subparsers)
    add_sandbox_parser(subparsers)
    return parser


def _add_schema_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("schema", help="print the JSON Schema of a mapping file, for editors")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of to the terminal")
    parser.set_defaults(func=_schema)


def _schema(arguments: argparse.Namespace) -> int:
    import json

    from moodle_coupling.errors import InputError
    from moodle_coupling.mapping.file import json_schema, write_schema

    if arguments.output is None:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return DONE
    try:
        write_schema(arguments.output)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(Sentence("commands.schema_not_written", file=str(arguments.output), why=why)) from error
    return DONE


if __name__ == "__main__":
    sys.exit(main())
