"""Giving mismatches to a colleague, or to oneself, by a day: one, or many at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.ledger.assignments import assign
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.web.base.access import FORBIDDEN, Access, AccessDep, Right
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.notices import Notice
from moodle_coupling.web.base.templating import redirect
from moodle_coupling.web.mismatches.decisions import NOTHING_MEANT
from moodle_coupling.web.mismatches.flow import to_one
from moodle_coupling.web.mismatches.listing import meant, read_filters
from moodle_coupling.web.mismatches.pages import MismatchId, list_path, readable

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts

router = APIRouter()
Name = Annotated[str, Form(max_length=255)]
Day = Annotated[str, Form(max_length=10)]
BAD_DAY: Final = say("'{day}' is no day. Write it as 2026-03-31; nothing was changed.")


@router.post("/mismatches/{mismatch}/assign")
def assign_one(request: Request, mismatch: MismatchId, access: AccessDep, to: Name = "", until: Day = "") -> Response:
    """Give a mismatch to somebody."""
    readable(access, mismatch, Right.DECIDE)
    notice = _assigned(access, texts_for(request), [mismatch], to, until)
    return to_one(request, access, read_filters(request.query_params, access), mismatch, notice)


@router.post("/mismatches/assign")
def assign_many(request: Request, access: AccessDep, form: FormDep, to: Name = "", until: Day = "") -> Response:
    """Give all that is ticked or filtered to somebody, where the user may decide on it."""
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])
    texts, filters = texts_for(request), read_filters(form, access)
    chosen = meant(form, filters, access)
    notice = Notice(texts(NOTHING_MEANT), Tone.WARN)
    if chosen is not None:
        notice = _assigned(access, texts, _deciding(access, chosen), to, until)
    offset = read_filters(request.query_params, access).offset
    return redirect(request, list_path(filters, offset), notice)


def _deciding(access: Access, chosen: MismatchFilter) -> list[int]:
    found = records(mismatch_page(the_ledger(), chosen, sort="id", descending=False, limit=None).rows)
    return [one["id"] for one in found if access.may(Right.DECIDE, one["environment"])]


def _assigned(access: Access, texts: Texts, mismatches: list[int], to: str, until: str) -> Notice:
    """Assign, and say how many went to whom."""
    try:
        day = dt.date.fromisoformat(until) if until else None
    except ValueError:
        return Notice(texts(BAD_DAY, day=until), Tone.WARN)
    name = to.strip()
    number = len(assign(the_ledger(), mismatches, name, day, by=access.name))
    if not number:
        return Notice(texts("Nothing was assigned: what is applied, gone or lapsed is nobody's to judge."), Tone.WARN)
    if not name:
        return Notice(
            texts.plural(
                "{n} mismatch is nobody's in particular.", "{n} mismatches are nobody's in particular.", number
            )
        )
    said = texts.plural("{n} mismatch assigned to {name}.", "{n} mismatches assigned to {name}.", number, name=name)
    return Notice(f"{said} {texts('Due {day}.', day=day.isoformat())}" if day else said)
