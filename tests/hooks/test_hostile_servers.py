"""Servers that answer without end: in bytes, in time, and in the work that their answer makes."""

from __future__ import annotations

import gzip
import io
import ssl
import subprocess
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hooks.coachview_small import CLIENT, SECRET
from hooks.servers import Listener, answer, hook_for, listening, read_request

from moodle_coupling.errors import (
    AnswerLost,
    CoachviewAnswerTooLarge,
    CoachviewTimedOut,
    CouplingError,
    MoodleAnswerTooLarge,
    MoodleUnreachable,
)
from moodle_coupling.hooks.coachview.connection import CoachviewSettings
from moodle_coupling.hooks.coachview.wire import CoachviewWire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Serve = Callable[[socket.socket, Listener], None]

CREATE, READ = "core_user_create_users", "core_user_get_users_by_field"
MB = 1024 * 1024


# ---- in bytes --------------------------------------------------------------------------------------------------------


def bomb(megabytes: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        for _ in range(megabytes):
            file.write(b" " * MB)
    return packed.getvalue()


BOMB = bomb(256)


def with_bomb(conn: socket.socket, _listener: Listener) -> None:
    read_request(conn)
    conn.sendall(answer(BOMB, headers="Content-Encoding: gzip\r\n"))


def without_end(conn: socket.socket, _listener: Listener) -> None:
    read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        conn.sendall(b'{"a":' * 1000)


def chunks_without_end(conn: socket.socket, _listener: Listener) -> None:
    read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        conn.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


LARGE = pytest.mark.parametrize("serve", [with_bomb, without_end, chunks_without_end])


def moodle(url: str, function: str, **settings: Any) -> Any:
    return hook_for(url, **settings).call_once(function, field="id", values=[1])


def coachview(url: str, **settings: Any) -> Any:
    wire = CoachviewWire(CoachviewSettings("demo", url, CLIENT, SECRET, **settings))
    return wire.get(f"{url}/api/v1/Personen", "take=1", "t0ken", "Personen")


@LARGE
@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda url: moodle(url, READ, max_answer_mb=2), MoodleAnswerTooLarge),
        (lambda url: moodle(url, CREATE, max_answer_mb=2), AnswerLost),
        (lambda url: coachview(url, max_answer_mb=2), CoachviewAnswerTooLarge),
    ],
    ids=["moodle reads", "moodle writes", "coachview"],
)
def test_no_more_of_an_answer_is_held_than_the_connection_says(
    serve: Serve, ask: Any, kind: type[CouplingError]
) -> None:
    with listening(serve) as server:
        tracemalloc.start()
        try:
            with pytest.raises(kind, match="larger than 2 MB"):
                ask(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * MB


# ---- in time ---------------------------------------------------------------------------------------------------------


def dripping(begin: bytes, drip: bytes) -> Serve:
    """Send a beginning at once, and then a few bytes at a time, faster than any time-out between two bytes."""

    def serve(conn: socket.socket, _listener: Listener) -> None:
        read_request(conn)
        conn.sendall(begin)
        while True:
            conn.sendall(drip)
            time.sleep(0.05)

    return serve


DRIPS = {
    "status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "header": dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1),
    "interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk size": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunk extension": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    "chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "trailer": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnull\r\n0\r\n", b"X: y\r\n"),
    "body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "body without a length": dripping(b"HTTP/1.0 200 OK\r\n\r\nnull", b" "),
    "compressed body": dripping(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\xff",
        b"n",
    ),
}


@pytest.mark.parametrize("serve", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda url: moodle(url, CREATE, connect_timeout=0.5, read_timeout=0.5), AnswerLost),
        (lambda url: coachview(url, connect_timeout=0.5, read_timeout=0.5), CoachviewTimedOut),
    ],
    ids=["moodle", "coachview"],
)
def test_an_exchange_ends_at_its_deadline_wherever_it_drips(serve: Serve, ask: Any, kind: type[CouplingError]) -> None:
    with listening(serve) as server, pytest.raises(kind, match="not complete after 1 s"):
        ask(server.url)


def test_a_handshake_that_drips_is_a_site_that_cannot_be_reached(certificate: Path) -> None:
    def serve(conn: socket.socket, _listener: Listener) -> None:
        conn.recv(65536)
        conn.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 kB begins
        while True:
            conn.sendall(b"\x02")
            time.sleep(0.05)

    with listening(serve) as server:
        url = server.url.replace("http", "https")
        with pytest.raises(MoodleUnreachable, match="Nothing was sent"):
            moodle(url, CREATE, connect_timeout=0.5, read_timeout=0.5, ca_file=str(certificate))


def test_over_tls_too_a_write_that_drips_may_have_been_carried_out(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(conn: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(conn, server_side=True) as secure:
            dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x")(secure, listener)

    with listening(serve) as server:
        url = f"https://localhost:{server.port}"
        with pytest.raises(AnswerLost, match="may have been carried out"):
            moodle(url, CREATE, connect_timeout=0.5, read_timeout=0.5, ca_file=str(certificate))


def test_a_kept_connection_has_a_deadline_of_its_own_each_time() -> None:
    def serve(conn: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(conn))
        conn.sendall(answer(b"[]"))
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x")(conn, listener)

    with listening(serve) as server:
        hook = hook_for(server.url, connect_timeout=0.5, read_timeout=0.5)
        assert hook.call_once(READ, field="id", values=[1]) == []
        with pytest.raises(AnswerLost, match="not complete after 1 s"):
            hook.call_once(CREATE, users=[])
        assert server.connections == 1


def test_after_an_exchange_nothing_of_it_goes_on() -> None:
    with listening(lambda conn, _listener: conn.sendall(answer(b"[]")) if read_request(conn) else None) as server:
        for _ in range(20):
            moodle(server.url, READ)
    # A thread whose timer is cancelled takes a moment to end on a busy machine.
    timers = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", path.with_suffix(".crt"),
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


# ---- what is said of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b'[{"id": 1', b"[" * 100_000, b"<?xml version='1.0'?><RESPONSE></RESPONSE>"])
@pytest.mark.parametrize(
    ("function", "said", "never"),
    [(READ, "It only reads", "carried out"), (CREATE, "may have been carried out", "only reads")],
)
def test_a_read_is_never_said_to_have_been_carried_out(body: bytes, function: str, said: str, never: str) -> None:
    def serve(conn: socket.socket, _listener: Listener) -> None:
        if read_request(conn):
            conn.sendall(answer(body))

    with listening(serve) as server, pytest.raises(AnswerLost, match=said) as caught:
        moodle(server.url, function)
    assert never not in str(caught.value)
