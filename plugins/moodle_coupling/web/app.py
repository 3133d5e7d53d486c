"""The FastAPI app that Airflow mounts under /moodle."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles

from moodle_coupling.web.base.access import admitted
from moodle_coupling.web.base.forms import refuse_forged, refuse_nul
from moodle_coupling.web.base.shell import add_pages, add_shell
from moodle_coupling.web.base.templating import ROOMS, WEB, redirect
from moodle_coupling.web.base.words import COOKIE
from moodle_coupling.web.environments import actions as environment_actions
from moodle_coupling.web.environments import pages as environments
from moodle_coupling.web.mismatches import application, decisions, elsewhere, export, sheet
from moodle_coupling.web.mismatches import pages as mismatches
from moodle_coupling.web.people import pages as people
from moodle_coupling.web.runs import export as run_export
from moodle_coupling.web.runs import pages as runs
from moodle_coupling.words.sentence import languages

_A_YEAR: Final = 365 * 24 * 3600
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
    for page in (
        environments,
        environment_actions,
        export,
        sheet,
        application,
        decisions,
        mismatches,
        elsewhere,
        runs,
        run_export,
        people,
    ):
        app.include_router(page.router)  # in this order: the page of one mismatch takes any word
    app.post("/language")(choose_language)
    app.add_api_route("/{path:path}", _nothing_here, methods=_METHODS)  # last: what no page has taken
    add_pages(app)
    add_shell(app)
    return app


def _nothing_here(path: str) -> Response:  # noqa: ARG001  # FastAPI fills it in
    raise HTTPException(404)


def choose_language(request: Request, lang: Annotated[str, Form()], back: Annotated[str, Form()] = "/") -> Response:
    """Remember a language in a cookie and go back to where one was; ``back`` is a path below ours."""
    if lang not in languages():
        raise HTTPException(404)
    answer = redirect(request, back if back.startswith("/") and not back.startswith("//") else "/")
    answer.set_cookie(
        COOKIE,
        lang,
        max_age=_A_YEAR,
        path=request.scope.get("root_path", "") or "/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer
