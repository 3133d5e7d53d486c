"""Export: exactly what is filtered, as a table for a spreadsheet, in which it can be decided on and brought back (sheet.py)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from moodle_coupling.contract.safe_text import as_csv
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_counts, mismatch_page, mismatch_versions
from moodle_coupling.orchestration.decision_sheet import ACCOUNT, DECISION, NOTE, NUMBER, VERSION, kind_code
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import Access, AccessDep
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.tables import CSV, USUAL_WIDTH, XLSX, as_xlsx, download, pieces
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.mismatches.listing import read_filters
from moodle_coupling.web.mismatches.rows import PROPOSED, Reader, Row
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

AT_ONCE: Final = 1000
"""Mismatches read at a time."""
HEADS: Final = (
    NUMBER,
    say("Environment"),
    say("What is the matter"),
    say("Status"),
    say("Person id"),
    say("Extern id"),
    say("field.idnumber"),
    say("field.firstname"),
    say("field.lastname"),
    say("field.email"),
    say("Account"),
    say("Account: username"),
    say("Account: ID number"),
    say("Account: first name"),
    say("Account: last name"),
    say("Account: e-mail"),
    say("Evidence"),
    say("Proposed"),
    DECISION,
    ACCOUNT,
    say("Decided by"),
    say("Decided at (UTC)"),
    NOTE,
    say("Assigned to"),
    say("Due"),
    say("First seen (UTC)"),
    say("Last seen (UTC)"),
    say("Times seen"),
    VERSION,
)
WIDTHS: Final = {
    NUMBER: 9,
    say("What is the matter"): 32,
    say("field.email"): 30,
    say("Evidence"): 60,
    DECISION: 22,
    NOTE: 40,
    VERSION: 0,
}
"""Widths of columns in characters, 0 for one that is hidden; the others have USUAL_WIDTH."""
_PERSON: Final = ("idnumber", "firstname", "lastname", "email")
_ACCOUNT: Final = ("username", "idnumber", "firstname", "lastname", "email")
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: its cells, and what can be chosen in the columns Decision and Account."""

    cells: list[Any]
    decisions: tuple[str, ...] = ()
    accounts: tuple[int, ...] = ()

    @property
    def choices(self) -> dict[int, tuple[Any, ...]]:
        """Give what can be chosen, by column."""
        return {HEADS.index(DECISION): self.decisions, HEADS.index(ACCOUNT): self.accounts}


def everything(ledger: Ledger, chosen: MismatchFilter) -> list[int]:
    """Give the ids of all that is chosen, in their order."""
    return [number for number, _ in mismatch_versions(ledger, chosen)]


def table(ledger: Ledger, reader: Reader, ids: Sequence[int], texts: Texts) -> Iterator[Line]:
    """Give the lines of a table, the head first, of the mismatches with these ids as the user may see them."""
    yield Line([texts(head) for head in HEADS])
    readable = reader.access.environments()
    for start in range(0, len(ids), AT_ONCE):
        chosen = MismatchFilter(readable=readable, ids=ids[start : start + AT_ONCE])
        page = mismatch_page(ledger, chosen, sort="id", descending=False, limit=None)
        for row in reader.rows(page.rows):
            accounts = tuple(
                dict.fromkeys(option.account_id for option in row.options if option.account_id is not None)
            )
            decisions = tuple(dict.fromkeys(texts(kind_code(option.kind, row.verdict)) for option in row.options))
            yield Line(_cells(row, texts), decisions, accounts if len(accounts) > 1 else ())


def _cells(row: Row, texts: Texts) -> list[Any]:
    lines = {line.field: line for line in row.lines((*_PERSON, "username"))}
    stands = row.holds
    return [
        row.id,
        row.title,
        texts(words.word(words.VERDICTS, row.verdict).text),
        texts(words.word(words.MISMATCH_STATUSES, row.status).text),
        row.person_id,
        row.extern_id,
        *(("" if row.is_orphan else lines[name].mine) for name in _PERSON),
        _joined(str(account.id) for account in row.facts.accounts),
        *(_joined(cell.text for cell in lines[name].cells) for name in _ACCOUNT),
        row.evidence,
        texts(PROPOSED[row.proposal]) if row.proposal in PROPOSED else "",
        texts(kind_code(stands.kind, row.verdict)) if stands else "",
        stands.account_id if stands else None,
        stands.by if stands else "",
        stands.at if stands else None,
        stands.note if stands else "",
        row.assigned_to,
        dt.date.fromisoformat(row.due) if row.due else None,
        row.first_seen,
        row.last_seen,
        row.times_seen,
        row.version,
    ]


def _joined(texts: Iterator[str]) -> str:
    return " | ".join(texts)


@router.post("/mismatches/export.csv")
def export_csv(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Give what is filtered as CSV in UTF-8: with semicolons in Dutch, with commas in English."""
    texts = texts_for(request)
    rows = (line.cells for line in _exported(form, access, texts, "CSV"))
    return download(as_csv(rows, texts("export.separator")), CSV, texts("mismatches"), "csv")


@router.post("/mismatches/export.xlsx")
def export_xlsx(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Give what is filtered as a workbook."""
    texts = texts_for(request)
    lines = ((line.cells, line.choices) for line in _exported(form, access, texts, "XLSX"))
    file = as_xlsx(lines, texts("Mismatches"), {at: WIDTHS.get(head, USUAL_WIDTH) for at, head in enumerate(HEADS)})
    return download(pieces(file), XLSX, texts("mismatches"), "xlsx")


def _exported(form: FormData, access: Access, texts: Texts, kind: str) -> Iterator[Line]:
    """Fix which mismatches are meant, note the export in each environment, and give the lines."""
    ledger = the_ledger()
    chosen = read_filters(form, access).for_ledger(access, dt.datetime.now(dt.UTC))
    ids = everything(ledger, chosen)
    for environment, number in mismatch_counts(ledger, chosen)["environment"].items():
        if not chosen.environments or environment in chosen.environments:
            detail = f"{kind}: {number} mismatches"
            activity.note(ledger, by=access.name, environment=environment, action="export", detail=detail)
    return table(ledger, Reader(access, texts, deciding=kind == "XLSX"), ids, texts)
