"""Subcommands that need Airflow's own database: they run where Airflow's scheduler or API server runs."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from moodle_coupling.errors import InputError, SettingError
from moodle_coupling.settings import mappings_folder, texts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping

DONE, WRONG = 0, 1
ENVIRONMENT: Final = "a mapping file, or an environment in include/mappings"


def add_airflow_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check``, ``validate``, ``setup``, ``pause``, ``resume``, ``explain`` and ``forget``."""
    check = subparsers.add_parser(
        "check",
        help="check the connections of an environment and say what is missing",
        description="Checks the Moodle connection of an environment, and the Coachview its persons come from, as the button in "
        "Airflow's connection form does, and more.",
    )
    check.add_argument(
        "target",
        metavar="ENV|CONN",
        help="a mapping file, an environment in include/mappings, or an Airflow connection",
    )
    check.set_defaults(func=_check)
    validate = subparsers.add_parser(
        "validate",
        help="check all mapping files, and what does not fit between them",
        description="Checks every mapping file of a folder, and what does not fit between them, before Airflow reads them. "
        "Nothing is asked of Moodle or of a source. Exit status 1 when something is wrong.",
    )
    validate.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="folder or mapping file; the configured folder without it"
    )
    validate.set_defaults(func=_validate)
    setup = subparsers.add_parser(
        "setup",
        help="make what an environment needs in Airflow: its pool",
        description="Makes the pool of an environment, and says whether its connection is there.",
    )
    setup.add_argument("environment", metavar="ENV", help=ENVIRONMENT)
    setup.add_argument("--slots", type=int, default=1, help="tasks that may talk to this Moodle at a time (default: 1)")
    setup.set_defaults(func=_setup)
    _add_switches(subparsers)
    _add_person_parsers(subparsers)


