"""No NUL gets in: no page has one in its address, no person types one, and no database or file name can hold it."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from fastapi import HTTPException, Request

from moodle_coupling.web.base.csrf import SAFE

_NUL: Final = "\0"


async def refuse_nul(request: Request) -> None:
    """Refuse a NUL: in a path or a query with 404 (there is no such page), in a form's field with 400."""
    if _NUL in request.scope["path"] or b"\0" in unquote_to_bytes(request.scope["query_string"]):
        raise HTTPException(404)
    if request.method in SAFE:
        return
    form = await request.form()
    if any(_NUL in name or (isinstance(value, str) and _NUL in value) for name, value in form.multi_items()):
        raise HTTPException(400)
