"""Deciding: on one mismatch, on many at once, and taking protections off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import DecisionKind, Tone
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.decisions import unprotect as unprotect_account
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import FORBIDDEN, Access, AccessDep, Right
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.notices import Notice
from moodle_coupling.web.base.templating import addresses, done, redirect, render
from moodle_coupling.web.mismatches.bulk import assess, decide_all, read_versions
from moodle_coupling.web.mismatches.choices import option_of
from moodle_coupling.web.mismatches.filters import FormDep, meant, read_filters
from moodle_coupling.web.mismatches.rows import Reader
from moodle_coupling.web.mismatches.views import MismatchId, common, list_path, one_values, readable

if TYPE_CHECKING:
    from moodle_coupling.words.catalogue import Texts

router = APIRouter()
Note = Annotated[str, Form(max_length=2000)]
PROPOSED: Final = "proposed"
"""Follows the kind of a decision on many that is meant only where it is proposed."""
NOT_OFFERED: Final = say("This cannot be decided (any more) on this mismatch. Nothing was changed; look again.")
NOTHING_MEANT: Final = say("Nothing was ticked, and nothing was changed.")


@router.post("/mismatches/{mismatch}/decide")
def decide_one(
    request: Request,
    mismatch: MismatchId,
    access: AccessDep,
    version: Annotated[int, Form()],
    choice: Annotated[str, Form()],
    note: Note = "",
    view: Annotated[str, Form()] = "page",
) -> Response:
    """Decide on a mismatch as it was in the version that the page showed; who comes second is told, and changes nothing."""
    texts, ledger = texts_for(request), the_ledger()
    record = readable(access, mismatch, Right.DECIDE)
    try:
        if record["version"] == version:
            option = option_of(choice, Reader(access, texts).row(record).options)
            if option is None:
                raise HTTPException(409, NOT_OFFERED)
            wish = Choice(option.kind, by=access.name, note=note.strip(), account_id=option.account_id)
        else:
            wish = Choice(DecisionKind.LATER, by=access.name)  # the ledger refuses it, and says who was first
        decide(ledger, mismatch, version, wish)
    except (AlreadyDecided, MismatchChanged) as refused:
        notice = Notice(_why_refused(refused, texts), Tone.WARN)
    else:
        notice = Notice(texts("Decided: {decision}.", decision=texts(words.DECISIONS[wish.kind].text)), Tone.GOOD)
    values = one_values(request, access, readable(access, mismatch)) | {"swapped": True}
    fragment = "mismatches/_row.html" if view == "row" else "mismatches/_one.html"
    return done(request, back=f"/mismatches/{mismatch}", notice=notice, fragment=fragment, **values)


@router.post("/mismatches/{mismatch}/unprotect")
def unprotect(
    request: Request, mismatch: MismatchId, access: AccessDep, account: Annotated[int, Form(ge=1, le=2**63 - 1)]
) -> Response:
    """Let an account that a mismatch points at be written again."""
    texts = texts_for(request)
    record = readable(access, mismatch, Right.DECIDE)
    row = Reader(access, texts).row(record)
    if row.facts.account(account) is None and row.account_id != account:
        raise HTTPException(404)
    taken = unprotect_account(the_ledger(), row.environment, account, by=access.name)
    said = say("Account {account} may be written again.") if taken else say("Account {account} was not protected.")
    notice = Notice(texts(said, account=account), Tone.GOOD if taken else Tone.WARN)
    values = one_values(request, access, readable(access, mismatch))
    return done(request, back=f"/mismatches/{mismatch}", notice=notice, fragment="mismatches/_one.html", **values)


@router.post("/mismatches/decide")
def decide_many(
    request: Request,
    access: AccessDep,
    form: FormDep,
    kind: Annotated[str, Form()] = "",
    rows: Annotated[str, Form()] = "",
    note: Note = "",
) -> Response:
    """Show what can be decided on all that is ticked or filtered; then, with ``kind`` and ``rows``, decide on those."""
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])
    filters = read_filters(form, access)
    values = common(request, access) | {"filters": filters, "back": addresses(request).ours + list_path(filters)}
    if kind:
        return render(request, "mismatches/decided.html", **values, **_decide(request, access, kind, rows, note))
    chosen = meant(form, filters, access)
    if chosen is None:
        notice = Notice(texts_for(request)(NOTHING_MEANT), Tone.WARN)
        return redirect(request, list_path(filters), notice)
    return render(request, "mismatches/bulk.html", found=assess(the_ledger(), access, chosen), **values)


def _decide(request: Request, access: Access, kind: str, rows: str, note: str) -> dict[str, Any]:
    versions, (name, _, only) = read_versions(rows), kind.partition(" ")
    if name not in set(DecisionKind) or not versions:
        raise HTTPException(400)
    texts, chosen = texts_for(request), DecisionKind(name)
    found = decide_all(the_ledger(), access, versions, chosen, note=note.strip(), proposed=only == PROPOSED)
    refused = [(one.mismatch, _why_refused(one, texts)) for one in found.refused]
    return {"kind": chosen, "found": found, "refused": refused}


def _why_refused(refused: AlreadyDecided | MismatchChanged, texts: Texts) -> str:
    """Say who was first, with what and when, or what became of the mismatch."""
    if isinstance(refused, AlreadyDecided):
        return texts(
            "{name} was first: {decision}, at {time} UTC. Nothing was overwritten; what stands is shown.",
            name=refused.by,
            decision=texts(words.word(words.DECISIONS, refused.kind).text),
            time=f"{refused.at:%Y-%m-%d %H:%M:%S}",
        )
    status = texts(words.word(words.MISMATCH_STATUSES, refused.status).text)
    return texts(
        "It changed since the page was shown: it is '{status}' now. Nothing was decided; look again.", status=status
    )
