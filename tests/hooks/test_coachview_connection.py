"""Connections to Coachview as people and programs leave them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from airflow.sdk import Connection

from moodle_coupling.errors import SettingError
from moodle_coupling.hooks.coachview.connection import (
    CategoriesVia,
    CoachviewSettings,
    FreeShape,
    FullRead,
    from_connection,
)

CLIENT, SECRET = "client-1", "s3cr3t/with+signs&="


def settings(host: str | None = "https://coachview.example.org", **values: Any) -> CoachviewSettings:
    given = {"login": CLIENT, "password": SECRET, **values}
    return from_connection(Connection(conn_id="demo", conn_type="coachview", host=host, **given))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "https://secure.coachview.net"),
        ("", "https://secure.coachview.net"),
        ("https://training.coachview.net", "https://training.coachview.net"),
        (" https://secure.coachview.net/ ", "https://secure.coachview.net"),
        ("secure.coachview.net", "https://secure.coachview.net"),
        ("HTTPS://School.Coachview.com", "https://school.coachview.com"),
        ("https://secure.coachview.net/api/v1/Personen?take=100", "https://secure.coachview.net"),
        ("https://secure.coachview.net/auth/connect/token", "https://secure.coachview.net"),
        ("https://secure.coachview.net/swagger/index.html", "https://secure.coachview.net"),
        ("https://gateway.example.org/coachview/api/v1", "https://gateway.example.org/coachview"),
        ("https://gateway.example.org:8443/coachview/", "https://gateway.example.org:8443/coachview"),
        ("https://secure.coachview.net:443", "https://secure.coachview.net"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_pasted_address_is_understood(host: str | None, url: str) -> None:
    made = settings(host)
    assert made.base_url == url
    assert made.token_url == f"{url}/auth/connect/token"
    assert made.url("Personen") == f"{url}/api/v1/Personen"


def test_a_connection_made_from_a_uri_is_understood() -> None:
    uri = (
        "coachview://client-1:s3cr3t%2Fwith%2Bsigns%26%3D@127.0.0.1:8090/?allow_http=true&page_size=50&verify_tls=false"
    )
    made = from_connection(Connection.from_uri(uri, conn_id="demo"))
    assert (made.base_url, made.client_id, made.client_secret) == ("http://127.0.0.1:8090", CLIENT, SECRET)
    assert (made.page_size, made.verify_tls) == (50, False)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"host": "coachview.example.org", "schema": "https", "port": 8443}, "https://coachview.example.org:8443"),
        ({"host": "coachview.example.org", "schema": "sub"}, "https://coachview.example.org/sub"),
    ],
)
def test_scheme_port_and_path_may_stand_in_their_own_fields(values: dict[str, Any], url: str) -> None:
    assert settings(**values).base_url == url


def test_fields_left_empty_in_the_form_are_the_defaults() -> None:
    empty = '{"page_size": null, "scopes": "", "person_id_key": " ", "free_fields": null, "first_day": "", "proxy": ""}'
    assert settings(extra=empty) == CoachviewSettings("demo", "https://coachview.example.org", CLIENT, SECRET)


def test_every_field_is_read() -> None:
    made = settings(
        extra='{"scopes": "Personen.Lezen", "page_size": 20, "window_rows": 900, "parallel_requests": 4, "daily_budget": 900,'
        '"budget_reserve": 90, "person_id_key": "persoonNummer", "free_fields": "top_level",'
        '"public_free_fields": "VrijveldA, VrijveldB", "categories_via": "batched", "full_read": "pages",'
        '"first_day": "2020-02-01", "connect_timeout": 5, "read_timeout": 60, "verify_tls": false, "ca_file": "/x.pem",'
        '"proxy": "http://proxy.example.org:3128"}'
    )
    assert made == CoachviewSettings(
        "demo", "https://coachview.example.org", CLIENT, SECRET, ("api", "Personen.Lezen"), 20, 900, 4, 900, 90,
        "persoonNummer", FreeShape.TOP_LEVEL, ("VrijveldA", "VrijveldB"), CategoriesVia.BATCHED, FullRead.PAGES,
        dt.date(2020, 2, 1), 5, 60, verify_tls=False, ca_file="/x.pem", proxy="http://proxy.example.org:3128",
    )  # fmt: skip


def test_a_small_budget_has_a_small_reserve() -> None:
    assert settings(extra='{"daily_budget": 100}').budget_reserve == 50


@pytest.mark.parametrize(
    "host", ["http://coachview.example.org", "http://10.0.0.8:8090", "http://localhost.example.org"]
)
def test_plain_http_is_refused_whatever_is_allowed(host: str) -> None:
    with pytest.raises(SettingError, match=r"Connection 'demo', field 'Coachview URL'.*plain http"):
        settings(host, extra='{"allow_http": true}')


@pytest.mark.parametrize("host", ["http://127.0.0.1:8090", "http://localhost:8090", "127.0.0.1:8090"])
def test_plain_http_to_this_machine_must_be_allowed(host: str) -> None:
    with pytest.raises(SettingError, match="plain http"):
        settings(host)
    assert settings(host, extra='{"allow_http": true}').base_url.endswith(":8090")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"host": "https://"}, "Coachview URL"),
        ({"host": "ftp://coachview.example.org"}, "Coachview URL"),
        ({"host": "https://coachview.example.org:port"}, "Coachview URL"),
        ({"host": "een coachview"}, "Coachview URL"),
        ({"host": "https//coachview.example.org"}, "Coachview URL"),
        ({"host": "https://[::1"}, "Coachview URL"),
        ({"login": None}, "Client id"),
        ({"login": "  "}, "Client id"),
        ({"password": ""}, "Client secret"),
        ({"password": "a\x00b"}, "Client secret"),
        ({"extra": '{"scopes": "Personen.Lezen \\"x\\""}'}, "scopes"),
        ({"extra": '{"page_size": 5}'}, "page_size"),
        ({"extra": '{"page_size": "veel"}'}, "page_size"),
        ({"extra": '{"window_rows": 10}'}, "window_rows"),
        ({"extra": '{"parallel_requests": 2.5}'}, "parallel_requests"),
        ({"extra": '{"daily_budget": true}'}, "daily_budget"),
        ({"extra": '{"daily_budget": 100, "budget_reserve": 100}'}, "budget_reserve"),
        ({"extra": '{"person_id_key": "a b"}'}, "person_id_key"),
        ({"extra": '{"free_fields": "lijst"}'}, "free_fields"),
        ({"extra": '{"public_free_fields": "Kleur"}'}, "public_free_fields"),
        ({"extra": '{"categories_via": "soms"}'}, "categories_via"),
        ({"extra": '{"full_read": "alles"}'}, "full_read"),
        ({"extra": '{"first_day": "01-02-2020"}'}, "first_day"),
        ({"extra": '{"first_day": "1800-01-01"}'}, "first_day"),
        ({"extra": '{"verify_tls": "misschien"}'}, "verify_tls"),
        ({"extra": '{"proxy": "proxy.example.org"}'}, "proxy"),
        ({"extra": '{"read_timeout": 0}'}, "read_timeout"),
    ],
)
def test_a_wrong_setting_names_connection_and_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingError, match=f"Connection 'demo', field '{field}'"):
        settings(**values)


@pytest.mark.parametrize(
    "host",
    [
        "https://jan:geheim@coachview.example.org",
        "https://coachview.example.org/auth/connect/token?client_secret=geheim",
        "https://coachview.example.org/?access_token=geheim",
    ],
)
def test_a_secret_in_the_address_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(SettingError, match="have their own fields") as caught:
        settings(host)
    assert "geheim" not in str(caught.value)


def test_neither_secret_nor_proxy_password_shows_in_a_repr() -> None:
    made = settings(extra='{"proxy": "http://jan:geheim@proxy.example.org:3128"}')
    assert SECRET not in repr(made)
    assert "geheim" not in repr(made)
