"""What comes in by addresses and forms: proof that a change was asked for from one of our pages, no NUL, and what was typed, sealed."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote_to_bytes

from cryptography.fernet import Fernet, InvalidToken
from fastapi import Depends, HTTPException, Request
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import FormData

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.web.base.access import Access, AccessDep
from moodle_coupling.web.base.words import say

if TYPE_CHECKING:
    from fastapi import Response


# ---- What a user is told after a change, also after a redirect: kept in a signed cookie and shown once ----

COOKIE: Final = "moodle_notice"
_SECONDS: Final = 60
_LONGEST_NOTICE: Final = 1500
"""Characters; a cookie holds 4 KB."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A button of a notice: what stands on it, the path that it posts ``fields`` to, and the element that htmx exchanges ('' for the whole page).

    ``key``: the key that presses it, where keys are on.
    """

    text: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    target: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One or a few sentences, translated and filled in already, and what can be done about it."""

    text: str
    tone: Tone = Tone.GOOD
    offers: tuple[Offer, ...] = ()


def keep(request: Request, answer: Response, notice: Notice) -> None:
    """Let the next page show a notice."""
    value = _cookies().dumps([notice.text[:_LONGEST_NOTICE], notice.tone, [astuple(offer) for offer in notice.offers]])
    answer.set_cookie(
        COOKIE,
        value,
        max_age=_SECONDS,
        path=_path(request),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def waiting(request: Request) -> Notice | None:
    """Give the notice that the page before left; None when it left none."""
    try:
        text, tone, offers = _cookies().loads(request.cookies.get(COOKIE, ""), max_age=_SECONDS)
    except (BadData, ValueError):  # ValueError: of a version that kept no offers
        return None
    return Notice(str(text), Tone(tone), tuple(Offer(*offer) for offer in offers))


def forget(request: Request, answer: Response) -> None:
    """Drop the notice: it was shown."""
    answer.delete_cookie(COOKIE, path=_path(request))


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")) or "/"


def _cookies() -> URLSafeTimedSerializer:
    from moodle_coupling.airflow_internals import signing_key

    return URLSafeTimedSerializer(signing_key(), salt="moodle_coupling.notice")


# ---- What comes in by addresses and forms ----

HEADER: Final = "X-CSRF-Token"
FIELD: Final = "csrf_token"
SECONDS: Final = 12 * 3600
"""How long a page may lie open before its buttons refuse."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({"", "same-origin", "none"})
STALE: Final = say(
    "This page is too old, or was not made for you: nothing was changed. Reload the page and try once more."
)
_NUL: Final = "\0"
_LONGEST = 200


def token_for(user_id: str) -> str:
    """Make a token for a user. It differs each time, so that compressed pages do not give it away bit by bit."""
    return _serializer().dumps([secrets.token_hex(8), user_id])


def is_genuine(token: str, user_id: str) -> bool:
    """Tell whether a token was made for this user, not too long ago."""
    try:
        made = _serializer().loads(token, max_age=SECONDS)
    except BadData:
        return False
    return isinstance(made, list) and made[1:] == [user_id]


async def refuse_forged(request: Request, access: AccessDep) -> None:
    """Refuse (403) any change that does not carry the user's token, in a header or in a form field."""
    if request.method in SAFE:
        return
    if request.headers.get("sec-fetch-site", "") not in _OWN_SITE:
        raise HTTPException(403, STALE)
    if is_genuine(request.headers.get(HEADER, ""), access.user_id):
        return
    # A form that was exchanged while the page lay open has a newer token than the page's own.
    token = (await request.form()).get(FIELD)
    if not isinstance(token, str) or not is_genuine(token, access.user_id):
        raise HTTPException(403, STALE)


def token_of(access: Access | None) -> str:
    """Give the token for a page; '' on a page for nobody."""
    return token_for(access.user_id) if access is not None else ""


def period() -> int:
    """Give a number that changes well before a token made now runs out: what holds tokens is made anew with it."""
    return int(time.time() // (SECONDS / 3))


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_secret(), salt="moodle_coupling.csrf")


def _secret() -> str:
    from moodle_coupling.airflow_internals import signing_key

    return signing_key()


async def refuse_nul(request: Request) -> AsyncIterator[None]:
    """Refuse a NUL: in a path or a query with 404 (there is no such page), in a form's field with 400.

    Files that came with a form are closed when the request is done.
    """
    if _NUL in request.scope["path"] or b"\0" in unquote_to_bytes(request.scope["query_string"]):
        raise HTTPException(404)
    if request.method in SAFE:
        yield
        return
    form = await request.form()
    try:
        if any(_NUL in name or (isinstance(value, str) and _NUL in value) for name, value in form.multi_items()):
            raise HTTPException(400)
        yield
    finally:
        await form.close()


def seal(text: str) -> str:
    """Give a text as only this server can read it; '' stays ''. Each time it looks different."""
    text = text.strip()[:_LONGEST]
    return _fernet().encrypt(text.encode()).decode().rstrip("=") if text else ""


def unseal(sealed: str) -> str:
    """Give the text that was sealed; '' for anything else."""
    if not sealed or not sealed.isascii():
        return ""
    try:
        return _fernet().decrypt(sealed + "=" * (-len(sealed) % 4)).decode()
    except InvalidToken:
        return ""


def _fernet() -> Fernet:
    from moodle_coupling.airflow_internals import signing_key

    secret = signing_key()
    key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"moodle search")
    return Fernet(base64.urlsafe_b64encode(key.digest()))


async def _sent(request: Request) -> FormData:
    return await request.form()


FormDep = Annotated[FormData, Depends(_sent)]
"""A form as it was sent, for routes that are plain functions."""
