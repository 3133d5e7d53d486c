"""The list of mismatches and the page of one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Path, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.ledger.activity import colleagues
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.decisions import decision_history, protections
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.mismatches import Place, get_mismatch, mismatch_place
from moodle_coupling.orchestration import names
from moodle_coupling.web.base.access import MASK, Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep, Notice, Offer
from moodle_coupling.web.base.templating import Addresses, addresses, done, is_htmx, redirect, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.mismatches.listing import LIKENESSES, SIZES, Filters, listing, read_filters
from moodle_coupling.web.mismatches.rows import Reader, Row, for_templates, label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.ledger.decisions import Decision
    from moodle_coupling.ledger.ledger import Ledger


VIEW: Final = "moodle_coupling_list"
"""The cookie that keeps how somebody wants the list."""
COMPACT: Final = "compact"
FULL: Final = "full"
KEYS: Final = "moodle_coupling_keys"
"""The cookie that says that somebody wants no keys."""
ON: Final = "on"
OFF: Final = "off"
_A_YEAR: Final = 365 * 24 * 3600
MismatchId = Annotated[int, Path(ge=1, le=2**63 - 1)]
router = APIRouter()


def list_path(filters: Filters, offset: int = 0) -> str:
    """Give the path of the list, by default from its beginning."""
    return Addresses("", "").url("/mismatches", **filters.query(offset=offset))


def one_path(filters: Filters, mismatch: int) -> str:
    """Give the path of one mismatch, that says from which list one came."""
    return Addresses("", "").url(f"/mismatches/{mismatch}", **filters.query())


def place_of(access: Access, filters: Filters, mismatch: int) -> Place:
    """Tell what comes before and after a mismatch in the list that one came from."""
    chosen = filters.for_ledger(access, dt.datetime.now(dt.UTC))
    return mismatch_place(the_ledger(), mismatch, chosen, sort=filters.sort, descending=filters.descending)


def readable(access: Access, mismatch: int, right: Right = Right.READ) -> dict[str, Any]:
    """Give a mismatch as the ledger has it; raises 404 when it is not there or not to be read, 403 without the right."""
    try:
        record = dict(get_mismatch(the_ledger(), mismatch))
    except NotInLedger:
        raise HTTPException(404) from None
    access.require(right, record["environment"])
    return record


def list_values(request: Request, access: Access, filters: Filters) -> dict[str, Any]:
    """Give what the list's templates take."""
    texts, url, names = texts_for(request), addresses(request).url, access.environments()
    return common(request, access, filters) | {
        "found": listing(access, texts, filters),
        "sizes": SIZES,
        "likenesses": LIKENESSES,
        "page_address": lambda offset: url("/mismatches", **filters.query(offset=offset)),
        "size_address": lambda size: url("/mismatches", **filters.query(size=size, offset=0)),
        "sort_address": lambda sort, descending: url(
            "/mismatches", **filters.query(sort=sort, descending=descending, offset=0)
        ),
        "names_sort": all(access.sees_names(name) for name in names),
    }


def one_values(request: Request, access: Access, record: dict[str, Any], filters: Filters) -> dict[str, Any]:
    """Give what the page of one mismatch takes, of the list that one came from."""
    ledger = the_ledger()
    row = Reader(access, texts_for(request)).row(record)
    place = place_of(access, filters, row.id)
    offset = (place.number - 1) // filters.size * filters.size if place.number else filters.offset
    return common(request, access, filters) | {
        "row": row,
        "compact": False,
        "place": place,
        "list_address": addresses(request).ours + list_path(filters, offset),
        "history": decision_history(ledger, row.id)[::-1],
        "protected": _protected(ledger, access, row),
        "may_decide": access.may(Right.DECIDE, row.environment),
        "mask": MASK,
        "search": None,
    }


def common(request: Request, access: Access, filters: Filters | None = None) -> dict[str, Any]:
    """Give what every template of mismatches takes; ``kept(path)`` is an address that keeps what is asked of the list."""
    names, asked, url = access.environments(), filters or Filters(), addresses(request).url
    query = asked.query()
    deciding = any(access.may(Right.DECIDE, name) for name in names)
    return for_templates(texts_for(request)) | {
        "filters": asked,
        "kept": lambda path: url(path, **query),
        "keys": request.cookies.get(KEYS) != OFF,
        "me": access.name,
        "colleagues": list(dict.fromkeys([access.name, *colleagues(the_ledger(), names)])) if deciding else [],
        "compact": request.cookies.get(VIEW) == COMPACT,
        "swapped": False,
        "several": len(names) > 1,
        "deciding": deciding,
        "running": any(access.may(Right.RUN, name) for name in names),
    }


def _protected(ledger: Ledger, access: Access, row: Row) -> list[dict[str, Any]]:
    """Give the protections on the accounts that a mismatch points at; cohorts and courses have none."""
    if row.is_target:
        return []
    meant = {account.id for account in row.facts.accounts} | ({row.account_id} if row.account_id else set())
    mask = access.mask(row.environment)
    return [
        one | {"note": mask(one["note"])}
        for one in records(protections(ledger, row.environment))
        if one["account_id"] in meant
    ]


@router.get("/mismatches")
def mismatches(request: Request, access: AccessDep, dag_id: str = "") -> Response:
    """List what is asked for; from Airflow's view of a Dag, that of its environment."""
    if dag_id:
        environment = names.environment_of(dag_id)
        if not environment:
            return render(request, "runs/not_ours.html", dag_id=dag_id)
        access.require(Right.READ, environment)
        return redirect(request, Addresses("", "").url("/mismatches", environment=environment))
    values = list_values(request, access, read_filters(request.query_params, access))
    return render(request, "mismatches/_list.html" if is_htmx(request) else "mismatches/list.html", **values)


@router.post("/mismatches/filter")
def find(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Go to what a form asks for; what was typed stands sealed in the address."""
    filters = read_filters(form, access)
    if not is_htmx(request):
        return redirect(request, list_path(filters))
    answer = render(request, "mismatches/_list.html", **list_values(request, access, filters))
    answer.headers["HX-Push-Url"] = f"{request.scope.get('root_path', '')}{list_path(filters)}"
    return answer


@router.post("/mismatches/view")
def choose_view(request: Request, access: AccessDep, form: FormDep, view: Annotated[str, Form()] = "") -> Response:
    """Remember in a cookie whether the list has a line a row, or both sides of each; go back to what was asked for."""
    if view not in {COMPACT, FULL}:
        raise HTTPException(404)
    return _kept(request, redirect(request, list_path(read_filters(form, access))), VIEW, view)


@router.post("/mismatches/keys")
def choose_keys(request: Request, access: AccessDep, form: FormDep, keys: Annotated[str, Form()] = "") -> Response:
    """Remember in a cookie whether somebody wants keys; go back to the list."""
    if keys not in {ON, OFF}:
        raise HTTPException(404)
    return _kept(request, redirect(request, list_path(read_filters(form, access))), KEYS, keys)


def _kept(request: Request, answer: Response, cookie: str, value: str) -> Response:
    path, secure = request.scope.get("root_path", "") or "/", request.url.scheme == "https"
    answer.set_cookie(cookie, value, max_age=_A_YEAR, path=path, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get("/mismatches/{mismatch}")
def one(request: Request, mismatch: MismatchId, access: AccessDep) -> Response:
    """Show one mismatch: both sides, what can be decided and what comes of it, and what was."""
    filters = read_filters(request.query_params, access)
    values = one_values(request, access, readable(access, mismatch), filters)
    return render(request, "mismatches/_one.html" if is_htmx(request) else "mismatches/one.html", **values)


# ---- What opens after something was done on a mismatch: the next one of its list, the list as it is now, or the same
# one again.

ROW: Final = "row"
"""What a form says that stands in a row of the list; others stand on the page of one mismatch."""
_TARGETS: Final = {ROW: "#mismatches"}
LAST: Final = say("That was the last one of this list.")


def onwards(
    request: Request, access: Access, filters: Filters, place: Place, mismatch: int, notice: Notice, *, view: str
) -> Response:
    """Answer once a mismatch is decided: with the list, or with the page of what came after it there (``place``)."""
    if view == ROW:
        return to_list(request, access, filters, notice)
    if place.following is not None:
        return to_one(request, access, filters, place.following, notice, moved=True)
    return to_one(request, access, filters, mismatch, replace(notice, text=f"{notice.text} {texts_for(request)(LAST)}"))


def to_same(
    request: Request, access: Access, filters: Filters, mismatch: int, notice: Notice, *, view: str, moved: bool = False
) -> Response:
    """Answer with what the form stood on: the list, or the page of that mismatch (``moved``: another was shown)."""
    if view == ROW:
        return to_list(request, access, filters, notice)
    return to_one(request, access, filters, mismatch, notice, moved=moved)


def to_list(request: Request, access: Access, filters: Filters, notice: Notice) -> Response:
    """Answer with the list as it is now; where its last page has no row left, with the page before."""
    if not is_htmx(request):
        return redirect(request, list_path(filters, filters.offset), notice)
    values, moved = list_values(request, access, filters), False
    if filters.offset and not values["found"].rows:
        last = max(0, values["found"].total - 1) // filters.size * filters.size
        filters, moved = replace(filters, offset=last), True
        values = list_values(request, access, filters)
    path = list_path(filters, filters.offset)
    return _shown(request, path, notice, "mismatches/_list.html", values, moved=moved)


def to_one(
    request: Request, access: Access, filters: Filters, mismatch: int, notice: Notice, *, moved: bool = False
) -> Response:
    """Answer with the page of a mismatch; ``moved``: it is another one than the browser's address says."""
    path = one_path(filters, mismatch)
    if not is_htmx(request):
        return redirect(request, path, notice)
    values = one_values(request, access, readable(access, mismatch), filters) | {"swapped": True}
    return _shown(request, path, notice, "mismatches/_one.html", values, moved=moved)


def _shown(
    request: Request, path: str, notice: Notice, fragment: str, values: Mapping[str, Any], *, moved: bool
) -> Response:
    answer = done(request, back=path, notice=notice, fragment=fragment, **values)
    if moved:
        answer.headers["HX-Push-Url"] = f"{request.scope.get('root_path', '')}{path}"
    return answer


def told(
    request: Request, row: Row, made: Decision, filters: Filters, version: int, *, view: str, applies: bool
) -> Notice:
    """Say what was decided and on whom, by id; with how to take it back, and (``applies``) how to carry it out now.

    ``version`` is the one that the decision brought.
    """
    texts, who = texts_for(request), row.numbered
    target = _TARGETS.get(view, "#one")
    address = Addresses("", "").url(f"/mismatches/{row.id}/withdraw", **filters.query())
    fields = (("version", str(version)), ("view", view))
    offers = [Offer(texts("Undo"), address, fields, target, key="u")]
    if applies:
        offers.append(
            Offer(texts("Apply now …"), "/mismatches/apply/preview", (("scope", "ticked"), ("tick", str(row.id))))
        )
    decision = label(texts, made.kind, made.account_id, row.verdict)
    return Notice(texts("{who}: {decision}.", who=who, decision=decision), Tone.GOOD, tuple(offers))
