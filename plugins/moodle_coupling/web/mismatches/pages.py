"""The list of mismatches and the page of one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from moodle_coupling.orchestration import names
from moodle_coupling.web.base.access import AccessDep, Right
from moodle_coupling.web.base.templating import Addresses, is_htmx, redirect, render
from moodle_coupling.web.mismatches import application as mismatches_applying
from moodle_coupling.web.mismatches import decisions as mismatches_deciding
from moodle_coupling.web.mismatches import download as mismatches_exporting
from moodle_coupling.web.mismatches.filters import FormDep, read_filters
from moodle_coupling.web.mismatches.views import MismatchId, list_path, list_values, one_values, readable

router = APIRouter()
# Before the page of one, whose path takes any word.
router.include_router(mismatches_exporting.router)
router.include_router(mismatches_applying.router)


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


@router.get("/mismatches/{mismatch}")
def one(request: Request, mismatch: MismatchId, access: AccessDep) -> Response:
    """Show one mismatch: both sides, what can be decided and what comes of it, and what was."""
    return render(request, "mismatches/one.html", **one_values(request, access, readable(access, mismatch)))


router.include_router(mismatches_deciding.router)
