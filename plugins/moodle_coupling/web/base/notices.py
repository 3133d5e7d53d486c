"""What a user is told after a change, also after a redirect: kept in a signed cookie and shown once."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from moodle_coupling.contract.verdicts import Tone

if TYPE_CHECKING:
    from fastapi import Request, Response

COOKIE: Final = "moodle_notice"
_SECONDS: Final = 60
_LONGEST: Final = 1500
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
    value = _cookies().dumps([notice.text[:_LONGEST], notice.tone, [astuple(offer) for offer in notice.offers]])
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
