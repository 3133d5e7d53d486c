"""``moodle-coupling sandbox moodle`` and ``sandbox coachview``: stand-ins to try things on, in the terminal."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from moodle_coupling.errors import InputError, SettingError
from moodle_coupling.sandbox.coachview import FaultKind as CoachviewFaultKind
from moodle_coupling.sandbox.coachview import SandboxCoachview, ServerSettings
from moodle_coupling.sandbox.coachview.people import invented_enrolments, invented_parts
from moodle_coupling.sandbox.coachview.samples import PeopleFile, generate_people, read_people
from moodle_coupling.sandbox.coachview.sandbox import CLIENT_ID
from moodle_coupling.sandbox.moodle import SandboxMoodle, SiteSettings
from moodle_coupling.sandbox.moodle.accounts import UsernameTaken, read_accounts

CLIENT_SECRET_VARIABLE = "COACHVIEW_SANDBOX_CLIENT_SECRET"  # noqa: S105 - the name of a variable
COACHVIEW_SECRET_VARIABLE = "COACHVIEW_SANDBOX_SECRET"  # noqa: S105 - the name of a variable
TOKEN_VARIABLE = "MOODLE_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable
SECRET_VARIABLE = "MOODLE_SANDBOX_SECRET"  # noqa: S105 - the name of a variable
_MOODLE_PORT, _COACHVIEW_PORT = 8088, 8089
_COACHVIEW_FAULT_HELP = (
    f"a fault, may be given more than once: {', '.join(CoachviewFaultKind)}; then ,endpoint=NAME ,first=N ,every=N ,skip=N "
    ",retry_after=S ,seconds=S ,size=BYTES ,rows=N ,person=ID. Example: edit_person,endpoint=Personen,skip=1,first=1"
)
_FAULT_HELP = (
    "a fault, may be given more than once: latency=SECONDS, hold, 500, 502, 503, 504, reset_before, reset_after, truncated, "
    "html, php_warning, slow_drip; then ,function=NAME ,first=N ,every=N ,skip=N ,retry_after=S ,after=1 ,seconds=S "
    ",size=BYTES. Example: 503,first=2,retry_after=5"
)


def add_sandbox_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``sandbox moodle`` and ``sandbox coachview`` to a command line; the chosen function is left in ``func``."""
    sandbox = subparsers.add_parser("sandbox", help="run a stand-in for Moodle or Coachview on this machine")
    kinds = sandbox.add_subparsers(dest="sandbox", required=True, metavar="KIND")
    _add_moodle(kinds)
    _add_coachview(kinds)


def _add_moodle(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser(
        "moodle",
        help="a Moodle that speaks the REST protocol",
        description="Runs a stand-in Moodle on this machine until Ctrl-C. It answers as a real Moodle 5.1 or 4.5 does.",
    )
    _add_common(parser, _MOODLE_PORT, _FAULT_HELP, "a site setting, such as max_input_vars=1000")
    parser.add_argument("--accounts", type=Path, metavar="FILE", help="CSV with the accounts to start with")
    parser.add_argument("--access", type=Path, metavar="FILE", help="JSON with the cohorts and courses to start with")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep the accounts in this file (default: in memory)"
    )
    parser.add_argument(
        "--token", metavar="TOKEN", help=f"the service's token (default: ${TOKEN_VARIABLE}, else a random one is shown)"
    )
    parser.set_defaults(func=run_moodle)


