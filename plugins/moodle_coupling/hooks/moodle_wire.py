"""One POST to a Moodle: a pooled session, and certainty about whether anything was sent when it fails."""

from __future__ import annotations

import re
import ssl
import threading
from typing import TYPE_CHECKING, Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from moodle_coupling.errors import AnswerLost, MoodleError, MoodleTlsFailed, MoodleUnreachable
from moodle_coupling.hooks.sessions import (
    USER_AGENT,
    RawAnswer,
    TooSlow,
    chain_of,
    new_session,
    read_whole,
    request_options,
)

if TYPE_CHECKING:
    from moodle_coupling.hooks.moodle_connection import MoodleSettings

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

_progress = threading.local()
"""How far this thread's request got: 'connecting', 'sent', or '' when it is not known."""


class _Marks:
    """Marks when the request's own first byte goes out; a TLS handshake or a proxy's CONNECT is not the request yet."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _progress.state = "connecting"

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:  # type: ignore[attr-defined]
            self.connect()
        _progress.state = "sent"
        super().send(data)  # type: ignore[misc]


class _MarkedHTTPConnection(_Marks, HTTPConnection):
    pass


class _MarkedHTTPSConnection(_Marks, HTTPSConnection):
    pass


class _MarkedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _MarkedHTTPConnection


class _MarkedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _MarkedHTTPSConnection


class _Adapter(HTTPAdapter):
    """Pool of marked connections; a thread waits for a free one rather than open more than agreed."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=size, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _MarkedHTTPPool, "https": _MarkedHTTPSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _MarkedHTTPPool, "https": _MarkedHTTPSPool}
        return manager


class MoodleWire:
    """Posts to one Moodle over a pool of ``parallel_requests`` connections; may be used by several threads."""

    def __init__(self, settings: MoodleSettings) -> None:
        self._settings = settings
        self.session = new_session(settings, _Adapter(settings.parallel_requests))

    def post(
        self, body: bytes, function: str, *, url: str = "", content_type: str = _FORM["Content-Type"]
    ) -> RawAnswer:
        """Post one body (bytes) and give the whole answer, whatever its status.

        Raises MoodleUnreachable when surely nothing was sent, AnswerLost when something may have been.
        """
        settings = self._settings
        _progress.state = ""
        try:
            response = self.session.post(
                url or settings.endpoint,
                data=body,
                headers={**_FORM, "Content-Type": content_type},
                **request_options(settings),
            )
        except OSError as error:  # requests' own errors are OSErrors too
            # Not chained: the exception holds the request, and with it the token.
            raise self._failure(error, function) from None
        with response:
            return RawAnswer(response.status_code, dict(response.headers), self._read(response, function))

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def _read(self, response: requests.Response, function: str) -> bytes:
        seconds = self._settings.read_timeout
        try:
            return read_whole(response, seconds)
        except TooSlow:
            raise _lost(function, f"the answer was not complete after {seconds:g} s") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _lost(function, f"the answer broke off ({_reason(error)})") from None

    def _failure(self, error: OSError, function: str) -> MoodleError:
        chain = list(chain_of(error))
        if not _nothing_sent(error, chain):
            what = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
            return _lost(function, f"{what} ({_reason(error)})")
        kind = MoodleTlsFailed if any(isinstance(link, ssl.SSLError) for link in chain) else MoodleUnreachable
        return kind(f"{function}: {_why_unreachable(self._settings, error, chain)}", function=function)


def _nothing_sent(error: OSError, chain: list[BaseException]) -> bool:
    """Whether surely no byte of the request left; a kept-alive connection that resets is not sure."""
    state = getattr(_progress, "state", "")
    if state:
        return bool(state == "connecting")
    if isinstance(error, _NEVER_TRIED) or not isinstance(error, requests.RequestException):
        return True
    return any(isinstance(link, _NOT_CONNECTED) for link in chain)


def _why_unreachable(settings: MoodleSettings, error: OSError, chain: list[BaseException]) -> str:
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


def _lost(function: str, what: str) -> AnswerLost:
    return AnswerLost(f"{function}: {what}. The call may have been carried out.", function=function)


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
