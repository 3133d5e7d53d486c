"""An Airflow connection of type coachview, read into settings that can be trusted."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from moodle_coupling.hooks.connection import (
    AirflowConnection,
    Extras,
    is_loopback,
    join_address,
    scheme_and_path,
    split_address,
    wrong,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from urllib.parse import SplitResult

LIVE: Final = "https://secure.coachview.net"
SCOPES: Final = ("api", "Personen.Lezen", "Persoonscategorieen.Lezen")
FIRST_DAY: Final = dt.date(2010, 1, 1)

_PASTED_PAGE: Final = re.compile(r"/(api|auth|swagger)(/.*)?$", re.IGNORECASE)
_SECRET_IN_QUERY: Final = frozenset({"client_secret", "access_token"})


class CoachviewConnection(AirflowConnection, Protocol):
    """What is read of a connection; Airflow's own, in tasks and on the server, has these."""

    login: Any


class FreeShape(StrEnum):
    """How free fields stand on a row of a list; not known for persons, so ``auto`` takes whatever comes."""

    AUTO = "auto"
    OBJECT = "object"
    LIST = "list"
    TOP_LEVEL = "top_level"


class CategoriesVia(StrEnum):
    """How a person's categories are asked for; only one request per person is known to work."""

    OFF = "off"
    PER_PERSON = "per_person"
    BATCHED = "batched"


class FullRead(StrEnum):
    """How everyone is read: by windows of change dates, or by skip and take alone."""

    WINDOWS = "windows"
    PAGES = "pages"


