"""The FastAPI app that Airflow mounts under /moodle."""

from __future__ import annotations

from typing import Final

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.staticfiles import StaticFiles

from moodle_coupling.web.base import errorpages, headers, language
from moodle_coupling.web.base.access import admitted
from moodle_coupling.web.base.csrf import refuse_forged
from moodle_coupling.web.base.nul_bytes import refuse_nul
from moodle_coupling.web.base.templating import ROOMS, WEB
from moodle_coupling.web.environments import actions as environment_actions
from moodle_coupling.web.environments import pages as environments
from moodle_coupling.web.mismatches import pages as mismatches
from moodle_coupling.web.people import pages as people
from moodle_coupling.web.runs import pages as runs

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def make_app() -> FastAPI:
    """Make the app: every route, unknown ones too, asks who is there before anything else; static files hold no data."""
    app = FastAPI(
        title="Moodle coupling",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(admitted), Depends(refuse_nul), Depends(refuse_forged)],
    )
    for room in ROOMS:
        app.mount(f"/static/{room}", StaticFiles(directory=WEB / room / "static"))
    app.mount("/static", StaticFiles(directory=WEB / "base" / "static"), name="static")
    for page in (environments, environment_actions, mismatches, runs, people, language):
        app.include_router(page.router)
    app.add_api_route("/{path:path}", _nothing_here, methods=_METHODS)  # last: what no page has taken
    errorpages.add_to(app)
    headers.add_to(app)
    return app


def _nothing_here(path: str) -> Response:  # noqa: ARG001  # FastAPI fills it in
    raise HTTPException(404)
