"""Export of a run's rows, outcomes or plan: exactly what is filtered, with why and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, HTTPException, Request, Response

from moodle_coupling.contract.spreadsheet import as_csv
from moodle_coupling.ledger import activity
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import Access, AccessDep
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.tables import CSV, USUAL_WIDTH, XLSX, as_xlsx, download, pieces
from moodle_coupling.web.runs.filters import Filters, read_filters
from moodle_coupling.web.runs.pages import readable
from moodle_coupling.web.runs.report import Report
from moodle_coupling.web.runs.rows import Change, Reader, Row
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
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
WIDTHS: Final = {say("Who"): 28, say("Why"): 60, say("How to mend it"): 50, say("What changes"): 50}


@router.post("/runs/{run}/export.csv")
def export_csv(request: Request, run: str, access: AccessDep, form: FormDep) -> Response:
    """Give the rows that are filtered as CSV in UTF-8: with semicolons in Dutch, with commas in English."""
    record, texts = readable(access, run), texts_for(request)
    rows = _exported(record, access, form, texts, "CSV")
    return download(as_csv(rows, texts("export.separator")), CSV, _title(record, texts), "csv")


@router.post("/runs/{run}/export.xlsx")
def export_xlsx(request: Request, run: str, access: AccessDep, form: FormDep) -> Response:
    """Give the rows that are filtered as a workbook."""
    record, texts = readable(access, run), texts_for(request)
    lines: Iterator[tuple[list[Any], dict[int, Any]]] = (
        (row, {}) for row in _exported(record, access, form, texts, "XLSX")
    )
    file = as_xlsx(lines, texts("Run"), {at: WIDTHS.get(head, USUAL_WIDTH) for at, head in enumerate(HEADS)})
    return download(pieces(file), XLSX, _title(record, texts), "xlsx")


def rows_of(report: Report, reader: Reader, filters: Filters, texts: Texts) -> Iterator[list[Any]] | None:
    """Give the rows of a table, the head first: all that the filters ask for. None where the plan is not there (any more)."""
    return None if report.page(filters, 1) is None else _table(report, reader, replace(filters, offset=0), texts)


def _table(report: Report, reader: Reader, filters: Filters, texts: Texts) -> Iterator[list[Any]]:
    yield [texts(head) for head in HEADS]
    planned = report.shows(filters) == "plan"
    while (page := report.page(filters, AT_ONCE)) is not None and len(page.rows):
        found = reader.planned(report.run.environment, page.rows) if planned else reader.outcomes(page.rows)
        yield from (_cells(row, texts) for row in found)
        filters = replace(filters, offset=filters.offset + AT_ONCE)


def _exported(record: Run, access: Access, form: FormDep, texts: Texts, kind: str) -> Iterator[list[Any]]:
    """Note who takes the table, and give its rows."""
    filters = read_filters(form, names=access.sees_names(record.environment))
    rows = rows_of(Report(the_ledger(), record), Reader(access, texts), filters, texts)
    if rows is None:
        raise HTTPException(404)
    detail = f"{kind}: run {record.run_id}"
    activity.note(the_ledger(), by=access.name, environment=record.environment, action="export", detail=detail)
    return rows


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
