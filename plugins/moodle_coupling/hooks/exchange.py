"""One exchange with a server: how far it got, and one end in time for all of it, from connecting to the last byte.

requests' own time-out starts again at every byte: a server that drips its status line, a header or the size of a chunk
holds a client for ever. Here a timer shuts the connection at the deadline, whatever the thread is waiting for then.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import requests

PIECE: Final = 64 * 1024
"""Bytes that are read at a time."""

_this_thread = threading.local()


class TooLarge(Exception):
    """The answer is larger than it may be; what came of it is thrown away."""


class Exchange:
    """One request and its answer, by one thread, within ``seconds``; as a context manager it is this thread's.

    ``state`` tells how far the request got: ``''`` not known, ``connecting`` nothing of it was sent, ``sent`` something was.
    ``late`` tells that the time is over: what came after that is not the whole answer, even where it looks so.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
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
