"""How a page is written.

1. A module in the page's room (``web/<room>/``, templates and static files beside it) with ``router = APIRouter()``;
   ``app.py`` includes it. Every route is behind Airflow's login
   and behind the CSRF check already, also those nobody thought of.
2. A route asks who may, first thing, then renders::

       @router.get("/things/{env}")
       def things(request: Request, env: str, access: AccessDep) -> Response:
           access.require(Right.READ, env)
           return render(request, "things/list.html", env=env, rows=rows)

   Write plain ``def``: it runs in a thread, and the ledger and Airflow's database block. What a person typed to search
   for goes by POST, never into a URL: URLs end up in logs and histories. Show names and addresses through
   ``access.mask(env)``. List your route in ``tests/web/rights.py`` or the tests fail.
3. A template starts with ``{% extends "base.html" %}`` and ``{% import "macros.html" as ui with context %}``, and fills
   the blocks ``title`` and ``content``; ``{% set section = "mismatches" %}`` marks where one is. A fragment for htmx is a
   file of its own that starts with ``_`` and extends nothing. Everything is escaped; there is no inline script or style
   (the CSP forbids both): use classes, and attributes in SVG.
4. Texts are English in ``_("… {value} …", value=…)`` or ``plural("{n} run", "{n} runs", number)``, their words in
   other languages in ``words/locale``; texts in Python that are translated later are marked with ``say("…")``. A test finds what lacks.
5. A change is a ``<form method="post" action="{{ url('/…') }}">`` with ``{{ ui.csrf() }}`` in it, so that it works
   without JavaScript; ``hx-post`` and ``hx-target`` on the same form make it smooth. The route ends in
   ``done(request, back="/…", notice=Notice(...), fragment="_row.html", **values)``: htmx gets the fragment and the
   notice, a browser without it a redirect and the notice on the next page. Note every change with
   ``ledger.activity.note(by=access.name, …)``.
6. Errors: raise ``HTTPException(404)`` and the like, or let a CouplingError pass; each becomes a page, or for htmx a
   notice.

A sentence of a run, an error or the ledger (a Sentence, written or not, or an old plain text) is shown by
``{{ say(value) }}``; ``{% if foreign(value) %} lang="en"{% endif %}`` marks one that is in no other language than English.

Names in every template: ``_ say(value) foreign(value) plural number(n) since(at) lang csrf_token access here url(path, **query) static(name)
airflow(path) marked(one, other) words``. Links to Airflow's own pages: ``<a href="{{ airflow('dags/x') }}" data-airflow>``;
app.js opens them outside the frame. Macros (macros.html): ``csrf badge word notice moment ago empty kv diff pager
sort``; ``{{ ui.word(words.VERDICTS, row.verdict) }}`` is a translated badge. A page with a style sheet of its own links it in
the block ``head``. ``here`` is where a form leads back to; a page that answers a POST passes its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from moodle_coupling.web.base import forms, words
from moodle_coupling.web.base.access import of_request
from moodle_coupling.web.base.forms import Notice
from moodle_coupling.web.base.words import foreign, say, texts_for
from moodle_coupling.words.sentence import languages

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts


# ---- Two texts side by side, with the characters that differ marked ----

_LONGEST: Final = 300
"""Characters; beyond them the whole text counts as different rather than keep the page waiting."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, and whether the other text lacks it."""

    text: str
    differs: bool


