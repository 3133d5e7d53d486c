"""The switch between Dutch and English."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.web.base.languages import COOKIE
from moodle_coupling.web.base.templating import redirect
from moodle_coupling.words.catalogue import languages

router = APIRouter()
_A_YEAR: Final = 365 * 24 * 3600


@router.post("/language")
def choose(request: Request, lang: Annotated[str, Form()], back: Annotated[str, Form()] = "/") -> Response:
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
