"""The list of mismatches and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Path, Request, Response

from moodle_coupling.ledger.columns import records
from moodle_coupling.ledger.decisions import decision_history, protections
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.orchestration import names
from moodle_coupling.web.base.access import MASK, Access, AccessDep, Right
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.languages import texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.templating import Addresses, addresses, is_htmx, redirect, render
from moodle_coupling.web.mismatches.listing import LIKENESSES, SIZES, Filters, listing, read_filters
from moodle_coupling.web.mismatches.rows import SHORT, Reader, Row
from moodle_coupling.web.mismatches.words import for_templates

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

VIEW: Final = "moodle_coupling_list"
"""The cookie that keeps how somebody wants the list."""
COMPACT: Final = "compact"
FULL: Final = "full"
_A_YEAR: Final = 365 * 24 * 3600
MismatchId = Annotated[int, Path(ge=1, le=2**63 - 1)]
router = APIRouter()


def list_path(filters: Filters) -> str:
    """Give the path of the list, from its beginning."""
    return Addresses("", "").url("/mismatches", **filters.query(offset=0))


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
    return common(request, access) | {
        "filters": filters,
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


def one_values(request: Request, access: Access, record: dict[str, Any]) -> dict[str, Any]:
    """Give what the page of one mismatch takes."""
    ledger = the_ledger()
    row = Reader(access, texts_for(request)).row(record)
    return common(request, access) | {
        "row": row,
        "history": decision_history(ledger, row.id)[::-1],
        "protected": _protected(ledger, access, row),
        "may_decide": access.may(Right.DECIDE, row.environment),
        "mask": MASK,
        "search": None,
    }


def common(request: Request, access: Access) -> dict[str, Any]:
    """Give what every template of mismatches takes."""
    names = access.environments()
    return for_templates(texts_for(request)) | {
        "compact": request.cookies.get(VIEW) == COMPACT,
        "short": SHORT,
        "swapped": False,
        "several": len(names) > 1,
        "deciding": any(access.may(Right.DECIDE, name) for name in names),
        "running": any(access.may(Right.RUN, name) for name in names),
    }


def _protected(ledger: Ledger, access: Access, row: Row) -> list[dict[str, Any]]:
    """Give the protections on the accounts that a mismatch points at."""
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
    answer = redirect(request, list_path(read_filters(form, access)))
    path, secure = request.scope.get("root_path", "") or "/", request.url.scheme == "https"
    answer.set_cookie(VIEW, view, max_age=_A_YEAR, path=path, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get("/mismatches/{mismatch}")
def one(request: Request, mismatch: MismatchId, access: AccessDep) -> Response:
    """Show one mismatch: both sides, what can be decided and what comes of it, and what was."""
    return render(request, "mismatches/one.html", **one_values(request, access, readable(access, mismatch)))
