"""``moodle-coupling db``: make, renew and look at the ledger."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from moodle_coupling import settings
from moodle_coupling.ledger.errors import UPGRADE_COMMAND
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_db_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], ledger_url: Callable[[], str]
) -> None:
    """Add ``db``. ``ledger_url`` gives the configured address; there is no option for it, as other users of a machine
    can read each other's command lines.
    """  # noqa: D205
    parser = subparsers.add_parser("db", help="make, renew or look at the ledger ([moodle_coupling] ledger_url)")
    commands = parser.add_subparsers(dest="db_command", required=True, metavar="COMMAND")
    upgrade = commands.add_parser("upgrade", help="make the ledger, or bring it to the schema of this version")
    upgrade.set_defaults(func=functools.partial(_upgrade, ledger_url))
    current = commands.add_parser(
        "current", help="tell which schema the ledger has; exit status 1 if it cannot be used"
    )
    current.set_defaults(func=functools.partial(_current, ledger_url))


def _upgrade(ledger_url: Callable[[], str], _arguments: argparse.Namespace) -> int:
    from moodle_coupling.ledger import schema
    from moodle_coupling.ledger.schema import describe, read_address

    url = ledger_url()
    before = schema.current(url)
    now = schema.upgrade(url)
    code = "up_to_date" if before == now else "upgraded" if before else "made"
    _say(Sentence(f"ledger.cli.{code}", place=describe(read_address(url)), before=before, now=now))
    return 0


def _current(ledger_url: Callable[[], str], _arguments: argparse.Namespace) -> int:
    from moodle_coupling.ledger import schema
    from moodle_coupling.ledger.schema import describe, read_address

    url = ledger_url()
    found, wanted, place = schema.current(url), schema.head(), describe(read_address(url))
    code = "current" if found else "current_none"
    _say(Sentence(f"ledger.cli.{code}", place=place, found=found, wanted=wanted))
    if found == wanted:
        return 0
    _say(Sentence("ledger.cli.upgrade", command=UPGRADE_COMMAND))
    return 1


def _say(said: Sentence) -> None:
    print(settings.texts().say(said))
