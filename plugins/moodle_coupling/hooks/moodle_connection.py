"""An Airflow connection of type moodle, read into settings that can be trusted."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import SplitResult, parse_qsl, urlsplit

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT: Final = "/webservice/rest/server.php"
_TLS_PORTS: Final = (443, 8443)
_PASTED_PAGE: Final = re.compile(
    r"/webservice(/.*)?$|/(my|login)$|/(login|my|admin|user|course)/([^/]+/)*[^/]*\.php$|/[^/]*\.php$"
)
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


class AirflowConnection(Protocol):
    """What is read of a connection; Airflow's own, in tasks and on the server, has these."""

    conn_id: Any
    host: Any
    schema: Any
    port: Any
    password: Any

    @property
    def extra_dejson(self) -> Any:
        """The extra fields as a mapping."""


@dataclass(frozen=True, slots=True)
class MoodleSettings:
    """One environment: where its Moodle is and how to talk to it.

    ``base_url`` has a scheme and no trailing slash. Time-outs are in seconds. ``max_input_vars`` is 1000, PHP's own
    default, unless the connection says otherwise: where a site takes fewer than we think, PHP drops the rest of a form
    without a word, and 1000 still holds a batch of 50 accounts with 18 fields each.
    """

    conn_id: str
    base_url: str
    token: str = field(repr=False)
    batch_size: int = 50
    parallel_requests: int = 2
    max_input_vars: int = 1000
    connect_timeout: float = 10
    read_timeout: float = 120
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
        return _is_loopback(urlsplit(self.base_url).hostname or "")


def from_connection(conn: AirflowConnection) -> MoodleSettings:
    """Read a connection as the form, ``airflow connections add``, a URI or JSON leave it.

    Raises SettingError naming the connection and the field; its text never holds the token.
    """
    conn_id = str(conn.conn_id or "")
    extras = _Extras(conn_id, conn.extra_dejson)
    allow_http = extras.switch("allow_http", default=False)
    token = (conn.password or "").strip()
    base_url = _base_url(conn, conn_id, allow_http=allow_http, has_token=bool(token))
    _check_token(conn_id, token)
    return MoodleSettings(
        conn_id=conn_id,
        base_url=base_url,
        token=token,
        batch_size=extras.whole("batch_size", 50, (1, 1000)),
        parallel_requests=extras.whole("parallel_requests", 2, (1, 16)),
        max_input_vars=extras.whole("max_input_vars", 1000, (100, 100_000)),
        connect_timeout=extras.whole("connect_timeout", 10, (1, 120)),
        read_timeout=extras.whole("read_timeout", 120, (5, 3600)),
        verify_tls=extras.switch("verify_tls", default=True),
        ca_file=extras.text("ca_file"),
        proxy=_proxy(conn_id, extras.text("proxy")),
        allow_http=allow_http,
        default_auth=extras.text("default_auth", r"[a-z][a-z0-9_]*", "a plugin name such as manual or oidc"),
        default_lang=extras.text("default_lang", r"[a-z][a-z0-9_]*", "a language code such as nl or en"),
        default_country=extras.text("default_country", r"[A-Z]{2}", "two capitals, such as NL"),
    )


def _wrong(conn_id: str, label: str, what: str) -> SettingError:
    return SettingError(f"Connection '{conn_id}', field '{label}': {what} Mend it under Admin > Connections.")


class _Extras:
    """The extra fields; a value from the form has a type, one from a URI is always text."""

    def __init__(self, conn_id: str, values: Mapping[str, Any] | None) -> None:
        self._conn_id = conn_id
        self._values = values if isinstance(values, dict) else {}

    def _raw(self, name: str) -> object:
        value = self._values.get(name, self._values.get(f"extra__moodle__{name}"))
        return value.strip() if isinstance(value, str) else value

    def text(self, name: str, pattern: str = "", wanted: str = "") -> str:
        value = str(self._raw(name) or "")
        if value and pattern and not re.fullmatch(pattern, value):
            raise _wrong(self._conn_id, name, f"must be {wanted}, not {value!r}.")
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        value = self._raw(name)
        if value is None or value == "":
            return default
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise _wrong(self._conn_id, name, f"must be true or false, not {value!r}.")
        return word in _TRUE

    def whole(self, name: str, default: int, bounds: tuple[int, int]) -> int:
        value = self._raw(name)
        if value is None or value == "":
            return default
        low, high = bounds
        text = str(value).removesuffix(".0")
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise _wrong(self._conn_id, name, f"must be a whole number from {low} to {high}, not {value!r}.")
        return int(text)