def marked(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Give both texts in pieces; letters are compared as they are, so case and accents count."""
    if one == other:
        return _whole(one, differs=False), _whole(other, differs=False)
    if not one or not other or len(one) > _LONGEST or len(other) > _LONGEST:
        return _whole(one, differs=True), _whole(other, differs=True)
    ones, others = [0], [0]
    same: set[int] = set()
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    for block in blocks:
        same.add(len(ones))
        ones += [block.a, block.a + block.size]
        others += [block.b, block.b + block.size]
    return _cut(one, ones, same), _cut(other, others, same)


def _whole(text: str, *, differs: bool) -> list[Piece]:
    return [Piece(text, differs)] if text else []


def _cut(text: str, borders: list[int], same: set[int]) -> list[Piece]:
    found = []
    for number, (start, end) in enumerate(pairwise(borders)):
        if end > start:
            found.append(Piece(text[start:end], number not in same))
    return found


# ---- How long ago, how long and how fast, in words ----

_PAST: Final = (
    (86400, say("{n} day ago"), say("{n} days ago")),
    (3600, say("{n} hour ago"), say("{n} hours ago")),
    (60, say("{n} minute ago"), say("{n} minutes ago")),
)
_FUTURE: Final = (
    (86400, say("in {n} day"), say("in {n} days")),
    (3600, say("in {n} hour"), say("in {n} hours")),
    (60, say("in {n} minute"), say("in {n} minutes")),
)
_MINUTE, _HOUR = 60, 3600


def since(at: dt.datetime, now: dt.datetime, texts: Texts) -> str:
    """Say how long ago ``at`` was, or how long it is until then, in whole days, hours or minutes."""
    seconds = (now - at).total_seconds()
    for size, one, many in _FUTURE if seconds < 0 else _PAST:
        if abs(seconds) >= size:
            return texts.plural(one, many, int(abs(seconds) // size))
    return texts("just now") if seconds >= 0 else texts("any moment")


def duration(seconds: float, texts: Texts) -> str:
    """Write a duration in the two units that matter: '4 s', '3 min 20 s', '2 h 5 min'."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return texts("{seconds} s", seconds=whole)
    if whole < _HOUR:
        return texts("{minutes} min {seconds} s", minutes=whole // _MINUTE, seconds=whole % _MINUTE)
    return texts("{hours} h {minutes} min", hours=texts.number(whole // _HOUR), minutes=whole % _HOUR // _MINUTE)


def rate(per_second: float, texts: Texts) -> str:
    """Write how many a second, or a minute where it is less than one a second."""
    if per_second >= 1:
        return texts("{n} a second", n=texts.number(per_second))
    return texts("{n} a minute", n=texts.number(max(1, per_second * _MINUTE)))


# ---- How a page is written ----

WEB: Final = Path(__file__).parents[1]
ROOMS: Final = ("environments", "mismatches", "runs", "people")
"""Rooms with pages: each has its templates and static files beside its routes."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Makes addresses of our pages and of Airflow's, wherever Airflow is mounted."""

    ours: str
    airflows: str

    def url(self, path: str, **query: Any) -> str:
        """Give the address of one of our pages; a query value None is left out, a list is repeated."""
        kept = {key: value for key, value in query.items() if value is not None}
        return f"{self.ours}{quote(path)}" + (f"?{urlencode(kept, doseq=True)}" if kept else "")

    def static(self, name: str) -> str:
        """Give the address of a static file; it changes with the file, so browsers may keep it."""
        return f"{self.ours}/static/{name}?v={_version(name)}"

    def airflow(self, path: str = "") -> str:
        """Give the address of one of Airflow's own pages; ``path`` as it is, not quoted yet."""
        return f"{self.airflows}/{quote(path)}"


def addresses(request: Request) -> Addresses:
    """Give the addresses as this request reached us."""
    return Addresses(request.scope.get("root_path", ""), request.scope.get("app_root_path", ""))


def is_htmx(request: Request) -> bool:
    """Tell whether htmx asks for a fragment."""
    return request.headers.get("hx-request") == "true"


def render(
    request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Give a template as an answer; a notice that waits for the user is shown by a whole page."""
    whole = not Path(template).name.startswith("_")
    waiting = forms.waiting(request) if whole else None
    html = text_of(request, template, **{"notice": waiting} | values)
    answer = HTMLResponse(html, status_code=status, headers=headers)
    if waiting is not None:
        forms.forget(request, answer)
    return answer


def text_of(request: Request, template: str, **values: Any) -> str:
    """Give a template filled in, with what every template knows."""
    texts, made, access = texts_for(request), addresses(request), of_request(request)
    known = {
        "_": texts,
        "say": texts.say,
        "foreign": lambda stored: foreign(texts, stored),
        "plural": texts.plural,
        "lang": texts.language,
        "languages": languages(),
        "access": access,
        "csrf_token": forms.token_of(access),
        "csrf_period": forms.period(),
        "here": request.scope["path"].removeprefix(made.ours) if request.method == "GET" else "/",
        "since": lambda at: since(at, dt.datetime.now(dt.UTC), texts),
        "number": texts.number,
        "notice": None,
        "url": made.url,
        "static": made.static,
        "airflow": made.airflow,
    }
    return _environment().get_template(template).render(known | values)


def redirect(request: Request, path: str, notice: Notice | None = None) -> RedirectResponse:
    """Send a browser to one of our pages (303), where the notice is shown."""
    answer = RedirectResponse(f"{addresses(request).ours}{path}", status_code=303)
    if notice is not None:
        forms.keep(request, answer, notice)
    return answer


def done(request: Request, *, back: str, notice: Notice, fragment: str = "", **values: Any) -> Response:
    """Answer a change: htmx gets ``fragment`` filled in plus the notice, any other browser a redirect to ``back``.

    Without a fragment htmx gets the notice alone.
    """
    if not is_htmx(request):
        return redirect(request, back, notice)
    body = text_of(request, fragment, **values) if fragment else ""
    return HTMLResponse(body + text_of(request, "_notice.html", notice=notice))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=ChoiceLoader(
            [
                PrefixLoader({room: FileSystemLoader(WEB / room / "templates") for room in ROOMS}),
                FileSystemLoader(WEB / "base" / "templates"),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"marked": marked, "words": words, "word_of": words.word}
    made.filters |= {"iso": _iso, "minute": _minute, "digest": _digest}
    return made


def static_file(name: str) -> Path:
    """Give where a static file lies: ``app.css`` is everyone's, ``runs/runs.css`` that of a room."""
    room, _, own = name.rpartition("/")
    return WEB / (room or "base") / "static" / own


@cache
def _version(name: str) -> str:
    return hashlib.sha256(static_file(name).read_bytes()).hexdigest()[:12]


def _iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")


def _minute(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def _digest(html: str) -> str:
    return hashlib.sha256(html.encode()).hexdigest()[:12]
