"""What both hooks share on the wire: sessions, exchanges that end in time, whole answers, and nobody's secrets in them.

One exchange has one end in time, from connecting to the last byte: requests' own time-out starts again at every byte, so a
server that drips its status line, a header or the size of a chunk would hold a client for ever. Here a timer shuts the
connection at the deadline, whatever the thread is waiting for then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import ssl
import threading
from dataclasses import dataclass, replace
from enum import Enum
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import InsecureRequestWarning, NameResolutionError, ReadTimeoutError

from moodle_coupling.errors import SettingError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


# ---- What goes wrong on the way, told apart once for all hooks, and the one way in which they try again ----

log = logging.getLogger(__name__)

ATTEMPTS: Final = 4
LONGEST_WAIT: Final = 90.0
"""Seconds that all attempts of one request may wait together; longer is the task's own retry."""

_backoff = tenacity.wait_exponential_jitter(initial=1, max=30, jitter=1)


class Cause(Enum):
    """Why a request got no whole answer."""

    CERTIFICATE = "the certificate is not trusted"
    TLS = "the two sides agree on no TLS"
    PROXY = "the proxy does not let us through"
    NAME = "the name is not known"
    SLOW = "no answer in time"
    NO_CONNECTION = "nobody takes the connection"
    BROKE = "the connection broke, or anything else"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong; ``reason`` is the innermost error in a few words, without addresses and objects."""

    cause: Cause
    reason: str


_Kinds = tuple[type[BaseException], ...]
_SIGNS: Final[tuple[tuple[Cause, _Kinds, _Kinds], ...]] = (
    (Cause.CERTIFICATE, (), (ssl.SSLCertVerificationError,)),
    (Cause.TLS, (), (ssl.SSLError,)),
    (Cause.PROXY, (requests.exceptions.ProxyError,), ()),
    (Cause.NAME, (), (NameResolutionError,)),
    (Cause.SLOW, (requests.ReadTimeout, ReadTimeoutError), ()),
    (Cause.NO_CONNECTION, (requests.ConnectTimeout,), (ConnectionRefusedError,)),
)
"""By what each cause is known: what the error itself is, or what is wrapped in it; the first that fits counts."""


def failure_of(error: BaseException, *, foreign_words: bool = True) -> Failure:
    """Tell what went wrong. Without ``foreign_words`` the reason holds no text of requests, which may repeat an address."""
    chain = list(chain_of(error))
    return Failure(_cause(error, chain), _reason(chain, foreign_words=foreign_words))


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


def _cause(error: BaseException, chain: list[BaseException]) -> Cause:
    for cause, outermost, anywhere in _SIGNS:
        if isinstance(error, outermost) or any(isinstance(link, anywhere) for link in chain):
            return cause
    return Cause.BROKE


def _reason(chain: list[BaseException], *, foreign_words: bool) -> str:
    plain = [link for link in chain if isinstance(link, OSError) and link.strerror]
    link = plain[-1] if plain else chain[-1]
    words = str(getattr(link, "strerror", None) or (link if foreign_words else ""))
    words = re.sub(r"//[^/@\s]*@", "//", words)
    words = re.sub(r"^<[^>]*>: |\([^()]*object at 0x[^()]*\)|<[^<>]*object at 0x[^<>]*>[,:]?", "", words).strip(
        " ,:'()"
    )
    return f"{type(link).__name__}: {words[:160]}" if words else type(link).__name__


# ---- trying again ----------------------------------------------------------------------------------------------------


def error_of(state: tenacity.RetryCallState) -> BaseException | None:
    """Give the error of the attempt that just ended."""
    return state.outcome.exception() if state.outcome else None


def usual_end(state: tenacity.RetryCallState) -> bool:
    """End after ATTEMPTS, and before the waits together pass LONGEST_WAIT."""
    return state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > LONGEST_WAIT


def retrying(
    repeat: Callable[[BaseException], bool],
    *,
    asked: Callable[[BaseException | None], float],
    sleep: Callable[[float], None],
    end: Callable[[tenacity.RetryCallState], bool] = usual_end,
    longest: float = float("inf"),
) -> tenacity.Retrying:
    """Give what tries a request again: longer waits each time, and never shorter than the other side asks.

    ``repeat`` tells whether an error may pass; ``asked`` gives the seconds that the other side asks us to wait; ``end``
    tells when it is enough; ``longest`` is the longest single wait, whatever is asked. The last error is raised as it is.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        return min(max(float(_backoff(state)), asked(error_of(state))), longest)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(repeat),
        stop=end,
        wait=wait,
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )


def _log_retry(state: tenacity.RetryCallState) -> None:
    log.warning(
        "Attempt %s failed, trying again in %.1f s: %s", state.attempt_number, state.upcoming_sleep, error_of(state)
    )


# ---- What both hooks share on the wire ----

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
        raise SettingError(Sentence("connection.no_ca_file", connection=settings.conn_id, file=settings.ca_file))
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


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


PIECE: Final = 64 * 1024
"""Bytes that are read at a time."""

_this_thread = threading.local()


class TooLarge(Exception):
    """The answer is larger than it may be; what came of it is thrown away."""


