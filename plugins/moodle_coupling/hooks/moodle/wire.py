"""One POST to a Moodle: a pooled session, and certainty about whether anything was sent when it fails."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Final

import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from moodle_coupling.errors import MoodleAnswerTooLarge, MoodleError, MoodleTlsFailed, MoodleUnreachable
from moodle_coupling.hooks.moodle.answers import answer_lost, is_read
from moodle_coupling.hooks.wire import (
    USER_AGENT,
    Exchange,
    PoolOfExchanges,
    RawAnswer,
    TooLarge,
    bytes_of,
    chain_of,
    new_session,
    read_whole,
    request_options,
    seconds_of,
)

if TYPE_CHECKING:
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
        self, body: bytes, function: str, *, url: str = "", content_type: str = _FORM["Content-Type"]
    ) -> RawAnswer:
        """Post one body (bytes) and give the whole answer, whatever its status.

        Raises MoodleUnreachable when surely nothing was sent, AnswerLost when something may have been; of an answer that is
        too large MoodleAnswerTooLarge where the function only reads.
        """
        settings = self._settings
        with Exchange(seconds_of(settings)) as exchange:
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
            raise answer_lost(function, f"the answer broke off ({_reason(error)})") from None
        if exchange.late:  # a body without a length looks whole where it was cut off
            raise _too_slow(function, exchange)
        return body

    def _too_large(self, function: str) -> MoodleError:
        text = f"the answer is larger than {self._settings.max_answer_mb} MB, and was thrown away"
        if not is_read(function):
            return answer_lost(function, text)
        return MoodleAnswerTooLarge(
            f"{function}: {text}. No answer of Moodle's is that large: see what stands behind the Moodle URL of connection "
            f"'{self._settings.conn_id}', or raise its 'max_answer_mb'.",
            function=function,
        )

    def _failure(self, error: Exception, function: str, exchange: Exchange) -> MoodleError:
        chain = list(chain_of(error))
        if not _nothing_sent(error, chain, exchange):
            if exchange.late:
                return _too_slow(function, exchange)
            what = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
            return answer_lost(function, f"{what} ({_reason(error)})")
        if exchange.late:
            text = f"no connection with {self._settings.base_url} within {exchange.seconds:g} s. Nothing was sent."
            return MoodleUnreachable(f"{function}: {text}", function=function)
        kind = MoodleTlsFailed if any(isinstance(link, ssl.SSLError) for link in chain) else MoodleUnreachable
        return kind(f"{function}: {_why_unreachable(self._settings, error, chain)}", function=function)


def _nothing_sent(error: Exception, chain: list[BaseException], exchange: Exchange) -> bool:
    """Whether surely no byte of the request left; a kept-alive connection that resets is not sure."""
    if exchange.state:
        return exchange.state == "connecting"
    if isinstance(error, _NEVER_TRIED) or not isinstance(error, requests.RequestException):
        return True
    return any(isinstance(link, _NOT_CONNECTED) for link in chain)


def _too_slow(function: str, exchange: Exchange) -> MoodleError:
    return answer_lost(function, f"the answer was not complete after {exchange.seconds:g} s")


def _why_unreachable(settings: MoodleSettings, error: Exception, chain: list[BaseException]) -> str:
    site = settings.base_url
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return (
            f"the certificate of {site} is not trusted ({_reason(error)}). Have it mended, or name the authority's "
            "certificate in the connection's 'CA file'. Nothing was sent."
        )
    if any(isinstance(link, ssl.SSLError) for link in chain):
        return f"no TLS connection with {site} ({_reason(error)}). Is it https on this port? Nothing was sent."
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy on the way to {site} does not let us through ({_reason(error)}). Nothing was sent."
    if any(isinstance(link, NameResolutionError) for link in chain):
        return f"the name of {site} is not known here. Check the Moodle URL of the connection. Nothing was sent."
    return f"no connection with {site} ({_reason(error)}). Check address, port and firewall. Nothing was sent."


def _reason(error: BaseException) -> str:
    """Give the innermost reason in a few words; the texts of requests are long, and could hold a proxy's password."""
    last = list(chain_of(error))
    plain = [link for link in last if isinstance(link, OSError) and link.strerror]
    link = plain[-1] if plain else last[-1]
    words = getattr(link, "strerror", None) or str(link)
    words = re.sub(r"//[^/@\s]*@", "//", str(words))
    words = re.sub(r"^<[^>]*>: |\([^()]*object at 0x[^()]*\)|<[^<>]*object at 0x[^<>]*>[,:]?", "", words).strip(
        " ,:'()"
    )
    return f"{type(link).__name__}: {words[:160]}" if words else type(link).__name__
