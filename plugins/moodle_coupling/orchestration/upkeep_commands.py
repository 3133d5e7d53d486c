"""Subcommands for whoever keeps an installation running: ``doctor``, ``status`` and ``init``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from moodle_coupling.orchestration.commands import DONE, ENVIRONMENT, WRONG, ledger_if_any, say, using_airflow
from moodle_coupling.settings import mappings_folder, texts
from moodle_coupling.words.sentence import ENGLISH, Sentence, in_lines
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger


def add_upkeep_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor``, ``status`` and ``init``."""
    doctor = subparsers.add_parser(
        "doctor",
        help="check this installation and say how to mend what is wrong",
        description="Checks the ledger, the plugin, folders, mapping files, DAGs, pools, connections, clocks, leases and "
        "Airflow's own parts, and says of each how to mend it. Nothing is asked of a Moodle or a source; that is 'check'. "
        "Run it where Airflow's scheduler or API server runs. Exit status 1 when something must be mended.",
    )
    doctor.add_argument("--format", choices=("text", "json"), default="text")
    doctor.set_defaults(func=_doctor)
    status = subparsers.add_parser(
        "status",
        help="tell whether an environment is paused, in quarantine or waiting, and its last runs",
        description="Tells how an environment is: paused, in quarantine, waiting for an approval, and its last runs.",
    )
    status.add_argument("environment", metavar="ENV", nargs="?", help=f"{ENVIRONMENT}; all without it")
    status.add_argument("--format", choices=("text", "json"), default="text")
    status.set_defaults(func=_status)
    init = subparsers.add_parser(
        "init",
        help="write a first mapping file for a source",
        description="Writes a commented mapping file from the headings of a file or a table, recognised or guessed, or for a "
        "Coachview. A file that is there is never written over without --force.",
    )
    init.add_argument("environment", metavar="ENV", help="name of the environment, and of the file")
    init.add_argument(
        "--from",
        dest="source",
        metavar="FILE|CONNECTION",
        required=True,
        help="CSV, XLSX or Parquet of persons, or the Airflow connection of a Coachview or a database",
    )
    init.add_argument("--table", default="", metavar="TABLE", help="table or view of a database, as schema.table")
    init.add_argument(
        "--connection", default="", metavar="ID", help="Airflow connection of the Moodle (default: moodle_ENV)"
    )
    init.add_argument("--force", action="store_true", help="write over a file that is there")
    init.set_defaults(func=_init)


def _doctor(arguments: argparse.Namespace) -> int:
    from moodle_coupling.hooks.moodle.check import Level, explain, is_fit
    from moodle_coupling.orchestration.doctor import examine

    with using_airflow():
        findings = examine(mappings_folder())
    fit = is_fit(findings)
    if arguments.format == "json":
        told = [
            {
                "level": str(one.level),
                "code": one.code,
                "message": one.message,
                "mend": ENGLISH.say(one.mend) if one.mend else None,
            }
            for one in findings
        ]
        print(json.dumps({"fit": fit, "findings": told}, indent=2, ensure_ascii=False))
        return DONE if fit else WRONG
    print(explain(findings, texts()))
    number = {level: sum(one.level is level for one in findings) for level in Level}
    say(Sentence("doctor.total", wrong=number[Level.ERROR], doubtful=number[Level.WARNING], good=number[Level.OK]))
    return DONE if fit else WRONG


def _status(arguments: argparse.Namespace) -> int:
    from moodle_coupling.orchestration.pause import all_switches, find_switch
    from moodle_coupling.orchestration.status import Status, status_of

    with using_airflow():
        folder = mappings_folder()
        named = arguments.environment
        switches = [find_switch(named, folder)] if named else all_switches(folder)
        ledger, problem = ledger_if_any()
        wrong = _wrong_files(folder, ledger)
        found = [status_of(switch, ledger, wrong.get(switch.environment)) for switch in switches]
        if not named:  # files that are so wrong that they do not name their connection
            nameless = wrong.keys() - {one.environment for one in found}
            found += [Status(name, "", error=wrong[name]) for name in sorted(nameless)]
    if arguments.format == "json":
        told = {"ledger": str(problem) if problem else None, "environments": [one.data() for one in found]}
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return DONE
    lines = [line for one in found for line in one.lines()]
    # What is below an environment stays to the right of it, a mapping file's several errors too.
    shown = [as_text(texts().say(line).replace("\n", "\n    ")) for line in lines]
    say(in_lines(shown or [Sentence("commands.no_mappings", folder=str(folder))]))
    if problem is not None:
        say(Sentence("commands.no_ledger", problem=problem), file=sys.stderr)
    return DONE


def _wrong_files(folder: Path, ledger: Ledger | None) -> dict[str, Sentence]:
    """Give the environments whose mapping file is wrong or refused, with what is wrong."""
    from moodle_coupling.mapping.folder import load_all
    from moodle_coupling.orchestration.mapping_files import refused

    _, errors = load_all(folder)
    wrong = {path.stem: error.said for error in errors if (path := error.path)}
    return {name: error.said for name, error in refused(ledger, folder).items()} | wrong


def _init(arguments: argparse.Namespace) -> int:
    from moodle_coupling.orchestration.mapping_draft import draft, place

    folder, environment = mappings_folder(), arguments.environment
    with using_airflow():
        written = draft(
            environment, arguments.source, folder, texts(), connection=arguments.connection, table=arguments.table
        )
    path = place(folder, environment, written.text, force=arguments.force)
    say(Sentence("init.written", file=str(path)))
    if written.guessed:
        guesses = [Sentence("init.guess", column=name, heading=heading) for name, heading in written.guessed.items()]
        say(Sentence("init.guesses", columns=guesses))
    if written.left:
        say(Sentence("init.unused", headings=list(written.left)))
    say(Sentence("init.next", file=str(path), environment=environment))
    return DONE
