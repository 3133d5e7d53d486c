"""HTTP sessions as every hook of ours has them: a pool that waits, nobody's password but ours, and no redirects."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import requests
import urllib3
from urllib3.exceptions import InsecureRequestWarning

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moodle_coupling.hooks.exchange import PoolOfExchanges

USER_AGENT: Final = "airflow-moodle-coupling"


class SessionSettings(Protocol):
    """What is read of a connection's settings; time-outs are in seconds."""

    @property
    def conn_id(self) -> str:
        """The connection."""

    @property
    def connect_timeout(self) -> float:
        """How long a connection may take."""

    @property
    def read_timeout(self) -> float:
        """How long an answer may take."""

    @property
    def max_answer_mb(self) -> int:
        """How large an answer may be, decompressed, in MiB."""

    @property
    def verify_tls(self) -> bool:
        """Whether the certificate must be trusted."""

    @property
    def ca_file(self) -> str:
        """The authority to trust; '' for the usual ones."""

    @property
    def proxy(self) -> str:
        """The proxy of this connection; '' for the environment's."""

    @property
    def is_loopback(self) -> bool:
        """Whether the other side is on this machine."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def new_session(settings: SessionSettings, adapter: PoolOfExchanges) -> requests.Session:
    """Make a session on an adapter's pool. Raises SettingError when the CA file is not on this machine."""
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise SettingError(
            f"Connection '{settings.conn_id}', field 'ca_file': there is no file {settings.ca_file} on this machine. Every "
            "worker and the API server need it."
        )
    session = requests.Session()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A .netrc entry for the host would otherwise add a password of its own, or replace the token.
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # The environment's proxy cannot reach this machine.
    session.trust_env = not settings.is_loopback
    if not settings.verify_tls:
        urllib3.disable_warnings(InsecureRequestWarning)
    return session


def request_options(settings: SessionSettings) -> dict[str, Any]:
    """Give what every request is sent with, for requests' own functions."""
    return {
        "timeout": (settings.connect_timeout, settings.read_timeout),
        "verify": (settings.ca_file or True) if settings.verify_tls else False,
        # Given per request, because requests lets the environment's proxies go before the session's.
        "proxies": {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None,
        # A redirect would turn a POST into a GET, or carry the token to another host.
        "allow_redirects": False,
        "stream": True,
    }


def seconds_of(settings: SessionSettings) -> float:
    """Give the seconds that a whole exchange may take, from connecting to the last byte."""
    return settings.connect_timeout + settings.read_timeout


def bytes_of(settings: SessionSettings) -> int:
    """Give the bytes that an answer may have, decompressed."""
    return settings.max_answer_mb * 1024 * 1024


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Go through an exception and everything wrapped in it; urllib3 wraps in ``reason`` and ``args``, not only causes."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
