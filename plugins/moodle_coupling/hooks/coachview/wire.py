"""One request to a Coachview over a pooled session; whatever goes wrong on the way becomes an error of ours."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import urllib3

from moodle_coupling.errors import (
    CoachviewAnswerTooLarge,
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewTlsFailed,
    CoachviewTokenRefused,
    CoachviewUnavailable,
    CoachviewUnreachable,
)
from moodle_coupling.hooks.coachview.answers import by_status, json_of, parsed
from moodle_coupling.hooks.coachview.budget import StateAway
from moodle_coupling.hooks.wire import (
    USER_AGENT,
    Cause,
    Exchange,
    Failure,
    PoolOfExchanges,
    RawAnswer,
    TooLarge,
    bytes_of,
    failure_of,
    new_session,
    read_whole,
    request_options,
    seconds_of,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moodle_coupling.hooks.coachview.budget import Shared
    from moodle_coupling.hooks.coachview.connection import CoachviewSettings


# ---- The access token: asked for as a client, used until nearly expired, and shared without being stored in clear.

log = logging.getLogger(__name__)

SHORTEST_LIFE: Final = 900
"""Seconds a token lives at least (15 minutes, 1 hour or 8 hours); taken where the answer does not say."""
MARGIN: Final = 60
"""Seconds before its end that a token is no longer used, as a request may take so long on its way."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``lifetime`` is in seconds from the moment it was asked for."""

    value: str = field(repr=False)
    lifetime: float


class TokenKeeper:
    """Gives a token that is good, and asks for a new one only when there is none; several threads may use it.

    ``ask`` gets one from Coachview, ``shared`` is what all processes share (encrypted, or this
    process's own), ``now`` gives seconds since 1970, ``mask`` is told every token before it is used. ``known`` are all
    tokens held so far, to keep them out of texts.
    """

    def __init__(
        self,
        settings: CoachviewSettings,
        ask: Callable[[], Token],
        shared: Shared,
        *,
        now: Callable[[], float],
        mask: Callable[[str], None],
    ) -> None:
        self.known: tuple[str, ...] = ()
        self._mine = _fingerprint(settings)
        self._ask = ask
        self._shared = shared
        self._now = now
        self._mask = mask
        self._lock = threading.Lock()
        self._value = ""
        self._until = 0.0

    def current(self) -> str:
        """Give a token that is not nearly expired. Raises a CoachviewError."""
        with self._lock:
            if self._now() >= self._until:
                self._renew("")
            return self._value

    def renewed(self, refused: str) -> str:
        """Give another token than the one Coachview refused; only the first who asks gets it from Coachview."""
        with self._lock:
            if self._value == refused:
                self._renew(refused)
            return self._value

    def _renew(self, refused: str) -> None:
        """Take the token another process got, or ask for one.

        Nothing is locked while Coachview is asked: a place that hangs keeps nobody else waiting. Two processes that ask at
        once each get a token that is good; the later one is shared.
        """
        if not self._took_the_shared(refused):
            asked = self._now()
            token = self._ask()
            life = token.lifetime - min(MARGIN, token.lifetime / 2)
            self._value, self._until = token.value, asked + life
            self._share(self._until - self._now())
        if self._value not in self.known:
            self._mask(self._value)
            self.known += (self._value,)

    def _took_the_shared(self, refused: str) -> bool:
        try:
            with self._shared.held() as held:
                document = held.document
                left = float(document.get("until", 0)) - (self._now() if held.now is None else held.now)
                if document.get("for") != self._mine or document.get("token") in (None, refused) or left <= 0:
                    return False
                self._value, self._until = str(document["token"]), self._now() + left
        except StateAway as error:
            log.info("The token of other tasks cannot be looked up: %s", error)
            return False
        return True

    def _share(self, seconds: float) -> None:
        """Let other processes use the token for so many seconds."""
        try:
            with self._shared.held() as held:
                until = (self._now() if held.now is None else held.now) + seconds
                held.document.clear()
                held.document.update({"for": self._mine, "token": self._value, "until": until})
        except StateAway as error:
            log.info("The token is not shared with other tasks: %s", error)


def _fingerprint(settings: CoachviewSettings) -> str:
    """Tell whether a token was got with these very settings; it is only ever written encrypted."""
    parts = (settings.token_url, settings.client_id, settings.client_secret, *settings.scopes)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


# ---- asking for one --------------------------------------------------------------------------------------------------


_CODES: Final = frozenset({"invalid_request", "invalid_client", "invalid_grant", "access_denied", "server_error"})
"""Codes of OAuth that are repeated; anything else that the place says is not, since it may quote our request."""


def token_form(settings: CoachviewSettings) -> bytes:
    """Give the body of the request for a token; the only place the client secret goes to."""
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": " ".join(settings.scopes),
    }
    return urlencode(form).encode("ascii")


def read_token(raw: RawAnswer, settings: CoachviewSettings) -> Token:
    """Turn the answer into a token. Raises a CoachviewError that says what to mend."""
    if raw.status in (400, 401, 403):
        raise _refused(raw, settings)
    if raw.status != 200:
        raise by_status(raw, "")
    data = json_of(raw, "")
    value = data.get("access_token") if isinstance(data, dict) else None
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise CoachviewAnswerUnreadable(
            Sentence("coachview.token.absent", url=settings.token_url, connection=settings.conn_id),
            status=raw.status,
        )
    return Token(value, _lifetime(data.get("expires_in")))


