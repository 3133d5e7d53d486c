"""One request to a Coachview over a pooled session; whatever goes wrong on the way becomes an error of ours."""

from __future__ import annotations

import re
import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning, NameResolutionError

from moodle_coupling.errors import (
    CoachviewTimedOut,
    CoachviewTlsFailed,
    CoachviewUnavailable,
    CoachviewUnreachable,
    SettingError,
)
from moodle_coupling.hooks.moodle_wire import RawAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moodle_coupling.hooks.coachview_connection import CoachviewSettings

_PIECE: Final = 64 * 1024
_HEADERS: Final = {"Accept": "application/json", "User-Agent": "airflow-moodle-coupling"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class CoachviewWire:
    """Sends requests to one Coachview over a pool of ``parallel_requests`` connections; several threads may use it."""

    def __init__(self, settings: CoachviewSettings) -> None:
        self._settings = settings
        self.session = _session(settings)

    def get(self, url: str, query: str, token: str, endpoint: str) -> RawAnswer:
        """Get an address with an encoded query; the token goes in a header, never in the address.

        Gives the whole answer whatever its status, header names in lower case. Raises a CoachviewUnavailable.
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
        try:
            response = self.session.request(
                method,
                url,
                data=body,
                headers={**_HEADERS, **headers},
                timeout=(settings.connect_timeout, settings.read_timeout),
                verify=(settings.ca_file or True) if settings.verify_tls else False,
                # Given per request, because requests lets the environment's proxies go before the session's.
                proxies={"http": settings.proxy, "https": settings.proxy} if settings.proxy else None,
                # A redirect would carry the token or the secret to another host.
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = self._read(response, endpoint)
        except (urllib3.exceptions.HTTPError, OSError) as error:  # requests' own errors are OSErrors too
            # Not chained: the exception holds the request, and with it the token or the secret.
            raise self._failure(error, endpoint) from None
        return RawAnswer(
            response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
        )

    def _read(self, response: requests.Response, endpoint: str) -> bytes:
        """Read the body within read_timeout altogether: requests' own time-out starts again at every byte."""
        deadline = time.monotonic() + self._settings.read_timeout
        pieces: list[bytes] = []
        while piece := response.raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise CoachviewTimedOut(
                    f"{endpoint}: the answer was not complete after {self._settings.read_timeout:g} s.",
                    endpoint=endpoint,
                )
        return b"".join(pieces)

    def _failure(self, error: Exception, endpoint: str) -> CoachviewUnavailable:
        """Say what happened on the way; ``endpoint`` is what was asked for."""
        chain, site = list(_chain(error)), self._settings.base_url
        reason = _reason(chain)
        if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
            return CoachviewTlsFailed(
                f"{endpoint}: the certificate of {site} is not trusted ({reason}). If a proxy or firewall of yours stands in "
                "between, name its authority's certificate in the connection's 'CA file'.",
                endpoint=endpoint,
            )
        if any(isinstance(link, ssl.SSLError) for link in chain):
            return CoachviewTlsFailed(
                f"{endpoint}: no TLS connection with {site} ({reason}). Is it https on this port?", endpoint=endpoint
            )
        return _plain_failure(error, chain, endpoint, site, reason)


def _plain_failure(
    error: Exception, chain: list[BaseException], endpoint: str, site: str, reason: str
) -> CoachviewUnavailable:
    if isinstance(error, requests.exceptions.ProxyError):
        return CoachviewUnreachable(
            f"{endpoint}: the proxy on the way to {site} does not let us through ({reason}).", endpoint=endpoint
        )
    if any(isinstance(link, NameResolutionError) for link in chain):
        return CoachviewUnreachable(
            f"{endpoint}: the name of {site} is not known here. Check the Coachview URL of the connection.",
            endpoint=endpoint,
        )
    if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return CoachviewTimedOut(f"{endpoint}: no answer from {site} in time ({reason}).", endpoint=endpoint)
    if isinstance(error, requests.ConnectTimeout) or any(isinstance(link, ConnectionRefusedError) for link in chain):
        return CoachviewUnreachable(
            f"{endpoint}: no connection with {site} ({reason}). Check address, port and firewall.", endpoint=endpoint
        )
    return CoachviewUnavailable(
        f"{endpoint}: the connection with {site} broke ({reason}). Nothing is lost by asking again.", endpoint=endpoint
    )


def _session(settings: CoachviewSettings) -> requests.Session:
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise SettingError(
            f"Connection '{settings.conn_id}', field 'ca_file': there is no file {settings.ca_file} on this machine. Every "
            "worker and the API server need it."
        )
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=settings.parallel_requests, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A .netrc entry for the host would otherwise replace the token by a password of its own.
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # The environment's proxy cannot reach a Coachview on this machine.
    session.trust_env = not settings.is_loopback
    if not settings.verify_tls:
        urllib3.disable_warnings(InsecureRequestWarning)
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go through an exception and everything wrapped in it; urllib3 wraps in ``reason`` and ``args``, not only causes."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _reason(chain: list[BaseException]) -> str:
    """Give the innermost reason in a few words; never a text of requests, which holds the address and more."""
    plain = [link for link in chain if isinstance(link, OSError) and link.strerror]
    words = str(plain[-1].strerror) if plain else ""
    return f"{type(plain[-1] if plain else chain[-1]).__name__}{': ' if words else ''}{re.sub(r'//[^/@ ]*@', '//', words)[:160]}"
