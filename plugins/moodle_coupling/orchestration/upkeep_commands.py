"""Subcommands for whoever keeps an installation running: ``doctor``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moodle_coupling.orchestration.commands import DONE, WRONG, say, using_airflow
from moodle_coupling.settings import mappings_folder, texts
from moodle_coupling.words.sentence import ENGLISH, Sentence

if TYPE_CHECKING:
    import argparse


def add_upkeep_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor``."""
    doctor = subparsers.add_parser(
        "doctor",
        help="check this installation and say how to mend what is wrong",
        description="Checks the ledger, the plugin, folders, mapping files, DAGs, pools, connections, clocks, leases and "
        "Airflow's own parts, and says of each how to mend it. Nothing is asked of a Moodle or a source; that is 'check'. "
        "Run it where Airflow's scheduler or API server runs. Exit status 1 when something must be mended.",
    )
    doctor.add_argument("--format", choices=("text", "json"), default="text")
    doctor.set_defaults(func=_doctor)


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
