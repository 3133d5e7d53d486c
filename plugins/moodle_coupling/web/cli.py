"""``moodle-coupling export``: the tables of the pages, for whoever is at the command line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import InputError
from moodle_coupling.settings import texts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from moodle_coupling.web.base.access import Access


def add_export_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand, with what can be exported below it."""
    export = subparsers.add_parser(
        "export", help="write a table of the pages into a file: mismatches, or the rows of a run"
    )
    what = export.add_subparsers(dest="what", required=True, metavar="WHAT")
    mismatches = what.add_parser(
        "mismatches", help="the mismatches that are open, to be decided on and brought back by 'decide'"
    )
    mismatches.add_argument("--environment", metavar="ENV", help="of this environment only")
    mismatches.add_argument("--all", action="store_true", help="decided, applied and gone ones too")
    mismatches.set_defaults(func=_mismatches)
    run = what.add_parser("run", help="the rows of a run: what came of each person, with why and how to mend it")
    run.add_argument("environment", metavar="ENV")
    run.add_argument("--run", metavar="RUN", help="Airflow's id of the run; the latest without it")
    run.add_argument("--rejects", action="store_true", help="only who was rejected")
    run.add_argument("--plan", action="store_true", help="the whole plan, for as long as it is kept")
    run.add_argument("--access", action="store_true", help="access to cohorts and courses instead of accounts")
    run.set_defaults(func=_run)
    for parser in (mismatches, run):
        parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="ends in .csv or .xlsx")


def _mismatches(arguments: argparse.Namespace) -> int:
    from moodle_coupling.web.base.couplings import the_ledger
    from moodle_coupling.web.mismatches.export import HEADS, WIDTHS, everything, table
    from moodle_coupling.web.mismatches.listing import Filters
    from moodle_coupling.web.mismatches.rows import Reader

    access = _operator(arguments.environment)
    filters = Filters(
        environments=(arguments.environment,) if arguments.environment else (),
        status="" if arguments.all else Filters().status,
    )
    ids = everything(the_ledger(), filters.for_ledger(access, dt.datetime.now(dt.UTC)))
    lines = ((line.cells, line.choices) for line in table(the_ledger(), Reader(access, texts()), ids, texts()))
    return _write(arguments.output, lines, "Mismatches", {HEADS.index(head): width for head, width in WIDTHS.items()})


def _run(arguments: argparse.Namespace) -> int:
    from moodle_coupling.ledger.runs import latest_runs
    from moodle_coupling.web.base.couplings import the_ledger
    from moodle_coupling.web.runs.export import table_of
    from moodle_coupling.web.runs.report import Report
    from moodle_coupling.web.runs.rows import Filters, Reader

    access, ledger = _operator(arguments.environment), the_ledger()
    runs = latest_runs(ledger, arguments.environment, limit=5000 if arguments.run else 1)
    found = next((one for one in runs if arguments.run in {None, one.run_id}), None)
    if found is None:
        raise InputError(Sentence("commands.no_run", environment=arguments.environment, run=arguments.run or ""))
    listed = {(False, False): "", (True, False): "plan", (False, True): "access", (True, True): "access_plan"}
    filters = Filters(
        of=listed[arguments.plan, arguments.access],
        action="reject" if arguments.rejects and arguments.plan else "",
        status="rejected" if arguments.rejects and not arguments.plan else "",
    )
    table = table_of(Report(ledger, found), Reader(access, texts()), filters, texts())
    if table is None:
        raise InputError(Sentence("commands.no_plan", run=found.run_id))
    lines: Iterable[tuple[list[Any], dict[int, Any]]] = ((row, {}) for row in table.rows)
    return _write(arguments.output, lines, "Run", table.widths)


def _write(
    output: Path,
    lines: Iterable[tuple[Sequence[Any], Mapping[int, Sequence[Any]]]],
    title: str,
    widths: Mapping[int, int],
) -> int:
    from moodle_coupling.contract.safe_text import as_csv
    from moodle_coupling.web.base.tables import as_xlsx

    if output.suffix not in {".csv", ".xlsx"}:
        raise InputError(Sentence("commands.export_suffix", file=str(output)))
    try:
        if output.suffix == ".csv":
            with output.open("w", encoding="utf-8", newline="") as file:
                file.writelines(as_csv((cells for cells, _ in lines), texts()("export.separator")))
        else:
            with as_xlsx(lines, texts()(title), widths) as book:
                output.write_bytes(book.read())
    except OSError as error:
        raise InputError(Sentence("commands.unwritable_file", file=str(output), error=error.strerror or "")) from error
    return 0


def _operator(environment: str | None) -> Access:
    """Give the access of whoever has a shell here: everything. Raises InputError for an environment that is not there."""
    from moodle_coupling.orchestration.commands import use_airflow_database
    from moodle_coupling.orchestration.pause import who
    from moodle_coupling.web.base import couplings
    from moodle_coupling.web.base.access import Access, Right

    class Operator(Access):
        def __init__(self) -> None:
            self._found = None
            self.name = who()

        def may(self, right: Right, environment: str) -> bool:  # noqa: ARG002  # all alike
            return environment in self._couplings

        def _reads(self, environment: str) -> bool:
            return environment in self._couplings

    use_airflow_database()
    if environment is not None and environment not in couplings.by_name():
        raise InputError(Sentence("commands.no_environment", environment=environment, there=list(couplings.by_name())))
    return Operator()
