"""Connections as people and programs leave them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection

from moodle_coupling.errors import SettingError
from moodle_coupling.hooks.moodle.connection import MoodleSettings, from_connection

TOKEN = "0123456789abcdef0123456789abcdef"


def connection(host: str | None = "https://moodle.example.org", **values: Any) -> Connection:
    return Connection(conn_id="demo", conn_type="moodle", host=host, **{"password": TOKEN, **values})


def settings(host: str | None = "https://moodle.example.org", **values: Any) -> MoodleSettings:
    return from_connection(connection(host, **values))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("https://moodle.example.org", "https://moodle.example.org"),
        (" https://moodle.example.org/ ", "https://moodle.example.org"),
        ("HTTPS://Moodle.Example.org", "https://moodle.example.org"),
        ("moodle.example.org", "https://moodle.example.org"),
        ("moodle.example.org/leren/", "https://moodle.example.org/leren"),
        ("https://moodle.example.org:443/", "https://moodle.example.org"),
        ("https://moodle.example.org:8443", "https://moodle.example.org:8443"),
        ("https://example.org/moodle", "https://example.org/moodle"),
        ("https://example.org/moodle/webservice/rest/server.php", "https://example.org/moodle"),
        ("https://example.org/webservice/rest/server.php?moodlewsrestformat=json", "https://example.org"),
        ("https://example.org/webservice/rest/server.php?wstoken=x&wsfunction=y", "https://example.org"),
        ("https://example.org/login/index.php", "https://example.org"),
        ("https://example.org/moodle/my/", "https://example.org/moodle"),
        ("https://example.org/moodle/admin/settings.php?section=x", "https://example.org/moodle"),
        ("https://example.org/course", "https://example.org/course"),
        ("//moodle.example.org/leren", "https://moodle.example.org/leren"),
        ("https://example.org/index.php#top", "https://example.org"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("localhost:8443", "https://localhost:8443"),
        ("http://[::1]:8081/", "http://[::1]:8081"),
    ],
)
def test_a_pasted_address_is_understood(host: str, url: str) -> None:
    assert settings(host).base_url == url
    assert settings(host).endpoint == f"{url}/webservice/rest/server.php"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"host": "moodle.example.org", "schema": "https", "port": 8443}, "https://moodle.example.org:8443"),
        ({"host": "moodle.example.org", "schema": "https"}, "https://moodle.example.org"),
        ({"host": "localhost", "schema": "http", "port": 8081}, "http://localhost:8081"),
        ({"host": "moodle.example.org", "schema": "leren"}, "https://moodle.example.org/leren"),
    ],
)
def test_scheme_port_and_path_may_stand_in_their_own_fields(values: dict[str, Any], url: str) -> None:
    assert settings(**values).base_url == url


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (f"moodle://:{TOKEN}@127.0.0.1:8088/?allow_http=true", "http://127.0.0.1:8088"),
        (f"moodle://:{TOKEN}@moodle.example.org", "https://moodle.example.org"),
        (f"moodle://:{TOKEN}@moodle.example.org/https", "https://moodle.example.org"),
        (f"moodle://:{TOKEN}@moodle.lan:8080/http?allow_http=1", "http://moodle.lan:8080"),
        (f"moodle://:{TOKEN}@moodle.lan:8080/?allow_http=true", "http://moodle.lan:8080"),
        (f"moodle://:{TOKEN}@https%3A%2F%2Fexample.org%2Fmoodle", "https://example.org/moodle"),
        (f"moodle://https://:{TOKEN}@moodle.example.org:8443/", "https://moodle.example.org:8443"),
    ],
)
def test_a_connection_made_from_a_uri_is_understood(uri: str, url: str) -> None:
    made = from_connection(Connection.from_uri(uri, conn_id="demo"))
    assert (made.base_url, made.token) == (url, TOKEN)


def test_a_uris_extras_are_text_and_read_all_the_same() -> None:
    uri = f"moodle://:{TOKEN}@moodle.example.org/?batch_size=20&verify_tls=false&default_auth=oidc&max_input_vars=5000"
    made = from_connection(Connection.from_uri(uri, conn_id="demo"))
    assert (made.batch_size, made.verify_tls, made.default_auth, made.max_input_vars) == (20, False, "oidc", 5000)


def test_fields_left_empty_in_the_form_are_the_defaults() -> None:
    made = settings(extra='{"batch_size": null, "proxy": "", "verify_tls": null, "default_lang": null}')
    assert made == MoodleSettings("demo", "https://moodle.example.org", TOKEN)


@pytest.mark.parametrize("host", ["http://moodle.example.org", "http://10.0.0.8", "http://localhost.example.org"])
def test_plain_http_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(SettingError, match=r"Connection 'demo', field 'Moodle URL'.*plain http"):
        settings(host)
    assert settings(host, extra='{"allow_http": true}').base_url == host


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"host": None}, "Moodle URL"),
        ({"host": "https://"}, "Moodle URL"),
        ({"host": "ftp://moodle.example.org"}, "Moodle URL"),
        ({"host": "https://moodle.example.org:port"}, "Moodle URL"),
        ({"host": "https://jan:geheim@moodle.example.org"}, "Moodle URL"),
        ({"host": "een moodle"}, "Moodle URL"),
        ({"host": "https//moodle.example.org"}, "Moodle URL"),
        ({"host": "https:moodle.example.org"}, "Moodle URL"),
        ({"host": "https://[::1"}, "Moodle URL"),
        ({"password": None}, "Web service token"),
        ({"password": "  "}, "Web service token"),
        ({"password": "twee woorden"}, "Web service token"),
        ({"extra": '{"batch_size": 0}'}, "batch_size"),
        ({"extra": '{"batch_size": "veel"}'}, "batch_size"),
        ({"extra": '{"parallel_requests": 2.5}'}, "parallel_requests"),
        ({"extra": '{"max_input_vars": true}'}, "max_input_vars"),
        ({"extra": '{"verify_tls": "misschien"}'}, "verify_tls"),
        ({"extra": '{"proxy": "proxy.example.org"}'}, "proxy"),
        ({"extra": '{"default_country": "nl"}'}, "default_country"),
        ({"extra": '{"default_auth": "OIDC"}'}, "default_auth"),
    ],
)
def test_a_wrong_setting_names_connection_and_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingError, match=f"Connection 'demo', field '{field}'"):
        settings(**values)


def test_a_token_in_the_url_only_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingError, match="wstoken") as caught:
        settings(f"https://moodle.example.org/webservice/rest/server.php?wstoken={TOKEN}", password=None)
    assert TOKEN not in str(caught.value)


def test_neither_token_nor_proxy_password_shows_in_a_repr() -> None:
    made = settings(extra='{"proxy": "http://jan:geheim@proxy.example.org:3128"}')
    assert TOKEN not in repr(made)
    assert "geheim" not in repr(made)
