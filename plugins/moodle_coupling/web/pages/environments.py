"""The Environments page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from moodle_coupling.web.access import AccessDep
from moodle_coupling.web.templating import render

router = APIRouter()


@router.get("/")
def environments(request: Request, access: AccessDep) -> Response:
    """Show a card for each environment one may read."""
    couplings = [access.coupling(name) for name in access.environments()]
    return render(request, "environments/list.html", couplings=couplings)