@dataclass(frozen=True, slots=True)
class CoachviewSettings:
    """One Coachview: where it is, as whom we ask, and how much at a time.

    ``base_url`` has a scheme and no trailing slash. Time-outs are in seconds, the budget in requests per 24 hours.
    ``window_rows`` is how many rows are read with skip and take before a window of dates is made smaller.
    """

    conn_id: str
    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = SCOPES
    page_size: int = 100
    window_rows: int = 5000
    parallel_requests: int = 2
    daily_budget: int = 5000
    budget_reserve: int = 250
    person_id_key: str = "id"
    free_fields: FreeShape = FreeShape.AUTO
    public_free_fields: tuple[str, ...] = ()
    categories_via: CategoriesVia = CategoriesVia.PER_PERSON
    full_read: FullRead = FullRead.WINDOWS
    first_day: dt.date = FIRST_DAY
    connect_timeout: float = 10
    read_timeout: float = 120
    max_answer_mb: int = 64
    verify_tls: bool = True
    ca_file: str = ""
    proxy: str = field(default="", repr=False)
    allow_http: bool = False

    @property
    def token_url(self) -> str:
        """Where a token is asked for."""
        return f"{self.base_url}/auth/connect/token"

    def url(self, endpoint: str) -> str:
        """Give the address of an endpoint such as ``Personen``."""
        return f"{self.base_url}/api/v1/{endpoint}"

    @property
    def is_loopback(self) -> bool:
        """Whether this Coachview is on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def from_connection(conn: CoachviewConnection) -> CoachviewSettings:
    """Read a connection as the form, ``airflow connections add``, a URI or JSON leave it.

    Raises SettingError naming the connection and the field; its text never holds the secret.
    """
    conn_id = str(conn.conn_id or "")
    extras = _Extras(conn_id, conn.extra_dejson, "coachview")
    allow_http = extras.switch("allow_http", default=False)
    budget = extras.whole("daily_budget", 5000, (10, 10_000_000))
    return CoachviewSettings(
        conn_id=conn_id,
        base_url=_base_url(conn, conn_id, allow_http=allow_http),
        client_id=_filled(conn_id, "Client id", conn.login),
        client_secret=_filled(conn_id, "Client secret", conn.password),
        scopes=_scopes(extras),
        page_size=extras.whole("page_size", 100, (10, 1000)),
        window_rows=extras.whole("window_rows", 5000, (100, 1_000_000)),
        parallel_requests=extras.whole("parallel_requests", 2, (1, 8)),
        daily_budget=budget,
        budget_reserve=_reserve(conn_id, extras.whole("budget_reserve", min(250, budget // 2), (0, 1_000_000)), budget),
        person_id_key=extras.text("person_id_key", _DOTTED, Sentence("connection.coachview.person_key")) or "id",
        free_fields=FreeShape(extras.one_of("free_fields", FreeShape.AUTO, FreeShape)),
        public_free_fields=extras.words("public_free_fields", _FREE_CODE, Sentence("connection.coachview.free_codes")),
        categories_via=CategoriesVia(extras.one_of("categories_via", CategoriesVia.PER_PERSON, CategoriesVia)),
        full_read=FullRead(extras.one_of("full_read", FullRead.WINDOWS, FullRead)),
        first_day=extras.day("first_day", FIRST_DAY),
        **extras.of_requests(),
        allow_http=allow_http,
    )


_DOTTED: Final = r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*"
_FREE_CODE: Final = r"(?i:vrijveld)[A-Za-z0-9]+"
_SCOPE: Final = r"[!#-\[\]-~]+"  # RFC 6749, appendix A.4


class _Extras(Extras):
    def words(self, name: str, pattern: str, wanted: Sentence) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(self.text(name).replace(",", " ").split()))
        for word in found:
            if not re.fullmatch(pattern, word):
                raise self.refusal(name, wanted, word)
        return found

    def one_of(self, name: str, default: str, values: type[StrEnum]) -> str:
        value = self.text(name) or default
        if value not in tuple(values):
            raise self.refusal(name, Sentence("connection.one_of", values=[str(each) for each in values]), value)
        return value

    def day(self, name: str, default: dt.date) -> dt.date:
        value = self.text(name) or default.isoformat()
        try:
            day = dt.date.fromisoformat(value)
        except ValueError:
            raise self.refusal(name, Sentence("connection.coachview.day"), value) from None
        if not dt.date(1900, 1, 2) <= day <= dt.date(2100, 1, 1):
            raise self.refusal(name, Sentence("connection.coachview.day_between"), value)
        return day


def _filled(conn_id: str, label: str, value: object) -> str:
    text = str(value or "").strip()
    if not text:
        raise wrong(conn_id, label, Sentence("connection.coachview.client_empty"))
    if not text.isprintable():
        raise wrong(conn_id, label, Sentence("connection.coachview.client_odd"))
    return text


def _scopes(extras: _Extras) -> tuple[str, ...]:
    """Give the scopes to ask for; ``api`` is always one of them."""
    named = extras.words("scopes", _SCOPE, Sentence("connection.coachview.scopes"))
    return tuple(dict.fromkeys(["api", *(named or SCOPES)]))


def _reserve(conn_id: str, reserve: int, budget: int) -> int:
    if reserve >= budget:
        raise wrong(conn_id, "budget_reserve", Sentence("connection.coachview.reserve", budget=budget, reserve=reserve))
    return reserve


# ---- the address -----------------------------------------------------------------------------------------------------

_URL: Final = "Coachview URL"


def _base_url(conn: CoachviewConnection, conn_id: str, *, allow_http: bool) -> str:
    pasted = (conn.host or "").strip() or LIVE
    parts, port = split_address(conn_id, _URL, pasted, Sentence("connection.coachview.give_address", example=LIVE))
    _refuse_secrets(conn_id, parts)
    host = parts.hostname or ""
    scheme, path = scheme_and_path(conn, parts, _PASTED_PAGE)
    scheme = scheme or ("http" if is_loopback(host) else "https")
    if scheme == "http" and not (allow_http and is_loopback(host)):
        raise wrong(conn_id, _URL, Sentence("connection.coachview.plain_http"))
    return join_address(conn_id, _URL, scheme, host, port or conn.port, path)


def _refuse_secrets(conn_id: str, parts: SplitResult) -> None:
    query = {key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.username or parts.password or query & _SECRET_IN_QUERY:
        raise wrong(conn_id, _URL, Sentence("connection.coachview.secret_in_address"))
