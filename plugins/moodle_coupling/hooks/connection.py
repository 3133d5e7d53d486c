"""What our connection types share: reading their fields, and hooks that read them once and keep one session."""

from __future__ import annotations

import ipaddress
import re
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, Self, TypedDict, TypeVar
from urllib.parse import SplitResult, urlsplit

from airflow.sdk import BaseHook

from moodle_coupling.errors import SettingError
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def wrong(conn_id: str, label: str, what: Sentence | str) -> SettingError:
    """Give the error for a field; ``what`` is the rest of the sentence, and holds no secret."""
    return SettingError(Sentence("connection.wrong", connection=conn_id, field=label, what=what))


class OfRequests(TypedDict):
    """What every connection says of its requests (SessionSettings of wire.py)."""

    connect_timeout: float
    read_timeout: float
    max_answer_mb: int
    verify_tls: bool
    ca_file: str
    proxy: str


class Extras:
    """The extra fields of a connection of type ``kind``; a value from the form has a type, one from a URI is always text."""

    def __init__(self, conn_id: str, values: Mapping[str, Any] | None, kind: str) -> None:
        self._conn_id = conn_id
        self._values = values if isinstance(values, dict) else {}
        self._kind = kind

    def text(self, name: str, pattern: str = "", wanted: Sentence | str = "") -> str:
        """Give a text, '' when it is not said; refuses what is not ``wanted``."""
        value = str(self._raw(name) or "")
        if value and pattern and not re.fullmatch(pattern, value):
            raise self.refusal(name, wanted, value)
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        """Give a yes or no."""
        value = self._raw(name)
        if value is None:
            return default
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise self.refusal(name, Sentence("connection.true_or_false"), value)
        return word in _TRUE

    def whole(self, name: str, default: int, bounds: tuple[int, int]) -> int:
        """Give a whole number within bounds, both included."""
        value = self._raw(name)
        if value is None:
            return default
        low, high = bounds
        text = self._digits(value)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise self.refusal(name, Sentence("connection.whole_number", low=low, high=high), value)
        return int(text)

    def of_requests(self) -> OfRequests:
        """Give what is said of requests: time-outs, the largest answer, TLS and proxy."""
        return OfRequests(
            connect_timeout=self.whole("connect_timeout", 10, (1, 120)),
            read_timeout=self.whole("read_timeout", 120, (5, 3600)),
            max_answer_mb=self.whole("max_answer_mb", 64, (1, 2048)),
            verify_tls=self.switch("verify_tls", default=True),
            ca_file=self.text("ca_file"),
            proxy=self.proxy(),
        )

    def refusal(self, name: str, wanted: Sentence | str, value: object) -> SettingError:
        """Give the error for a value that is not ``wanted``."""
        return wrong(self._conn_id, name, Sentence("connection.must_be", wanted=wanted, value=repr(value)))

    def proxy(self) -> str:
        """Give the proxy, '' for none."""
        proxy = self.text("proxy")
        if proxy and not re.match(r"(https?|socks5h?)://[^/\s]", proxy):
            # The value may hold a password, so it is not repeated here.
            raise wrong(self._conn_id, "proxy", Sentence("connection.proxy"))
        return proxy

    def _raw(self, name: str) -> object:
        value = self._values.get(name, self._values.get(f"extra__{self._kind}__{name}"))
        value = value.strip() if isinstance(value, str) else value
        return None if value == "" else value

    def _digits(self, value: object) -> str:
        """Give a number as text; JSON may have made 5.0 of it."""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def split_address(conn_id: str, label: str, pasted: str, advice: Sentence | str) -> tuple[SplitResult, int | None]:
    """Take an address apart as somebody pasted it, with or without a scheme; gives its port too."""
    try:
        parts = urlsplit(pasted if "://" in pasted or pasted.startswith("//") else f"//{pasted}")
        port = parts.port
    except ValueError:
        # The pasted text may hold a secret, so it is not repeated here.
        raise wrong(conn_id, label, Sentence("connection.no_address")) from None
    # A scheme without its colon, as in https//moodle.example.org, would be taken for the host.
    if not re.fullmatch(r"[\w.:-]+", parts.hostname or "") or parts.hostname in ("http", "https"):
        raise wrong(conn_id, label, Sentence("connection.no_host", advice=advice))
    return parts, port


def scheme_and_path(conn: AirflowConnection, parts: SplitResult, pasted_page: re.Pattern[str]) -> tuple[str, str]:
    """Give the scheme, '' when none is said, and the path without the page that was pasted along."""
    path = pasted_page.sub("", parts.path.rstrip("/")).rstrip("/")
    scheme, schema = parts.scheme.lower(), (conn.schema or "").strip().strip("/")
    if schema.lower() in ("http", "https"):
        scheme = scheme or schema.lower()
    elif schema and not path:
        # In moodle://:token@host/sub the URI's path arrives as the schema.
        path = pasted_page.sub("", f"/{schema}")
    return scheme, path


def join_address(conn_id: str, label: str, scheme: str, host: str, port: int | None, path: str) -> str:
    """Put an address together, without a port that goes without saying."""
    if scheme not in ("http", "https"):
        raise wrong(conn_id, label, Sentence("connection.scheme", scheme=scheme))
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{shown}{'' if port in (None, 0, default) else f':{port}'}{path}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_connection(conn_id: str, type_: str) -> Any:
    """Give Airflow's connection of that id; raises SettingError where there is none. ``type_`` is what it should have been."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise SettingError(Sentence("connection.missing", connection=conn_id, type=type_)) from None


class _Closable(Protocol):
    def close(self) -> None: ...


S = TypeVar("S")
W = TypeVar("W", bound=_Closable)


class Pooled(BaseHook, ABC, Generic[S, W]):
    """A hook with settings of type S and a pooled session of type W; several threads may use one hook."""

    hook_name: ClassVar[str]

    def __init__(self, conn_id: str, *, logger_name: str | None = None) -> None:
        super().__init__(logger_name=logger_name)
        self._conn_id = conn_id
        self._settings: S | None = None
        self._wire: W | None = None
        self._lock = threading.RLock()

    @property
    def settings(self) -> S:
        """The connection, read once. Raises SettingError."""
        with self._lock:
            if self._settings is None:
                self._settings = self._read(find_connection(self._conn_id, self.hook_name))
            return self._settings

    def get_conn(self) -> W:
        """Give the pooled session, opened at its first use."""
        with self._lock:
            if self._wire is None:
                self._wire = self._open(self.settings)
            return self._wire

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            if self._wire is not None:
                self._wire.close()
                self._wire = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._conn_id!r})"

    @abstractmethod
    def _read(self, connection: Any) -> S:
        """Read an Airflow connection and have its secret masked. Raises SettingError."""

    @abstractmethod
    def _open(self, settings: S) -> W:
        """Open the session."""
