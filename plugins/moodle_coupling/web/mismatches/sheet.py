"""A table of mismatches that comes back with decisions: sent, shown for what it comes to, and recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import UploadFile

from moodle_coupling.contract.verdicts import DecisionKind, Tone
from moodle_coupling.errors import CouplingError
from moodle_coupling.orchestration.decision_sheet import (
    Reader,
    Refused,
    Taken,
    assess,
    check_size,
    kind_code,
    read_sheet,
    record,
)
from moodle_coupling.web.base.access import FORBIDDEN, Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import SECONDS, STALE, FormDep, Notice
from moodle_coupling.web.base.templating import redirect, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.mismatches.decisions import as_rows, why_refused
from moodle_coupling.web.mismatches.facts import shares_addresses
from moodle_coupling.web.mismatches.pages import common

router = APIRouter()
MOST_SHOWN: Final = 200
"""Lines that are left out, shown of each kind."""
NO_FILE: Final = say("Choose a file first.")
REFUSALS: Final = {
    "lapsed": say("Changed since, or decided already"),
    "not_offered": say("Not possible on this mismatch"),
    "contradicting": say("Contradicting lines"),
    "unknown": say("Not found"),
    "barred": say("Not yours to decide"),
    "unreadable": say("Not understood"),
}
"""Why lines are left out, in a few words, in the order in which they are shown."""


@router.get("/mismatches/sheet")
def ask(request: Request, access: AccessDep) -> Response:
    """Ask for the file, and say how it is made."""
    return render(
        request, "mismatches/sheet.html", **common(request, access), found=None, barred=FORBIDDEN[Right.DECIDE]
    )


@router.post("/mismatches/sheet")
def show(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Show what a file comes to: what would be decided, and what is left out and why. Nothing is decided yet."""
    _require_decider(access)
    sent = form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        return redirect(request, "/mismatches/sheet", Notice(texts_for(request)(NO_FILE), Tone.WARN))
    texts, ledger = texts_for(request), the_ledger()
    try:
        check_size(sent.size or 0, sent.filename)
        lines = read_sheet(sent.file.read(), sent.filename)
    except CouplingError as error:
        return redirect(request, "/mismatches/sheet", Notice(texts.say(error.said), Tone.BAD))
    found = assess(ledger, lines, _reader(access))
    return render(
        request,
        "mismatches/sheet.html",
        **common(request, access),
        found=found,
        file=sent.filename,
        kinds=[(kind_code(kind, verdict), verdict, number) for (kind, verdict), number in found.kinds.items()],
        refusals=[(text, some) for key, text in REFUSALS.items() if (some := _of_kind(found.refused, key))],
        most=MOST_SHOWN,
        rows=_serializer().dumps([access.user_id, [astuple(one) for one in found.taken]]),
    )


@router.post("/mismatches/sheet/record")
def take(request: Request, access: AccessDep, rows: Annotated[str, Form()] = "") -> Response:
    """Record what was shown."""
    _require_decider(access)
    taken = _taken(rows, access)
    done = record(the_ledger(), taken, by=access.name)
    texts = texts_for(request)
    refused = [(one.mismatch, why_refused(one, texts)) for one in done.refused]
    decided = set(done.decided)
    back = as_rows((one.mismatch, one.version + 1) for one in taken if one.mismatch in decided)
    values = common(request, access) | {"decided": done.decided, "refused": refused, "rows": back}
    return render(request, "mismatches/sheet_recorded.html", **values)


def _require_decider(access: Access) -> None:
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])


def _reader(access: Access) -> Reader:
    return Reader(
        readable=access.environments(),
        may_decide=lambda name: access.may(Right.DECIDE, name),
        shared_email=lambda name: shares_addresses(access.coupling(name)),
    )


def _of_kind(refused: Iterable[Refused], kind: str) -> list[Refused]:
    return [one for one in refused if one.kind == kind]


def _taken(rows: str, access: Access) -> list[Taken]:
    """Read what the page that showed the file carries: made here, for this user, not long ago. Raises 400, or 403."""
    try:
        made: Any = _serializer().loads(rows, max_age=SECONDS)
    except BadData:
        raise HTTPException(400, STALE) from None
    user, found = made
    if user != access.user_id:
        raise HTTPException(403, STALE)
    return [
        Taken(mismatch, version, DecisionKind(kind), account, note) for mismatch, version, kind, account, note in found
    ]


def _serializer() -> URLSafeTimedSerializer:
    from moodle_coupling.airflow_internals import signing_key

    return URLSafeTimedSerializer(signing_key(), salt="moodle_coupling.decision_sheet")
