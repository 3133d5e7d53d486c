"""A Coachview of some rows for the tests of the hook: it filters, orders and counts, and misbehaves on request."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from moodle_coupling.hooks.coachview.budget import OwnState
from moodle_coupling.hooks.coachview.connection import CoachviewSettings
from moodle_coupling.hooks.coachview.hook import CoachviewHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import requests_mock as mocking

URL = "https://coachview.example.org"
CLIENT = "c1f0f2f4-client"
SECRET = "s3cr3t&s3cr3t/%c0ffee"
TODAY = dt.date(2026, 11, 25)
NOON = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC).timestamp()


class Clock:
    """Time that passes only when somebody waits; ``waits`` are the seconds waited."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def person_row(number: int, changed: dt.date = dt.date(2020, 6, 1), **values: Any) -> dict[str, Any]:
    """A row of Personen, with the keys that were seen and those that are likely."""
    return {
        "id": guid(number),
        "voorletters": "J.",
        "voornaam": f"Jan {number}",
        "tussenvoegsels": "van der",
        "achternaam": "Jansen",
        "inactief": False,
        "adres": {"plaats": "Zwolle", "landCode": "NL"},
        "email1": f"jan{number}@example.org",
        "email2": None,
        "email3": None,
        "externId": f"E{number}",
        "externSource": "HR",
        "auditTrail": {"gewijzigdDatumTijd": f"{changed.isoformat()}T09:30:00"},
        **values,
    }


def people(count: int, *, first: dt.date = dt.date(2020, 1, 1), per_day: int = 10) -> list[dict[str, Any]]:
    """Persons who changed ten a day, from a day on."""
    return [person_row(n, first + dt.timedelta(days=n // per_day)) for n in range(count)]


def changed_on(row: dict[str, Any]) -> dt.date | None:
    stamp = (row.get("auditTrail") or {}).get("gewijzigdDatumTijd")
    return dt.date.fromisoformat(stamp[:10]) if stamp else None


class SmallCoachview:
    """Answers as Coachview does, by ``rows``.

    ``before`` is called with the number of each list request (from 1) and its parameters; what it returns (a
    dict for the answer's ``status_code``, ``headers`` and ``text``) goes instead of an answer. ``deepest`` is the highest skip
    that does not time out. ``other`` are further endpoints: rows, or rows and RowCount, by parameters. ``asked`` are the parameters of all list requests, ``tokens`` how many tokens were given.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        self.rows = list(rows)
        self.before: Callable[[int, dict[str, str]], dict[str, Any] | None] = lambda _number, _params: None
        self.deepest: int | None = None
        self.headers: dict[str, str] = {}
        self.life: Any = 3600
        self.good = ""
        self.tokens = 0
        self.asked: list[dict[str, str]] = []
        self.queries: list[str] = []
        self.other: dict[str, Callable[[dict[str, str]], Any]] = {}
        self.obeys_dates = True
        self.compares_ids = True
        self._lock = threading.RLock()

    # ---- the wire ----

    def serve(self, mock: mocking.Mocker) -> None:
        mock.post(f"{URL}/auth/connect/token", text=self._token)
        mock.get(re.compile(re.escape(f"{URL}/api/v1/")), text=self._answer)

    def _token(self, _request: Any, _context: Any) -> str:
        with self._lock:
            self.tokens += 1
            self.good = f"t0ken-{self.tokens}-t0ken"
            return json.dumps({"access_token": self.good, "expires_in": self.life, "token_type": "Bearer"})

    def _answer(self, request: Any, context: Any) -> str:
        with self._lock:
            params = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
            endpoint = urlsplit(request.url).path.removeprefix("/api/v1/")
            self.asked.append({"endpoint": endpoint, **params})
            self.queries.append(urlsplit(request.url).query)
            context.headers.update(self.headers)
            if request.headers["Authorization"] != f"Bearer {self.good}":
                context.status_code = 401
                return ""
            instead = self.before(len(self.asked), params)
            if instead is not None:
                context.status_code = instead.get("status_code", 200)
                context.headers.update(instead.get("headers", {}))
                return str(instead.get("text", ""))
            if endpoint in self.other:
                found = self.other[endpoint](params)
                if isinstance(found, tuple):
                    found, context.headers["RowCount"] = found[0], str(found[1])
                return json.dumps(found)
            return self._page(params, context)

    def _page(self, params: dict[str, str], context: Any) -> str:
        skip, take = int(params["skip"]), int(params["take"])
        if self.deepest is not None and skip > self.deepest:
            context.status_code = 500
            return ""
        found = sorted(self.found(params.get("where", "")), key=lambda row: row["id"])
        if params.get("Count") == "true":
            context.headers["RowCount"] = str(len(found))
        return json.dumps(found[skip : skip + take])

    # ---- filters ----

    def found(self, where: str) -> Iterator[dict[str, Any]]:
        conditions = [self._condition(part) for part in where.split(";") if part]
        return (row for row in self.rows if all(condition(row) for condition in conditions))

    def _condition(self, part: str) -> Callable[[dict[str, Any]], bool]:
        if part.startswith("audittrail.gewijzigddatumtijd="):
            first, until = (dt.datetime.strptime(day, "%d-%m-%Y").date() for day in part.split("=")[1].split(","))  # noqa: DTZ007
            return lambda row: not self.obeys_dates or first <= (changed_on(row) or dt.date.max) < until
        if part.startswith("id>"):
            return lambda row: not self.compares_ids or row["id"] > part.removeprefix("id>")
        key, _, values = part.partition("=")
        wanted = {value.lower() for value in values.split(",")}
        return lambda row: str(row.get(key) or "").lower() in wanted

    def change(self, number: int, day: dt.date = TODAY, **values: Any) -> None:
        """Change one person, on a day."""
        for row in self.rows:
            if row["id"] == guid(number):
                row.update({**values, "auditTrail": {"gewijzigdDatumTijd": f"{day.isoformat()}T10:00:00"}})


def settings_for(**values: Any) -> CoachviewSettings:
    given = {"page_size": 10, "window_rows": 50, "parallel_requests": 1, **values}
    return CoachviewSettings("demo", URL, CLIENT, SECRET, **given)


class Together:
    """Documents that several hooks share."""

    def __init__(self) -> None:
        self.states: dict[str, OwnState] = {}

    def __call__(self, key: str) -> OwnState:
        return self.states.setdefault(key, OwnState())

    def written(self, kind: str = "") -> list[dict[str, Any]]:
        """The documents of a kind as they are written."""
        found = []
        for key, state in self.states.items():
            if kind in key:
                with state.held() as held:
                    found.append(held.document)
        return found


def hook_for(clock: Clock | None = None, **settings: Any) -> CoachviewHook:
    """A hook on the small Coachview whose waits do not take time."""
    clock = clock or Clock()
    return CoachviewHook.from_settings(settings_for(**settings), sleep=clock.sleep, now=clock)


def ids_of(pages: Iterable[Any]) -> list[str]:
    """The ids on some pages, in the order they came."""
    return [one.id for page in pages for one in page.persons]
