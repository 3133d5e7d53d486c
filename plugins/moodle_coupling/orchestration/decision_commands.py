"""``moodle-coupling decide FILE``: decisions from a spreadsheet, shown and then recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import InputError
from moodle_coupling.orchestration.commands import DONE, WRONG, say, using_airflow
from moodle_coupling.settings import mappings_folder, texts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import argparse

    from moodle_coupling.orchestration.decision_sheet import Assessment

_SHOWN: Final = 20
"""Lines that are left out, shown at most."""


def add_decide_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "decide",
        help="record the decisions in an exported table of mismatches",
        description="Reads a table of mismatches that was exported from the page Mismatches and filled in (XLSX or CSV), shows "
        "what it comes to, and records it when asked to. Exit status 1 when a row was left out.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--yes", action="store_true", help="record without asking; otherwise a terminal is asked")
    parser.set_defaults(func=_decide)


def _decide(arguments: argparse.Namespace) -> int:
    from moodle_coupling.mapping.folder import load_all
    from moodle_coupling.orchestration.decision_sheet import Reader, assess, read_sheet, record
    from moodle_coupling.orchestration.environment_hold import the_ledger
    from moodle_coupling.orchestration.pause import who

    path: Path = arguments.file
    try:
        lines = read_sheet(path.read_bytes(), path.name)
    except OSError as error:
        raise InputError(Sentence("commands.unreadable_file", file=str(path), error=error.strerror or "")) from error
    with using_airflow():
        mappings = {one.environment: one for one in load_all(mappings_folder())[0]}
        ledger = the_ledger()
    reader = Reader(
        readable=list(mappings),
        may_decide=lambda _: True,
        shared_email=lambda name: mappings[name].matching.shared_email,
    )
    found = assess(ledger, lines, reader)
    print("\n".join(_shown(found)))
    status = WRONG if found.refused else DONE
    if not found.taken:
        return status
    if not (arguments.yes or _agreed(len(found.taken))):
        say(Sentence("commands.decide.nothing_recorded"))
        return status
    done = record(ledger, found.taken, by=who())
    say(Sentence("commands.decide.recorded", n=len(done.decided)))
    for one in done.refused:
        print(f"  {one.mismatch}: {texts().say(one.said)}")
    return WRONG if done.refused else status


def _shown(found: Assessment) -> list[str]:
    from moodle_coupling.orchestration.decision_sheet import kind_code

    lines = [texts().say(Sentence("commands.decide.taken", n=len(found.taken), same=found.same, empty=found.empty))]
    for (kind, verdict), number in found.kinds.items():
        lines.append(
            f"  {texts()(kind_code(kind, verdict))}: {texts().number(number)} ({texts()(f'verdict.{verdict}')})"
        )
    if found.refused:
        lines.append(texts().say(Sentence("commands.decide.left_out", n=len(found.refused))))
    for one in found.refused[:_SHOWN]:
        said = Sentence("commands.decide.line", line=one.line, number=one.number, why=one.why)
        lines.append(f"  {texts().say(said)}")
    if len(found.refused) > _SHOWN:
        lines.append("  …")
    return lines


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(texts().say(Sentence("commands.decide.ask", n=number))).strip().casefold() in {"y", "yes", "j", "ja"}
