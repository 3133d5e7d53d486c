"""``moodle-coupling sandbox moodle``: a Moodle to try things on, in the terminal."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import InputError
from moodle_coupling.sandbox.moodle import SandboxMoodle, SiteSettings
from moodle_coupling.sandbox.moodle.accounts import UsernameTaken
from moodle_coupling.sandbox.moodle.people_file import read_accounts

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.accounts import Accounts

TOKEN_VARIABLE = "MOODLE_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable
SECRET_VARIABLE = "MOODLE_SANDBOX_SECRET"  # noqa: S105 - the name of a variable
_DEFAULT_PORT = 8088
_FAULT_HELP = (
    "a fault, may be given more than once: latency=SECONDS, hold, 500, 502, 503, 504, reset_before, reset_after, truncated, "
    "html, php_warning, slow_drip; then ,function=NAME ,first=N ,every=N ,skip=N ,retry_after=S ,after=1 ,seconds=S "
    ",size=BYTES. Example: 503,first=2,retry_after=5"
)


def add_sandbox_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``sandbox moodle`` to a command line; the chosen function is left in ``func``."""
    sandbox = subparsers.add_parser("sandbox", help="run a stand-in for Moodle on this machine")
    kinds = sandbox.add_subparsers(dest="sandbox", required=True, metavar="KIND")
    parser = kinds.add_parser(
        "moodle",
        help="a Moodle that speaks the REST protocol",
        description="Runs a stand-in Moodle on this machine until Ctrl-C. It answers as a real Moodle 5.1 or 4.5 does.",
    )
    parser.add_argument("--port", type=_port, default=_DEFAULT_PORT, help="default %(default)s; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--accounts", type=Path, metavar="FILE", help="CSV with the accounts to start with")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep the accounts in this file (default: in memory)"
    )
    parser.add_argument(
        "--token", metavar="TOKEN", help=f"the service's token (default: ${TOKEN_VARIABLE}, else a random one is shown)"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help=_FAULT_HELP)
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a site setting, such as max_input_vars=1000",
    )
    parser.add_argument("--realistic", action="store_true", help="take as long as a real Moodle does")
    parser.set_defaults(func=run_moodle)


def run_moodle(arguments: argparse.Namespace) -> int:
    """Run the sandbox until it is interrupted; return 0, or 1 where it cannot start."""
    try:
        sandbox = _sandbox(arguments)
    except (InputError, OSError, sqlite3.Error) as error:
        return _failed(str(error))
    try:
        sandbox.start(arguments.host, arguments.port)
    except OSError as error:
        sandbox.stop()
        return _failed(
            f"The sandbox Moodle cannot listen on {arguments.host}:{arguments.port}: {error.strerror or error}. "
            "Choose another with --port, or --port 0 for a free one."
        )
    _announce(sandbox, show_token=not (arguments.token or os.environ.get(TOKEN_VARIABLE)))
    _wait()
    sandbox.stop()
    return 0


def _sandbox(arguments: argparse.Namespace) -> SandboxMoodle:
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


def _announce(sandbox: SandboxMoodle, *, show_token: bool) -> None:
    print(f"Sandbox Moodle {sandbox.settings.release} at {sandbox.url}  (Ctrl-C ends it)")
    print(f"  accounts: {_count(sandbox.table)}   controls: {sandbox.url}/sandbox/state, calls, faults, settings")
    if show_token:
        print(f"  token:    {sandbox.token}")
    sys.stdout.flush()


def _count(accounts: Accounts) -> int:
    return len(accounts.all())


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _wait() -> None:
    """Sleep until Ctrl-C or a polite kill."""
    ended = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        while not ended.wait(3600):
            pass
    except KeyboardInterrupt:
        print()
    finally:
        signal.signal(signal.SIGTERM, previous)
