"""One request to a Coachview over a pooled session; whatever goes wrong on the way becomes an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import urllib3

from moodle_coupling.errors import (
    CoachviewAnswerTooLarge,
    CoachviewError,
    CoachviewTimedOut,
    CoachviewTlsFailed,
    CoachviewUnavailable,
    CoachviewUnreachable,
)
from moodle_coupling.hooks.failures import Cause, Failure, failure_of
from moodle_coupling.hooks.wire import (
    USER_AGENT,
    Exchange,
    PoolOfExchanges,
    RawAnswer,
    TooLarge,
    bytes_of,
    new_session,
    read_whole,
    request_options,
    seconds_of,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.hooks.coachview.connection import CoachviewSettings

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