def _add_switches(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    pause = subparsers.add_parser(
        "pause",
        help="pause an environment: no request of any kind goes to its Moodle",
        description="Pauses an environment. A load that is under way stops within one batch; nothing is lost.",
    )
    pause.add_argument("environment", metavar="ENV", help=ENVIRONMENT)
    pause.add_argument("--reason", default="", metavar="TEXT", help="why; shown to everyone who asks")
    pause.set_defaults(func=_pause)
    resume = subparsers.add_parser("resume", help="let a paused environment go on, where it was")
    resume.add_argument("environment", metavar="ENV", help=ENVIRONMENT)
    resume.set_defaults(func=_resume)


def _add_person_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = subparsers.add_parser(
        "explain",
        help="follow one person from the source to Moodle, step by step",
        description="Follows one person from the source to Moodle and says at each step what is so and why. Moodle is "
        "only read, unless --write is given. Exit status 1 when something must be mended or decided.",
    )
    explain.add_argument("environment", metavar="ENV", help=ENVIRONMENT)
    explain.add_argument("person", metavar="PERSON", help="person id, extern id or idnumber, as the source has it")
    explain.add_argument("--write", action="store_true", help="write this person to Moodle now, as the trace says")
    explain.add_argument("--format", choices=("text", "json"), default="text")
    explain.set_defaults(func=_explain)
    forget = subparsers.add_parser(
        "forget",
        help="forget a person in the ledger, for good",
        description="Takes a person out of the ledger: links, outcomes, mismatches, activity. Nothing changes in Moodle "
        "or in the source; as long as the person is in the source, the next run knows the person again.",
    )
    forget.add_argument("ids", nargs="+", metavar="ID", help="person id, extern id, idnumber or e-mail address")
    forget.add_argument("--environment", metavar="ENV", help="in this environment only; else in all")
    forget.set_defaults(func=_forget)


def use_airflow_database() -> None:
    """Let Airflow's SDK read connections and variables as Airflow's own commands do, from its database."""
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def _check(arguments: argparse.Namespace) -> int:
    from moodle_coupling.hooks.moodle.check import explain, is_fit
    from moodle_coupling.orchestration.connection_checks import check_environment, check_one, lift_quarantine

    use_airflow_database()
    mapping = _mapping_of(arguments.target)
    checked = check_environment(mapping) if mapping else check_one(arguments.target)
    print(explain(checked.findings, texts()))
    ledger, _ = ledger_if_any()
    if mapping and ledger and is_fit(checked.moodle) and lift_quarantine(ledger, mapping.environment):
        say(Sentence("commands.quarantine_lifted", environment=mapping.environment))
    return DONE if checked.is_fit else WRONG


def _mapping_of(target: str) -> Mapping | None:
    """Give the mapping that is meant; without such a file the target is a connection."""
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping

    folder = mappings_folder()
    if (folder / f"{target}.yaml").is_file() or Path(target).suffix in {".yaml", ".yml"}:
        return load_mapping(find_mapping(target, folder))
    return None


def _setup(arguments: argparse.Namespace) -> int:
    from airflow.sdk.exceptions import AirflowNotFoundException

    from moodle_coupling.airflow_internals import make_pool, require_connection
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.names import pool_name

    use_airflow_database()
    mapping = load_mapping(find_mapping(arguments.environment, mappings_folder()))
    name = pool_name(mapping.environment)
    meaning = texts().say(Sentence("commands.pool.meaning", environment=mapping.environment))
    make_pool(name, arguments.slots, meaning)
    say(Sentence("commands.pool", pool=name, n=arguments.slots))
    try:
        require_connection(mapping.connection)
    except AirflowNotFoundException:
        say(Sentence("commands.no_connection", connection=mapping.connection))
        return WRONG
    command = f"moodle-coupling check {mapping.environment}"
    say(Sentence("commands.connection", connection=mapping.connection, command=command))
    return DONE


def _pause(arguments: argparse.Namespace) -> int:
    return _turn(arguments.environment, "pause", arguments.reason)


def _resume(arguments: argparse.Namespace) -> int:
    return _turn(arguments.environment, "resume")


def _turn(environment: str, action: str, reason: str = "") -> int:
    from moodle_coupling.orchestration.pause import find_switch, note_in_ledger, who

    with using_airflow():
        switch, by = find_switch(environment, mappings_folder()), who()
        changed, said = switch.pause(reason=reason, by=by) if action == "pause" else switch.resume()
        ledger, problem = ledger_if_any()
        unnoted = None
        if changed:
            unnoted = note_in_ledger(
                ledger, problem, by=by, environment=switch.environment, action=action, detail=reason
            )
    say(said)
    if unnoted:
        say(unnoted, file=sys.stderr)
    return DONE


def _validate(arguments: argparse.Namespace) -> int:
    """Say of every mapping file whether it is right; status 1 when one is not."""
    from moodle_coupling.orchestration.mapping_files import validated

    given = Path(arguments.folder) if arguments.folder else mappings_folder()
    lines, right = validated(given, ledger_if_any()[0], texts())
    print("\n".join(lines))
    return DONE if right else WRONG


def _explain(arguments: argparse.Namespace) -> int:
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.hooks.pause import guard
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.explanation import explain_person
    from moodle_coupling.orchestration.load import writer
    from moodle_coupling.orchestration.mapping_files import refuse_newcomer

    with using_airflow():
        path = find_mapping(arguments.environment, mappings_folder())
        mapping = load_mapping(path)
        guard(mapping.connection)()  # told at once, not after a long source was read
        ledger, problem = ledger_if_any()
        if arguments.write and ledger is None:
            raise InputError(Sentence("commands.not_written", problem=problem))
        if arguments.write and ledger is not None:
            refuse_newcomer(ledger, mapping, path.parent)
        write = writer(ledger, mapping) if arguments.write and ledger is not None else None
        with MoodleHook(mapping.connection) as hook:
            trace = explain_person(mapping, path, arguments.person, hook, ledger=ledger, write=write)
    print(trace.json() if arguments.format == "json" else trace.text(texts()))
    return DONE if trace.ok else WRONG


def _forget(arguments: argparse.Namespace) -> int:
    from moodle_coupling.ledger.activity import note
    from moodle_coupling.orchestration.environment_hold import the_ledger
    from moodle_coupling.orchestration.erasure import counted, forget, refuse_while_writing
    from moodle_coupling.orchestration.pause import all_switches, find_switch, who

    told: list[str] = []
    try:
        with using_airflow():
            folder, environment = mappings_folder(), None
            if arguments.environment:
                environment = find_switch(arguments.environment, folder).environment
            ledger = the_ledger()
            every = [environment] if environment else [one.environment for one in all_switches(folder)]
            refuse_while_writing(ledger, every)
            for id_ in arguments.ids:
                forgotten, in_files = forget(ledger, environment, id_, every)
                said = counted(forgotten, in_files)
                told.append(f"{id_}: {texts().say(said)}")
                note(ledger, by=who(), environment=environment or "", action="forget", detail=said.written())
    finally:  # also what was forgotten before an id that is refused
        print("".join(f"{line}\n" for line in told), end="")
    say(Sentence("forget.after"))
    return DONE


def say(said: Sentence, *, file: TextIO | None = None) -> None:
    """Print a sentence in ``[moodle_coupling] language``; to stdout by default."""
    print(texts().say(said), file=file)


def ledger_if_any() -> tuple[Ledger | None, Sentence | None]:
    """Open the ledger, or say why there is none to ask."""
    from moodle_coupling.errors import CouplingError
    from moodle_coupling.orchestration.environment_hold import the_ledger

    try:
        return the_ledger(), None
    except CouplingError as error:
        return None, error.said


@contextlib.contextmanager
def using_airflow() -> Iterator[None]:
    """Use Airflow's database, keep its log off stdout, and say in plain words when the database does not answer."""
    use_airflow_database()
    with contextlib.redirect_stdout(sys.stderr):
        from moodle_coupling.airflow_internals import database_error

        try:
            yield
        except database_error() as error:
            raise SettingError(Sentence("commands.no_airflow_database", error=type(error).__name__)) from None
