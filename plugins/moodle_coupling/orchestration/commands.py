"""Subcommands that need Airflow's own database: they run where Airflow's scheduler or API server runs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from moodle_coupling.errors import InputError, SettingError
from moodle_coupling.settings import mappings_folder, texts
from moodle_coupling.words.sentence import ENGLISH, Sentence, in_lines
from moodle_coupling.words.sentence import text as as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.decision_sheet import Assessment

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
    explain.add_argument("person", metavar="PERSON", help="person id, extern id or ID number, as the source has it")
    explain.add_argument("--write", action="store_true", help="write this person to Moodle now, as the trace says")
    explain.add_argument("--format", choices=("text", "json"), default="text")
    explain.set_defaults(func=_explain)
    forget = subparsers.add_parser(
        "forget",
        help="forget a person in the ledger, for good",
        description="Takes a person out of the ledger: links, outcomes, mismatches, activity. Nothing changes in Moodle "
        "or in the source; as long as the person is in the source, the next run knows the person again.",
    )
    forget.add_argument("ids", nargs="+", metavar="ID", help="person id, extern id, ID number or e-mail address")
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
    from moodle_coupling.orchestration.run import validated

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
    from moodle_coupling.orchestration.run import refuse_newcomer

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
    from moodle_coupling.orchestration.erasure import counted, forget, refuse_while_writing
    from moodle_coupling.orchestration.pause import all_switches, find_switch, who
    from moodle_coupling.orchestration.run import the_ledger

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
    from moodle_coupling.orchestration.run import the_ledger

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
    from moodle_coupling.orchestration.pause import who
    from moodle_coupling.orchestration.run import the_ledger

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
    from moodle_coupling.orchestration.run import refused

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
