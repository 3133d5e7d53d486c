"""One POST to a Moodle: a pooled session, and certainty about whether anything was sent when it fails."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from moodle_coupling.errors import MoodleAnswerTooLarge, MoodleError, MoodleTlsFailed, MoodleUnreachable
from moodle_coupling.hooks.moodle.answers import answer_lost, in_call, is_read
from moodle_coupling.hooks.wire import (
    USER_AGENT,
    Cause,
    Exchange,
    Failure,
    PoolOfExchanges,
    RawAnswer,
    TooLarge,
    bytes_of,
    chain_of,
    failure_of,
    new_session,
    read_whole,
    request_options,
    seconds_of,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.hooks.moodle.connection import MoodleSettings

_FORM: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "User-Agent": USER_AGENT,
}
_NOT_CONNECTED: Final = (NewConnectionError, NameResolutionError, ConnectTimeoutError, ssl.SSLCertVerificationError)
_NEVER_TRIED: Final = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class MoodleWire:
    """Posts to one Moodle over a pool of ``parallel_requests`` connections; may be used by several threads."""

    def __init__(self, settings: MoodleSettings) -> None:
        self._settings = settings
        self.session = new_session(settings, PoolOfExchanges(settings.parallel_requests))

    def post(
        self,
        body: bytes,
        function: str,
        *,
        url: str = "",
        content_type: str = _FORM["Content-Type"],
        out: Callable[[], None] | None = None,
    ) -> RawAnswer:
        """Post one body (bytes) and give the whole answer, whatever its status; ``out`` is called once the body is out.

        Raises MoodleUnreachable when surely nothing was sent, AnswerLost when something may have been; of an answer that is
        too large MoodleAnswerTooLarge where the function only reads.
        """
        settings = self._settings
        with Exchange(seconds_of(settings), out) as exchange:
            try:
                response = self.session.post(
                    url or settings.endpoint,
                    data=body,
                    headers={**_FORM, "Content-Type": content_type},
                    **request_options(settings),
                )
            except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own errors are OSErrors too
                # Not chained: the exception holds the request, and with it the token.
                raise self._failure(error, function, exchange) from None
            with response:
                return RawAnswer(response.status_code, dict(response.headers), self._read(response, function, exchange))

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def _read(self, response: requests.Response, function: str, exchange: Exchange) -> bytes:
        try:
            body = read_whole(response, bytes_of(self._settings))
        except TooLarge:
            raise self._too_large(function) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if exchange.late:
                raise _too_slow(function, exchange) from None
            raise answer_lost(function, Sentence("moodle.answer_broke_off", reason=failure_of(error).reason)) from None
        if exchange.late:  # a body without a length looks whole where it was cut off
            raise _too_slow(function, exchange)
        return body

    def _too_large(self, function: str) -> MoodleError:
        most, connection = self._settings.max_answer_mb, self._settings.conn_id
        if not is_read(function):
            return answer_lost(function, Sentence("moodle.answer_too_large", most=most))
        said = Sentence("moodle.read_too_large", most=most, connection=connection)
        return MoodleAnswerTooLarge(in_call(function, said), function=function)

    def _failure(self, error: Exception, function: str, exchange: Exchange) -> MoodleError:
        failure = failure_of(error)
        if not _nothing_sent(error, exchange):
            if exchange.late:
                return _too_slow(function, exchange)
            slow = failure.cause is Cause.SLOW
            code = "moodle.no_answer_in_time" if slow else "moodle.connection_broke"
            return answer_lost(function, Sentence(code, reason=failure.reason))
        if exchange.late:
            within = f"{exchange.seconds:g}"
            said = Sentence("moodle.not_connected_in_time", site=self._settings.base_url, seconds=within)
            return MoodleUnreachable(in_call(function, said), function=function)
        kind = MoodleTlsFailed if failure.cause in (Cause.CERTIFICATE, Cause.TLS) else MoodleUnreachable
        said = _why_unreachable(self._settings.base_url, failure)
        return kind(in_call(function, said), function=function)


def _nothing_sent(error: Exception, exchange: Exchange) -> bool:
    """Whether surely no byte of the request left; a kept-alive connection that resets is not sure."""
    if exchange.state:
        return exchange.state == "connecting"
    if isinstance(error, _NEVER_TRIED) or not isinstance(error, requests.RequestException):
        return True
    return any(isinstance(link, _NOT_CONNECTED) for link in chain_of(error))


def _too_slow(function: str, exchange: Exchange) -> MoodleError:
    return answer_lost(function, Sentence("moodle.answer_too_slow", seconds=f"{exchange.seconds:g}"))


def _why_unreachable(site: str, failure: Failure) -> Sentence:
    match failure.cause:
        case Cause.CERTIFICATE:
            return Sentence("moodle.certificate", site=site, reason=failure.reason)
        case Cause.TLS:
            return Sentence("moodle.no_tls", site=site, reason=failure.reason)
        case Cause.PROXY:
            return Sentence("moodle.proxy", site=site, reason=failure.reason)
        case Cause.NAME:
            return Sentence("moodle.unknown_name", site=site)
        case _:
            return Sentence("moodle.no_connection", site=site, reason=failure.reason)