def _add_coachview(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser(
        "coachview",
        help="a Coachview with its REST API",
        description="Runs a stand-in Coachview on this machine until Ctrl-C. It answers as Coachview does as far as that is "
        "known; what is not known is a setting. docs/sandbox-coachview.md has them all.",
    )
    _add_common(parser, _COACHVIEW_PORT, _COACHVIEW_FAULT_HELP, "a server setting, such as take_maximum=50")
    people = parser.add_mutually_exclusive_group()
    people.add_argument("--people", type=Path, metavar="FILE", help="JSON with the people and enrolments to start with")
    people.add_argument(
        "--generate", type=_count, metavar="N", default=0, help="invent so many people, and trainings they follow"
    )
    parser.add_argument(
        "--client-id", metavar="ID", default=CLIENT_ID, help="the API client's id (default %(default)s)"
    )
    parser.add_argument(
        "--client-secret",
        metavar="SECRET",
        help=f"the API client's secret (default: ${CLIENT_SECRET_VARIABLE}, else a random one is shown)",
    )
    parser.set_defaults(func=run_coachview)


def _add_common(parser: argparse.ArgumentParser, port: int, faults: str, settings: str) -> None:
    parser.add_argument("--port", type=_port, default=port, help="default %(default)s; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help=faults)
    parser.add_argument("--setting", action="append", default=[], metavar="KEY=VALUE", help=settings)
    parser.add_argument("--realistic", action="store_true", help="take time over each request, as a real one does")


def run_moodle(arguments: argparse.Namespace) -> int:
    """Run a sandbox Moodle until it is interrupted; return 0, or 1 where it cannot start."""
    try:
        sandbox = _moodle(arguments)
    except (InputError, OSError, sqlite3.Error) as error:
        return _failed(str(error))
    if not _started(sandbox, "Moodle", arguments):
        return 1
    access = sandbox.access
    there = f"cohorts: {len(access.cohorts())}   courses: {len(access.courses())}"
    lines = [
        f"Sandbox Moodle {sandbox.settings.release} at {sandbox.url}  (Ctrl-C ends it)",
        f"  accounts: {len(sandbox.table.all())}   {there}   controls: {sandbox.url}/sandbox/state, calls, faults, settings",
    ]
    if not (arguments.token or os.environ.get(TOKEN_VARIABLE)):
        lines.append(f"  token:    {sandbox.token}")
    _until_interrupted(sandbox, lines)
    return 0


def run_coachview(arguments: argparse.Namespace) -> int:
    """Run a sandbox Coachview until it is interrupted; return 0, or 1 where it cannot start."""
    try:
        sandbox = _coachview(arguments)
    except InputError as error:
        return _failed(str(error))
    if not _started(sandbox, "Coachview", arguments):
        return 1
    lines = [
        f"Sandbox Coachview at {sandbox.url}  (Ctrl-C ends it)",
        f"  people:   {len(sandbox.people)}   controls: {sandbox.url}/sandbox/state, people, calls, faults, settings",
        f"  client:   {sandbox.client_id}",
    ]
    if not (arguments.client_secret or os.environ.get(CLIENT_SECRET_VARIABLE)):
        lines.append(f"  secret:   {sandbox.client_secret}")
    _until_interrupted(sandbox, lines)
    return 0


def _started(sandbox: SandboxMoodle | SandboxCoachview, title: str, arguments: argparse.Namespace) -> bool:
    try:
        sandbox.start(arguments.host, arguments.port)
    except OSError as error:
        sandbox.stop()
        _failed(
            f"The sandbox {title} cannot listen on {arguments.host}:{arguments.port}: {error.strerror or error}. "
            "Choose another with --port, or --port 0 for a free one."
        )
        return False
    return True


def _moodle(arguments: argparse.Namespace) -> SandboxMoodle:
    settings = SiteSettings()
    settings.change(_pairs(arguments.setting))
    settings.realistic = settings.realistic or arguments.realistic
    accounts = read_accounts(arguments.accounts) if arguments.accounts else []
    sandbox = SandboxMoodle(
        settings=settings,
        state=arguments.state or ":memory:",
        token=arguments.token or os.environ.get(TOKEN_VARIABLE, "") or secrets.token_hex(16),
        control_secret=os.environ.get(SECRET_VARIABLE, ""),
    )
    try:
        for spec in arguments.fault:
            sandbox.faults.add(spec)
        _add_accounts(sandbox, accounts, arguments.accounts)
        if arguments.access:
            from moodle_coupling.sandbox.moodle.access_file import read_access_file

            sandbox.add_access(read_access_file(arguments.access))
    except BaseException:
        sandbox.stop()
        raise
    return sandbox


def _add_accounts(sandbox: SandboxMoodle, accounts: list[dict[str, Any]], path: Path | None) -> None:
    try:
        sandbox.add_accounts(accounts)
    except UsernameTaken as error:
        raise InputError(f"The accounts in {path} do not fit together, an id is there twice: {error}.") from error


def _pairs(settings: list[str]) -> dict[str, Any]:
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(
                f"--setting {setting!r} has no '='. Write it as name=value, for instance max_input_vars=1000."
            )
        pairs[name.strip()] = value
    return pairs


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to 65535")
    return int(text)


def _coachview(arguments: argparse.Namespace) -> SandboxCoachview:
    settings = ServerSettings()
    settings.change(_pairs(arguments.setting))
    settings.realistic = settings.realistic or arguments.realistic
    found = read_people(arguments.people) if arguments.people else PeopleFile([])
    sandbox = SandboxCoachview(
        free_fields=found.free_fields,
        settings=settings,
        client_id=arguments.client_id,
        client_secret=arguments.client_secret or os.environ.get(CLIENT_SECRET_VARIABLE, ""),
        control_secret=os.environ.get(COACHVIEW_SECRET_VARIABLE, ""),
    )
    for spec in arguments.fault:
        sandbox.faults.add(spec)
    if arguments.generate:
        sandbox.people.add(generate_people(arguments.generate))
        sandbox.parts.add(invented_parts())
        sandbox.enrolments.add(invented_enrolments(sandbox.people.all()))
    try:
        sandbox.people.add(found.people)
        sandbox.parts.add(found.parts)
        sandbox.enrolments.add(found.enrolments)
    except SettingError as error:
        raise InputError(f"The people in {arguments.people} do not fit Coachview: {error}") from error
    return sandbox


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of people: use 0 to 10000000")
    return int(text)


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _until_interrupted(sandbox: SandboxMoodle | SandboxCoachview, lines: list[str]) -> None:
    """Say where it is, let it run until Ctrl-C or a polite kill, then stop it."""
    ended = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        print("\n".join(lines), flush=True)  # whoever reads this may end us from now on
        while not ended.wait(3600):
            pass
    except KeyboardInterrupt:
        print()
    finally:
        signal.signal(signal.SIGTERM, previous)
        sandbox.stop()
