"""What is known to be sent, and what is not, when a connection fails: over real sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from hooks.servers import TOKEN, Listener, answer, hook_for, listening, read_request

from moodle_coupling.errors import AnswerLost, MoodleTlsFailed, MoodleUnreachable, NotAMoodle, SettingError
from moodle_coupling.hooks.wire import ATTEMPTS

if TYPE_CHECKING:
    from pathlib import Path

CREATE, READ = "core_user_create_users", "core_user_get_users_by_field"


def once(payload: bytes):
    """Answer every request of a connection with the same bytes."""

    def serve(conn: socket.socket, listener: Listener) -> None:
        while request := read_request(conn):
            listener.requests.append(request)
            conn.sendall(payload)

    return serve


def hang_up_after_reading(conn: socket.socket, listener: Listener) -> None:
    listener.requests.append(read_request(conn))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_where_nothing_listens_nothing_was_sent_and_even_a_write_is_tried_again() -> None:
    hook = hook_for(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(MoodleUnreachable, match="Connection refused"):
        hook.call(CREATE, users=[])
    assert hook.requests_made == ATTEMPTS
    assert len(hook.waits) == ATTEMPTS - 1


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    with pytest.raises(MoodleUnreachable, match=r"name of https://moodle\.invalid is not known"):
        hook_for("https://moodle.invalid").call_once(READ)


def test_a_write_whose_answer_is_lost_is_sent_once() -> None:
    with listening(hang_up_after_reading) as server:
        with pytest.raises(AnswerLost, match="may have been carried out"):
            hook_for(server.url).call(CREATE, users=[{"username": "jan"}])
        assert len(server.requests) == 1


def test_a_read_whose_answer_is_lost_is_asked_again() -> None:
    def second_time(conn: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(conn))
        if len(listener.requests) == 2:
            conn.sendall(answer(b"[]"))

    with listening(second_time) as server:
        assert hook_for(server.url).call(READ, field="id", values=[1]) == []
        assert len(server.requests) == 2


def test_a_kept_connection_that_resets_is_not_taken_for_nothing_sent() -> None:
    def reset_at_the_second(conn: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(conn))
        conn.sendall(answer(b"null"))
        listener.requests.append(read_request(conn))
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with listening(reset_at_the_second) as server:
        hook = hook_for(server.url)
        hook.call(CREATE, users=[{"username": "jan"}])
        with pytest.raises(AnswerLost):
            hook.call(CREATE, users=[{"username": "piet"}])
        assert (len(server.requests), server.connections) == (2, 1)


def test_a_body_that_stops_early_is_a_lost_answer() -> None:
    def half(conn: socket.socket, listener: Listener) -> None:
        read_request(conn)
        conn.sendall(answer(b'[{"id": 5, "username": "jan"}]')[:-9])

    with listening(half) as server, pytest.raises(AnswerLost, match="broke off"):
        hook_for(server.url).call_once(CREATE)


def test_a_site_that_never_answers_is_given_up() -> None:
    stop = threading.Event()

    def silent(conn: socket.socket, listener: Listener) -> None:
        read_request(conn)
        stop.wait(20)

    with listening(silent) as server:
        with pytest.raises(AnswerLost, match="no answer in time"):
            hook_for(server.url, read_timeout=0.2).call_once(CREATE)
        stop.set()


def test_an_answer_that_drips_is_given_up_though_every_byte_is_in_time() -> None:
    stop = threading.Event()

    def drip(conn: socket.socket, listener: Listener) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not stop.wait(0.05):
            conn.sendall(b" ")

    with listening(drip) as server:
        with pytest.raises(AnswerLost, match="not complete after"):
            hook_for(server.url, read_timeout=0.3).call_once(CREATE)
        stop.set()


def test_a_chunked_and_compressed_answer_is_read() -> None:
    import gzip

    packed = gzip.compress(b'[{"id": 5}]')
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (packed[:9], packed[9:]))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    with listening(once(head + chunks + b"0\r\n\r\n")) as server:
        hook = hook_for(server.url)
        assert hook.call(READ) == hook.call(READ) == [{"id": 5}]
        assert server.connections == 1


def test_a_redirect_is_explained_and_not_followed() -> None:
    there = "Location: https://moodle.example.org/webservice/rest/server.php\r\n"
    with listening(once(answer(b"", "301 Moved Permanently", there))) as server:
        with pytest.raises(NotAMoodle, match=r"https://moodle\.example\.org") as caught:
            hook_for(server.url).call(CREATE)
        assert len(server.requests) == 1
    assert "server.php" not in str(caught.value)


def test_the_token_travels_in_the_body_only_and_last() -> None:
    with listening(once(answer(b"null"))) as server:
        hook_for(server.url).call(READ, field="id", values=[1])
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert TOKEN.encode() not in head
    assert body == f"wsfunction={READ}&moodlewsrestformat=json&field=id&values%5B0%5D=1&wstoken={TOKEN}".encode()


def test_a_netrc_file_adds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login jan password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with listening(once(answer(b"null"))) as server:
        hook_for(server.url).call(READ)
        assert b"authorization" not in server.requests[0].lower()


def test_the_environments_proxy_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    with listening(once(answer(b"null"))) as server:
        assert hook_for(server.url).call(READ) is None


def test_a_connections_proxy_is_used_and_its_refusal_means_nothing_was_sent() -> None:
    with listening(once(answer(b"", "407 Proxy Authentication Required"))) as proxy:
        hook = hook_for("https://moodle.example.org", proxy=f"http://jan:geheim@127.0.0.1:{proxy.port}")
        with pytest.raises(MoodleUnreachable, match="proxy") as caught:
            hook.call_once(CREATE)
    assert "geheim" not in str(caught.value)


def test_an_answer_lost_behind_a_proxy_is_lost() -> None:
    with listening(hang_up_after_reading) as proxy:
        hook = hook_for("http://moodle.example.org", allow_http=True, proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(AnswerLost):
            hook.call(CREATE)
        assert len(proxy.requests) == 1


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
def tls_server(certificate: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def serve(conn: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(conn, server_side=True) as wrapped:
            once(answer(b"null"))(wrapped, listener)

    with listening(serve) as server:
        yield server


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(tls_server: Listener) -> None:
    hook = hook_for(f"https://localhost:{tls_server.port}")
    with pytest.raises(MoodleTlsFailed, match="certificate"):
        hook.call(CREATE)
    assert (hook.requests_made, tls_server.requests) == (1, [])


def test_the_connections_ca_file_is_trusted(tls_server: Listener, certificate: Path) -> None:
    hook = hook_for(f"https://localhost:{tls_server.port}", ca_file=str(certificate / "cert.pem"))
    assert hook.call(CREATE) is None


def test_verification_can_be_switched_off(tls_server: Listener) -> None:
    assert hook_for(f"https://localhost:{tls_server.port}", verify_tls=False).call(CREATE) is None


def test_https_on_a_port_that_speaks_http_is_a_tls_trouble() -> None:
    def plain(conn: socket.socket, listener: Listener) -> None:
        conn.recv(10)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(plain) as server, pytest.raises(MoodleTlsFailed, match="Is it https"):
        hook_for(f"https://localhost:{server.port}").call(CREATE)


def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match=r"ca_file.*/nowhere/ca\.pem"):
        hook_for("https://moodle.example.org", ca_file="/nowhere/ca.pem").call(READ)


def test_threads_share_no_more_connections_than_agreed() -> None:
    gate = threading.Barrier(2)

    def together(conn: socket.socket, listener: Listener) -> None:
        while request := read_request(conn):
            listener.requests.append(request)
            gate.wait(10)
            conn.sendall(answer(b"null"))

    with listening(together) as server:
        hook = hook_for(server.url, parallel_requests=2)
        threads = [threading.Thread(target=hook.call, args=(CREATE,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (len(server.requests), server.connections, hook.requests_made) == (8, 2, 8)