def _check_token(conn_id: str, token: str) -> None:
    label = "Web service token"
    if not token:
        raise _wrong(conn_id, label, "is empty. Make a token for the service user in Moodle and put it here.")
    if not re.fullmatch(r"[!-~]+", token):
        raise _wrong(
            conn_id, label, "holds a space or a special character; a token is one word, usually of 32 characters."
        )


def _proxy(conn_id: str, proxy: str) -> str:
    if proxy and not re.match(r"(https?|socks5h?)://[^/\s]", proxy):
        # The value may hold a password, so it is not repeated here.
        raise _wrong(conn_id, "proxy", "must look like http://proxy.example.org:3128.")
    return proxy


def _base_url(conn: AirflowConnection, conn_id: str, *, allow_http: bool, has_token: bool) -> str:
    label = "Moodle URL"
    pasted = (conn.host or "").strip()
    if not pasted:
        raise _wrong(conn_id, label, "is empty. Give the site's address, such as https://moodle.example.org.")
    parts, port = _split(conn_id, label, pasted)
    _refuse_secrets(conn_id, label, parts, has_token=has_token)
    scheme, path = _scheme_and_path(conn, parts, port or conn.port, allow_http=allow_http)
    host = parts.hostname or ""
    if scheme == "http" and not (allow_http or _is_loopback(host)):
        raise _wrong(
            conn_id,
            label,
            f"is plain http, on which the token and personal data of '{host}' travel readable. Use https, or set "
            "allow_http if you accept that.",
        )
    if scheme not in ("http", "https"):
        raise _wrong(conn_id, label, f"must begin with https://, not with {scheme}://.")
    return _join(scheme, host, port or conn.port, path)


def _split(conn_id: str, label: str, pasted: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(pasted if "://" in pasted or pasted.startswith("//") else f"//{pasted}")
        port = parts.port
    except ValueError:
        # The pasted text may hold a token, so it is not repeated here.
        raise _wrong(conn_id, label, "is no valid address.") from None
    # A scheme without its colon, as in https//moodle.example.org, would be taken for the host.
    if not re.fullmatch(r"[\w.:-]+", parts.hostname or "") or parts.hostname in ("http", "https"):
        raise _wrong(
            conn_id, label, "names no valid host. Give the site's address, such as https://moodle.example.org."
        )
    return parts, port


def _refuse_secrets(conn_id: str, label: str, parts: SplitResult, *, has_token: bool) -> None:
    """Refuse a token in the URL, which everyone may read; where the token field has one too, it is only taken out."""
    if parts.username or parts.password:
        raise _wrong(
            conn_id, label, "holds a user name or password. Leave only the address; the token has its own field."
        )
    if not has_token and any(key.lower() == "wstoken" for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise _wrong(
            conn_id,
            label,
            "holds a token (wstoken=…), where anyone who sees the connection can read it. Put the token in the field "
            "'Web service token' and leave only the address here; better, make a new token.",
        )


def _scheme_and_path(
    conn: AirflowConnection, parts: SplitResult, port: int | None, *, allow_http: bool
) -> tuple[str, str]:
    path = _PASTED_PAGE.sub("", parts.path.rstrip("/")).rstrip("/")
    scheme, schema = parts.scheme.lower(), (conn.schema or "").strip().strip("/")
    if schema.lower() in ("http", "https"):
        scheme = scheme or schema.lower()
    elif schema and not path:
        # In moodle://:token@host/sub the URI's path arrives as the schema.
        path = _PASTED_PAGE.sub("", f"/{schema}")
    if not scheme:
        plain = _is_loopback(parts.hostname or "") or (allow_http and port)
        scheme = "http" if plain and port not in _TLS_PORTS else "https"
    return scheme, path


def _join(scheme: str, host: str, port: int | None, path: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{shown}{'' if port in (None, 0, default) else f':{port}'}{path}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
