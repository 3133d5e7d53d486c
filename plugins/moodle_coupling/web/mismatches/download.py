"""Export: exactly what is filtered, for a spreadsheet.

An export is noted in the ledger under the name of who took it. So it is a form with proof of origin, as every change is: a picture
or a link on another site must not write in somebody's name.
"""

from __future__ import annotations

import datetime as dt
from typing import IO, TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import FormData

from moodle_coupling.ledger import activity
from moodle_coupling.ledger.mismatches import mismatch_counts, mismatch_versions
from moodle_coupling.web.base.access import Access, AccessDep
from moodle_coupling.web.base.languages import texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.mismatches.export import SEPARATORS, as_csv, as_xlsx, table
from moodle_coupling.web.mismatches.filters import FormDep, read_filters
from moodle_coupling.web.mismatches.rows import Reader
from moodle_coupling.words.catalogue import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

router = APIRouter()
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PIECE: Final = 1 << 16
"""Bytes sent at a time."""


@router.post("/mismatches/export.csv")
def export_csv(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Give what is filtered as CSV in UTF-8: with semicolons in Dutch, with commas in English."""
    texts = texts_for(request)
    rows = _exported(form, access, texts, "CSV")
    return _download(as_csv(rows, SEPARATORS[texts.language]), "text/csv; charset=utf-8", texts, "csv")


@router.post("/mismatches/export.xlsx")
def export_xlsx(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Give what is filtered as a workbook."""
    texts = texts_for(request)
    file = as_xlsx(_exported(form, access, texts, "XLSX"), texts("Mismatches"))
    return _download(_pieces(file), XLSX, texts, "xlsx")


def _exported(form: FormData, access: Access, texts: Texts, kind: str) -> Iterator[list[Any]]:
    """Fix which mismatches are meant, note the export in each environment, and give the rows."""
    ledger = the_ledger()
    chosen = read_filters(form, access).for_ledger(access, dt.datetime.now(dt.UTC))
    ids = [number for number, _ in mismatch_versions(ledger, chosen)]
    for environment, number in mismatch_counts(ledger, chosen)["environment"].items():
        if not chosen.environments or environment in chosen.environments:
            detail = f"{kind}: {number} mismatches"
            activity.note(ledger, by=access.name, environment=environment, action="export", detail=detail)
    return table(ledger, Reader(access, texts, deciding=False), ids, texts)


def _download(body: Iterator[Any], media_type: str, texts: Texts, suffix: str) -> Response:
    name = f"{texts('mismatches')}-{dt.datetime.now(dt.UTC):%Y-%m-%d}.{suffix}"
    return StreamingResponse(
        body, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
