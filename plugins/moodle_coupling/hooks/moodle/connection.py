"""An Airflow connection of type moodle, read into settings that can be trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from moodle_coupling.hooks.connection import (
    AirflowConnection,
    Extras,
    find_connection,
    is_loopback,
    join_address,
    scheme_and_path,
    split_address,
    wrong,
)
from moodle_coupling.words.sentence import Sentence

NAME: Final = "Moodle"
"""Of the connection type."""
ENDPOINT: Final = "/webservice/rest/server.php"
_TLS_PORTS: Final = (443, 8443)
_PASTED_PAGE: Final = re.compile(
    r"/webservice(/.*)?$|/(my|login)$|/(login|my|admin|user|course)/([^/]+/)*[^/]*\.php$|/[^/]*\.php$"
)


@dataclass(frozen=True, slots=True)
class MoodleSettings:
    """One environment: where its Moodle is and how to talk to it.

    ``parallel_requests`` is the most there may be; a load and a snapshot begin with two and find out how many the site bears.
    ``base_url`` has a scheme and no trailing slash. Time-outs are in seconds. ``max_input_vars`` is 1000, PHP's own
    default, unless the connection says otherwise: where a site takes fewer than we think, PHP drops the rest of a form
    without a word, and 1000 still holds a batch of 50 accounts with 18 fields each.
    """

    conn_id: str
    base_url: str
    token: str = field(repr=False)
    batch_size: int = 50
    parallel_requests: int = 4
    max_input_vars: int = 1000
    connect_timeout: float = 10
    read_timeout: float = 120
    max_answer_mb: int = 64
    verify_tls: bool = True
    ca_file: str = ""
    proxy: str = field(default="", repr=False)
    allow_http: bool = False
    default_auth: str = ""
    default_lang: str = ""
    default_country: str = ""

    @property
    def endpoint(self) -> str:
        """The URL every call is posted to."""
        return self.base_url + ENDPOINT

    @property
    def is_loopback(self) -> bool:
        """Whether the Moodle is on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def read_settings(conn_id: str) -> MoodleSettings:
    """Read the settings of a connection, without what talking to its Moodle takes to import. Raises SettingError."""
    return masked(find_connection(conn_id, NAME))


def masked(conn: AirflowConnection) -> MoodleSettings:
    """Read a connection and have its token masked in logs. Raises SettingError."""
    from airflow.sdk.log import mask_secret

    settings = from_connection(conn)
    mask_secret(settings.token)
    return settings


def from_connection(conn: AirflowConnection) -> MoodleSettings:
    """Read a connection as the form, ``airflow connections add``, a URI or JSON leave it.

    Raises SettingError naming the connection and the field; its text never holds the token.
    """
    conn_id = str(conn.conn_id or "")
    extras = _Extras(conn_id, conn.extra_dejson, "moodle")
    allow_http = extras.switch("allow_http", default=False)
    token = (conn.password or "").strip()
    base_url = _base_url(conn, conn_id, allow_http=allow_http, has_token=bool(token))
    _check_token(conn_id, token)
    return MoodleSettings(
        conn_id=conn_id,
        base_url=base_url,
        token=token,
        batch_size=extras.whole("batch_size", 50, (1, 1000)),
        parallel_requests=extras.whole("parallel_requests", 4, (1, 16)),
        max_input_vars=extras.whole("max_input_vars", 1000, (100, 100_000)),
        **extras.of_requests(),
        allow_http=allow_http,
        default_auth=extras.text("default_auth", r"[a-z][a-z0-9_]*", Sentence("connection.plugin_name")),
        default_lang=extras.text("default_lang", r"[a-z][a-z0-9_]*", Sentence("connection.language_code")),
        default_country=extras.text("default_country", r"[A-Z]{2}", Sentence("connection.country_code")),
    )


class _Extras(Extras):
    def _digits(self, value: object) -> str:
        return str(value).removesuffix(".0")


def _check_token(conn_id: str, token: str) -> None:
    label = "Web service token"
    if not token:
        raise wrong(conn_id, label, Sentence("connection.token_empty"))
    if not re.fullmatch(r"[!-~]+", token):
        raise wrong(conn_id, label, Sentence("connection.token_odd"))


def _base_url(conn: AirflowConnection, conn_id: str, *, allow_http: bool, has_token: bool) -> str:
    label = "Moodle URL"
    pasted = (conn.host or "").strip()
    advice = Sentence("connection.give_address")
    if not pasted:
        raise wrong(conn_id, label, Sentence("connection.address_empty", advice=advice))
    parts, port = split_address(conn_id, label, pasted, advice)
    _refuse_secrets(conn_id, label, parts, has_token=has_token)
    scheme, path = _scheme_and_path(conn, parts, port or conn.port, allow_http=allow_http)
    host = parts.hostname or ""
    if scheme == "http" and not (allow_http or is_loopback(host)):
        raise wrong(conn_id, label, Sentence("connection.plain_http", host=host))
    return join_address(conn_id, label, scheme, host, port or conn.port, path)


def _refuse_secrets(conn_id: str, label: str, parts: SplitResult, *, has_token: bool) -> None:
    """Refuse a token in the URL, which everyone may read; where the token field has one too, it is only taken out."""
    if parts.username or parts.password:
        raise wrong(conn_id, label, Sentence("connection.password_in_address"))
    if not has_token and any(key.lower() == "wstoken" for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise wrong(conn_id, label, Sentence("connection.token_in_address"))


def _scheme_and_path(
    conn: AirflowConnection, parts: SplitResult, port: int | None, *, allow_http: bool
) -> tuple[str, str]:
    scheme, path = scheme_and_path(conn, parts, _PASTED_PAGE)
    if not scheme:
        plain = is_loopback(parts.hostname or "") or (allow_http and port)
        scheme = "http" if plain and port not in _TLS_PORTS else "https"
    return scheme, path
