"""Export of a run's rows, outcomes or plan: exactly what is filtered, with why and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, HTTPException, Request, Response

from moodle_coupling.contract.safe_text import as_csv
from moodle_coupling.ledger import activity
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import Access, AccessDep
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.tables import CSV, USUAL_WIDTH, XLSX, as_xlsx, download, pieces
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.runs.access import ACTIONS, AccessRow
from moodle_coupling.web.runs.pages import readable, rows_on
from moodle_coupling.web.runs.report import Report
from moodle_coupling.web.runs.rows import Change, Filters, Reader, Row, read_filters
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    import datetime as dt

    from moodle_coupling.ledger.runs import Run

router = APIRouter()
AT_ONCE: Final = 1000
"""Rows read at a time."""
HEADS: Final = (
    say("Person id"),
    say("Extern id"),
    say("field.idnumber"),
    say("Who"),
    say("field.username"),
    say("Account"),
    say("Found"),
    say("Action"),
    say("Outcome"),
    say("Reason"),
    say("Why"),
    say("How to mend it"),
    say("What changes"),
    say("Changed by hand in Moodle"),
)
ACCESS_HEADS: Final = (
    say("Person id"),
    say("Extern id"),
    say("field.idnumber"),
    say("Account"),
    say("Kind"),
    say("Cohort or course"),
    say("Role"),
    say("From"),
    say("Until"),
    say("Suspended"),
    say("Action"),
    say("Outcome"),
    say("Code"),
    say("Why"),
)
WIDTHS: Final = {
    say("Who"): 28,
    say("Why"): 60,
    say("How to mend it"): 50,
    say("What changes"): 50,
    say("Cohort or course"): 28,
}


@router.post("/runs/{run}/export.csv")
def export_csv(request: Request, run: str, access: AccessDep, form: FormDep) -> Response:
    """Give the rows that are filtered as CSV in UTF-8: with semicolons in Dutch, with commas in English."""
    record, texts = readable(access, run), texts_for(request)
    table = _exported(record, access, form, texts, "CSV")
    return download(as_csv(table.rows, texts("export.separator")), CSV, _title(record, texts), "csv")


@router.post("/runs/{run}/export.xlsx")
def export_xlsx(request: Request, run: str, access: AccessDep, form: FormDep) -> Response:
    """Give the rows that are filtered as a workbook."""
    record, texts = readable(access, run), texts_for(request)
    table = _exported(record, access, form, texts, "XLSX")
    lines: Iterator[tuple[list[Any], dict[int, Any]]] = ((row, {}) for row in table.rows)
    file = as_xlsx(lines, texts("Run"), table.widths)
    return download(pieces(file), XLSX, _title(record, texts), "xlsx")


@dataclass(frozen=True)
class Table:
    """``rows``, the head first; ``widths`` by the place of a column."""

    rows: Iterator[list[Any]]
    widths: dict[int, int]


def table_of(report: Report, reader: Reader, filters: Filters, texts: Texts) -> Table | None:
    """Give a table of all that the filters ask for. None where the plan is not there (any more)."""
    if report.page(filters, 1) is None:
        return None
    shown = report.shows(filters)
    heads = ACCESS_HEADS if shown.startswith("access") else HEADS
    widths = {at: WIDTHS.get(head, USUAL_WIDTH) for at, head in enumerate(heads)}
    return Table(_table(report, reader, replace(filters, of=shown, offset=0), texts, heads), widths)


def _table(
    report: Report, reader: Reader, filters: Filters, texts: Texts, heads: tuple[str, ...]
) -> Iterator[list[Any]]:
    yield [texts(head) for head in heads]
    while (page := report.page(filters, AT_ONCE)) is not None and len(page.rows):
        found = rows_on(page.rows, filters.of, report.run.environment, reader)
        yield from (_access_cells(row, texts) if isinstance(row, AccessRow) else _cells(row, texts) for row in found)
        filters = replace(filters, offset=filters.offset + AT_ONCE)


def _exported(record: Run, access: Access, form: FormDep, texts: Texts, kind: str) -> Table:
    """Note who takes the table, and give it."""
    filters = read_filters(form, names=access.sees_names(record.environment))
    table = table_of(Report(the_ledger(), record), Reader(access, texts), filters, texts)
    if table is None:
        raise HTTPException(404)
    detail = f"{kind}: run {record.run_id}"
    activity.note(the_ledger(), by=access.name, environment=record.environment, action="export", detail=detail)
    return table


def _title(record: Run, texts: Texts) -> str:
    return f"{texts('run')}-{record.environment}"


def _cells(row: Row, texts: Texts) -> list[Any]:
    return [
        row.person_id,
        row.extern_id,
        row.idnumber,
        row.who,
        row.username,
        row.account_id,
        texts(words.word(words.VERDICTS, row.verdict).text) if row.verdict else "",
        texts(words.word(words.ACTIONS, row.action).text),
        texts(words.word(words.OUTCOMES, row.status).text) if row.status else "",
        row.meaning,
        row.message,
        row.mend,
        _changes(row.changes),
        _changes(row.drift),
    ]


def _changes(changes: tuple[Change, ...]) -> str:
    return "; ".join(f"{one.field}: {one.old} → {one.new}" for one in changes)


def _access_cells(row: AccessRow, texts: Texts) -> list[Any]:
    return [
        row.person_id,
        row.extern_id,
        row.idnumber,
        row.account_id,
        texts(f"access.kind.{row.kind}"),
        row.target,
        row.role,
        _moment(row.begins),
        _moment(row.ends),
        texts("yes") if row.suspended else "",
        texts(words.word(ACTIONS, row.action).text),
        texts(words.word(words.OUTCOMES, row.status).text) if row.status else "",
        row.code,
        row.why,
    ]


def _moment(at: dt.datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
