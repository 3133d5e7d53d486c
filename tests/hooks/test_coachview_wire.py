"""The wire to Coachview against servers that do what no well-behaved server does."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hooks.coachview_small import CLIENT, SECRET
from hooks.servers import Listener, answer, listening, read_request

from moodle_coupling.errors import (
    CoachviewError,
    CoachviewTimedOut,
    CoachviewTlsFailed,
    CoachviewUnavailable,
    CoachviewUnreachable,
    SettingError,
)
from moodle_coupling.hooks.coachview.connection import CoachviewSettings
from moodle_coupling.hooks.coachview.wire import CoachviewWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def wire(url: str, **settings: Any) -> CoachviewWire:
    return CoachviewWire(CoachviewSettings("demo", url, CLIENT, SECRET, **settings))


def get(url: str, **settings: Any) -> Any:
    return wire(url, **settings).get(f"{url}/api/v1/Personen", "take=1", "t0ken", "Personen")


def error_with(serve: Callable[[socket.socket, Listener], None], **settings: Any) -> CoachviewError:
    with listening(serve) as listener, pytest.raises(CoachviewError) as caught:
        get(listener.url, **settings)
    assert caught.value.endpoint == "Personen"
    assert "t0ken" not in str(caught.value)
    return caught.value


def replying(*parts: bytes) -> Callable[[socket.socket, Listener], None]:
    def serve(conn: socket.socket, listener: Listener) -> None:
        while request := read_request(conn):
            listener.requests.append(request)
            for part in parts:
                conn.sendall(part)
            if not parts[-1].endswith(b"]"):
                return

    return serve


def test_a_request_carries_the_token_in_a_header_and_nowhere_else() -> None:
    with listening(replying(answer(b"[]", headers="RowCount: 0\r\nX-Rate-Limit-Remaining: 7\r\n"))) as listener:
        raw = get(listener.url)
        (request,) = listener.requests
    head = request.decode().split("\r\n")
    assert head[0] == "GET /api/v1/Personen?take=1 HTTP/1.1"
    assert "Authorization: Bearer t0ken" in head
    assert (raw.status, raw.body, raw.headers["rowcount"], raw.headers["x-rate-limit-remaining"]) == (
        200,
        b"[]",
        "0",
        "7",
    )


def test_connections_are_kept_and_compressed_answers_understood() -> None:
    body = gzip.compress(json.dumps([{"id": "a"}]).encode())
    reply = answer(body, headers="Content-Encoding: gzip\r\n")

    def serve(conn: socket.socket, listener: Listener) -> None:
        while read_request(conn):
            conn.sendall(reply)

    with listening(serve) as listener:
        ours = wire(listener.url)
        for _ in range(3):
            assert ours.get(f"{listener.url}/x", "", "t", "x").body == b'[{"id": "a"}]'
        assert listener.connections == 1
        ours.close()


@pytest.mark.parametrize("status", ["302 Found", "401 Unauthorized", "500 Oops"])
def test_any_status_is_given_whole_and_a_redirect_not_followed(status: str) -> None:
    with listening(replying(answer(b"[]", status, "Location: http://127.0.0.1:1/\r\n"))) as listener:
        assert get(listener.url).status == int(status[:3])
        assert len(listener.requests) == 1


def test_a_netrc_file_and_cookies_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login jan password geheim\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with listening(replying(answer(b"[]", headers="Set-Cookie: a=b\r\n"))) as listener:
        ours = wire(listener.url)
        for _ in range(2):
            ours.get(f"{listener.url}/x", "", "t0ken", "x")
        assert all(b"Bearer t0ken" in request for request in listener.requests)
        assert not any(b"Cookie" in request for request in listener.requests)


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CoachviewUnreachable, match="Check address, port and firewall"):
        get(f"http://127.0.0.1:{port}")


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(CoachviewUnreachable, match=r"not known here|Check address"):
        get("https://nowhere.invalid", connect_timeout=5)


def test_a_connection_that_breaks_may_be_tried_again() -> None:
    assert type(error_with(lambda conn, _: read_request(conn) and None)) is CoachviewUnavailable


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"id",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[{",
        b"no http at all\r\n\r\n",
    ],
)  # fmt: skip
def test_half_an_answer_is_never_taken_for_a_whole_one(reply: bytes) -> None:
    assert isinstance(error_with(replying(reply)), CoachviewUnavailable)


def test_no_answer_in_time_is_told_apart() -> None:
    over = threading.Event()
    try:
        assert (
            type(error_with(lambda conn, _: read_request(conn) and over.wait(), read_timeout=0.2)) is CoachviewTimedOut
        )
    finally:
        over.set()


def test_an_answer_that_drips_is_cut_off() -> None:
    over = threading.Event()

    def drip(conn: socket.socket, _listener: Listener) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not over.wait(0.02):
            conn.sendall(b" ")

    try:
        error = error_with(drip, read_timeout=0.2)
    finally:
        over.set()
    assert type(error) is CoachviewTimedOut
    assert "not complete" in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
    )
    return folder


@pytest.fixture
def tls_url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def serve(conn: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(conn, server_side=True) as wrapped:
            replying(answer(b"[]"))(wrapped, listener)

    with listening(serve) as server:
        yield f"https://localhost:{server.port}"


def test_a_certificate_nobody_vouches_for_is_refused(tls_url: str) -> None:
    with pytest.raises(CoachviewTlsFailed, match="CA file"):
        get(tls_url)


def test_the_connections_ca_file_is_trusted_and_verification_can_be_switched_off(
    tls_url: str, certificate: Path
) -> None:
    assert get(tls_url, ca_file=str(certificate / "cert.pem")).status == 200
    assert get(tls_url, verify_tls=False).status == 200


def test_plain_http_on_a_tls_port_is_said() -> None:
    def serve(conn: socket.socket, _listener: Listener) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(serve) as listener, pytest.raises(CoachviewTlsFailed, match="https"):
        get(listener.url.replace("http:", "https:"))


def test_a_proxy_that_is_not_there_is_said_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CoachviewUnreachable, match="proxy") as caught:
        get("http://coachview.invalid", proxy=f"http://jan:geheim@127.0.0.1:{port}")
    assert "geheim" not in str(caught.value)


def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match=r"field 'ca_file'.*/nowhere/ca\.pem"):
        wire("https://coachview.example.org", ca_file="/nowhere/ca.pem")
