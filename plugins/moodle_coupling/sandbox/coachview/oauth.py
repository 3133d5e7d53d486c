"""Tokens: asked for with client credentials (RFC 6749), shown as a bearer (RFC 6750), and expired in time."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus

from moodle_coupling.sandbox.coachview.refusals import Refusal, oauth_error
from moodle_coupling.sandbox.server import JSON, Answer

if TYPE_CHECKING:
    from moodle_coupling.sandbox.coachview.settings import Clock, ServerSettings
    from moodle_coupling.sandbox.server import HttpRequest

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class _Issued:
    scopes: frozenset[str]
    until: float


class _NotGiven(Exception):
    """No token: the answer that says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class TokenServer:
    """Gives tokens to one API client, and knows them again."""

    def __init__(self, client: tuple[str, str], settings: ServerSettings, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: dict[str, _Issued] = {}

    def __len__(self) -> int:
        now = self._clock.now()
        with self._lock:
            return sum(token.until > now for token in self._issued.values())

    def revoke(self) -> None:
        """Make every token given so far worthless."""
        with self._lock:
            self._issued.clear()

    # ---- giving one --------------------------------------------------------------------------------------------------

    def answer(self, request: HttpRequest) -> Answer:
        """Answer a request to the token endpoint."""
        try:
            return self._given(request)
        except _NotGiven as reason:
            return reason.answer

    def _given(self, request: HttpRequest) -> Answer:
        form = _form(request)
        self._check_client(form, request.headers.get("Authorization"))
        grant = form.get("grant_type")
        if not grant:
            raise _NotGiven(oauth_error("invalid_request", "grant_type is missing."))
        if grant != "client_credentials":
            raise _NotGiven(oauth_error("unsupported_grant_type", f"grant_type '{grant}' is not supported."))
        if not self._settings.client_credentials:
            raise _NotGiven(oauth_error("unauthorized_client", "The client may not use client_credentials."))
        scopes = self._scopes(form)
        value = secrets.token_urlsafe(48)
        with self._lock:
            self._issued[value] = _Issued(frozenset(scopes), self._clock.now() + self._settings.token_lifetime)
        content = {
            "access_token": value,
            "expires_in": self._settings.token_lifetime,
            "token_type": "Bearer",
            "scope": " ".join(scopes),
        }
        return Answer(200, JSON, json.dumps(content).encode(), {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _check_client(self, form: dict[str, str], authorization: str | None) -> None:
        by_header = (authorization or "").lower().startswith("basic ")
        client_id, secret = (
            _basic(authorization or "") if by_header else (form.get("client_id"), form.get("client_secret"))
        )
        right = secrets.compare_digest((client_id or "").encode(), self._client[0].encode())
        right &= secrets.compare_digest((secret or "").encode(), self._client[1].encode())
        if not right:
            status, headers = (401, {"WWW-Authenticate": 'Basic realm="coachview"'}) if by_header else (400, {})
            raise _NotGiven(oauth_error("invalid_client", "Unknown client or secret.", status=status, headers=headers))

    def _scopes(self, form: dict[str, str]) -> list[str]:
        """Return the scopes asked for, or all the client has where it asks for none."""
        asked = list(dict.fromkeys(form.get("scope", "").split()))
        lacking = [scope for scope in asked if scope not in self._settings.scopes]
        if lacking:
            raise _NotGiven(oauth_error("invalid_scope", f"The client does not have the scope {lacking[0]}."))
        return asked or list(self._settings.scopes)

    # ---- knowing one -------------------------------------------------------------------------------------------------

    def scopes_of(self, authorization: str | None) -> frozenset[str]:
        """Return the scopes of a request's token. Raises :class:`Refusal` where there is none that is good."""
        kind, _, value = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not value:
            raise Refusal(401, "A bearer token is needed.", {"WWW-Authenticate": "Bearer"})
        with self._lock:
            token = self._issued.get(value)
        if token is None:
            raise token_refused("The token is not known.")
        if token.until <= self._clock.now():
            raise token_refused("The token expired.")
        return token.scopes


def token_refused(why: str) -> Refusal:
    """Return the refusal of a token that is no good."""
    return Refusal(401, why, {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{why}"'})


def _form(request: HttpRequest) -> dict[str, str]:
    content_type = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if request.method != "POST" or content_type != _FORM:
        raise _NotGiven(oauth_error("invalid_request", f"POST a form ({_FORM})."))
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) < len(pairs):
        raise _NotGiven(oauth_error("invalid_request", "A parameter is there more than once."))
    return form


def _basic(authorization: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(authorization.partition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