def _lifetime(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        return SHORTEST_LIFE
    return seconds if 0 < seconds < 10**8 else SHORTEST_LIFE


def _refused(raw: RawAnswer, settings: CoachviewSettings) -> CoachviewError:
    """Name the reason by the error codes of RFC 6749, section 5.2; Coachview's own words are not known."""
    data = None
    with contextlib.suppress(ValueError, CoachviewError):
        data = parsed(raw.body.decode("utf-8", errors="replace"), "")
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    connection = settings.conn_id
    if code == "invalid_scope":
        return CoachviewScopeMissing(
            Sentence("coachview.token.scopes", scopes=" ".join(settings.scopes), connection=connection),
            status=raw.status,
        )
    if code in ("unauthorized_client", "unsupported_grant_type"):
        return CoachviewTokenRefused(
            Sentence("coachview.token.no_client_credentials", code=code),
            status=raw.status,
        )
    reason = f" ({code})" if code in _CODES else ""
    return CoachviewTokenRefused(
        Sentence(
            "coachview.token.refused", status=raw.status, reason=reason, connection=connection, site=settings.base_url
        ),
        status=raw.status,
    )


# ---- One request to a Coachview over a pooled session ----

_HEADERS: Final = {"Accept": "application/json", "User-Agent": USER_AGENT}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class CoachviewWire:
    """Sends requests to one Coachview over a pool of ``parallel_requests`` connections; several threads may use it."""

    def __init__(self, settings: CoachviewSettings) -> None:
        self._settings = settings
        self.session = new_session(settings, PoolOfExchanges(settings.parallel_requests))

    def get(self, url: str, query: str, token: str, endpoint: str) -> RawAnswer:
        """Get an address with an encoded query; the token goes in a header, never in the address.

        Gives the whole answer whatever its status, header names in lower case. Raises a
        CoachviewUnavailable, or CoachviewAnswerTooLarge.
        """
        whole = f"{url}?{query}" if query else url
        return self._send("GET", whole, None, {"Authorization": f"Bearer {token}"}, endpoint)

    def post_form(self, url: str, body: bytes, endpoint: str) -> RawAnswer:
        """Post a form that is encoded already; otherwise as ``get``."""
        return self._send("POST", url, body, _FORM, endpoint)

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], endpoint: str) -> RawAnswer:
        settings = self._settings
        with Exchange(seconds_of(settings)) as exchange:
            try:
                response = self.session.request(
                    method, url, data=body, headers={**_HEADERS, **headers}, **request_options(settings)
                )
                with response:
                    content = read_whole(response, bytes_of(settings))
            except TooLarge:
                raise self._too_large(endpoint) from None
            except (urllib3.exceptions.HTTPError, OSError) as error:  # requests' own errors are OSErrors too
                # Not chained: the exception holds the request, and with it the token or the secret.
                raise (_too_slow(endpoint, exchange) if exchange.late else self._failure(error, endpoint)) from None
        if exchange.late:  # a body without a length looks whole where it was cut off
            raise _too_slow(endpoint, exchange)
        return RawAnswer(
            response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
        )

    def _too_large(self, endpoint: str) -> CoachviewError:
        settings = self._settings
        return CoachviewAnswerTooLarge(
            Sentence(
                "coachview.answer.too_large", what=endpoint, most=settings.max_answer_mb, connection=settings.conn_id
            ),
            endpoint=endpoint,
        )

    def _failure(self, error: Exception, endpoint: str) -> CoachviewUnavailable:
        """Say what happened on the way; ``endpoint`` is what was asked for."""
        return _unavailable(failure_of(error, foreign_words=False), endpoint, self._settings.base_url)


def _too_slow(endpoint: str, exchange: Exchange) -> CoachviewError:
    return CoachviewTimedOut(
        Sentence("coachview.wire.too_slow", what=endpoint, seconds=f"{exchange.seconds:g}"), endpoint=endpoint
    )


_CAUSES: Final[dict[Cause, tuple[type[CoachviewUnavailable], str]]] = {
    Cause.CERTIFICATE: (CoachviewTlsFailed, "coachview.wire.certificate"),
    Cause.TLS: (CoachviewTlsFailed, "coachview.wire.no_tls"),
    Cause.PROXY: (CoachviewUnreachable, "coachview.wire.proxy"),
    Cause.NAME: (CoachviewUnreachable, "coachview.wire.unknown_name"),
    Cause.SLOW: (CoachviewTimedOut, "coachview.wire.no_answer"),
    Cause.NO_CONNECTION: (CoachviewUnreachable, "coachview.wire.no_connection"),
    Cause.BROKE: (CoachviewUnavailable, "coachview.wire.broke"),
}


def _unavailable(failure: Failure, endpoint: str, site: str) -> CoachviewUnavailable:
    kind, code = _CAUSES[failure.cause]
    return kind(Sentence(code, what=endpoint, site=site, reason=failure.reason), endpoint=endpoint)