class Exchange:
    """One request and its answer, by one thread, within ``seconds``; as a context manager it is this thread's.

    ``state`` tells how far the request got: ``''`` not known, ``connecting`` nothing of it was sent, ``sent`` something was.
    ``late`` tells that the time is over: what came after that is not the whole answer, even where it looks so. ``out`` is called
    when the request is out, before its answer is waited for.
    """

    def __init__(self, seconds: float, out: Callable[[], None] | None = None) -> None:
        self.seconds = seconds
        self.out = out
        self.state = ""
        self.late = False
        self._timer: threading.Timer | None = None
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        _this_thread.exchange = self
        return self

    def __exit__(self, *_exception: object) -> None:
        _this_thread.exchange = None
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._close()

    def begin(self) -> None:
        """Let the time run; waiting for a free connection of the pool is not part of it."""
        if self._timer is None:
            self._timer = threading.Timer(self.seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        """Have this connection shut at the deadline; its handle is our own, as a TLS handshake takes the socket's away."""
        with self._lock:
            self._close()
            self._handle = socket.socket(fileno=os.dup(connection.fileno()))
            if self.late:
                self._shut()

    @property
    def is_watching(self) -> bool:
        """Whether a connection is shut at the deadline."""
        return self._handle is not None

    def _end(self) -> None:
        with self._lock:
            self.late = True
            self._shut()

    def _shut(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def read_whole(response: requests.Response, most_bytes: int) -> bytes:
    """Read a body, decompressed as it comes.

    Raises TooLarge beyond ``most_bytes`` (decoded), and what urllib3 and the socket raise.
    """
    pieces: list[bytes] = []
    size = 0
    while piece := response.raw.read1(PIECE, decode_content=True):
        size += len(piece)
        if size > most_bytes:
            raise TooLarge
        pieces.append(piece)
    return b"".join(pieces)


class PoolOfExchanges(HTTPAdapter):
    """A pool of connections that know their exchange; a thread waits for a free one rather than open more than agreed."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=size, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, of our own connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools behind a proxy; a SOCKS proxy has connections of its own, bounded by requests' time-outs only."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Marks:
    """Marks when the request's own first byte goes out; a TLS handshake or a proxy's CONNECT is not the request yet."""

    def connect(self) -> None:
        exchange = _current()
        exchange.begin()
        try:
            super().connect()  # type: ignore[misc]
        finally:
            exchange.state = "connecting"

    def _new_conn(self) -> socket.socket:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        _current().watch(connection)
        return connection

    def send(self, data: Any) -> None:
        exchange = _current()
        exchange.begin()
        if self.sock is None and self.auto_open:  # type: ignore[attr-defined]
            self.connect()
        if not exchange.is_watching:  # a connection that was kept from an earlier exchange
            exchange.watch(self.sock)  # type: ignore[attr-defined]
        exchange.state = "sent"
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        out = _current().out
        if out is not None:
            out()
        return super().getresponse()  # type: ignore[misc]


class _MarkedHTTPConnection(_Marks, HTTPConnection):
    pass


class _MarkedHTTPSConnection(_Marks, HTTPSConnection):
    pass


class _MarkedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _MarkedHTTPConnection


class _MarkedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _MarkedHTTPSConnection


_POOLS: Final = {"http": _MarkedHTTPPool, "https": _MarkedHTTPSPool}


def _current() -> Exchange:
    exchange: Exchange | None = getattr(_this_thread, "exchange", None)
    # A connection that somebody uses outside an exchange has no deadline of ours.
    return exchange or Exchange(threading.TIMEOUT_MAX)


MASK: Final = "[secret]"
_NAMED: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class Secrets:
    """Finds secrets in texts: as they are, percent-encoded (once, twice, in either case), escaped for JSON or HTML, or mixed.

    A text must be masked before it is cut: most of a secret that was cut in two would not be found any more. Secrets are
    printable ASCII; empty ones are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({one for one in secrets if one}, key=len, reverse=True)
        pattern = "|".join("".join(map(_forms, one)) for one in known)
        self._text = re.compile(pattern) if pattern else None
        self._bytes = re.compile(pattern.encode("ascii")) if pattern else None

    def out_of(self, text: str) -> str:
        """Give the text without them."""
        return self._text.sub(MASK, text) if self._text else text

    def _out_of_said(self, said: object) -> object:
        """Give a text, or a sentence and all that is in it, without them."""
        if isinstance(said, str):
            return self.out_of(said)
        if isinstance(said, Sentence):
            return Sentence(said.code, **{name: self._out_of_said(value) for name, value in said.parameters.items()})
        if isinstance(said, (list, tuple)):
            return [self._out_of_said(one) for one in said]
        return said

    def out_of_answer(self, raw: RawAnswer) -> RawAnswer:
        """Give an answer without them, headers included."""
        if self._bytes is None:
            return raw
        headers = {name: self.out_of(value) for name, value in raw.headers.items()}
        return replace(raw, headers=headers, body=self._bytes.sub(MASK.encode(), raw.body))

    def out_of_error(self, error: BaseException) -> None:
        """Take them out of an error's texts: its arguments, sentences too, and the texts among its attributes."""
        error.args = tuple(self._out_of_said(one) for one in error.args)
        for name, value in list(vars(error).items()):
            if isinstance(value, str):
                setattr(error, name, self.out_of(value))


def _forms(char: str) -> str:
    """Give a pattern for the ways in which one character of a secret may be written."""
    code = ord(char)
    digits = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in f"{code:02x}")
    ways = [
        r"\\?" + re.escape(char),
        f"%(?:25){{0,3}}{digits}",
        rf"\\{{1,4}}(?:u00|x){digits}",
        f"&(?:amp;){{0,3}}#(?:0{{0,6}}{code}|[xX]0{{0,6}}{digits});",
    ]
    if char in _NAMED:
        ways.append(f"&(?:amp;){{0,3}}{_NAMED[char]};")
    return f"(?:{'|'.join(ways)})"
