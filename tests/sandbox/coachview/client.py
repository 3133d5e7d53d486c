"""Asks a sandbox Coachview the way any HTTP client would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from moodle_coupling.sandbox.coachview import SandboxCoachview


class Client:
    """One session on one sandbox, with a token of its own."""

    def __init__(self, sandbox: SandboxCoachview) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()

    def log_in(self, scope: str = "") -> None:
        """Take a new token; without a scope for all that the client may do."""
        token = self.token(scope=scope).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def token(self, **changes: Any) -> requests.Response:
        """Ask for a token; ``changes`` to the form, None takes a field out."""
        sandbox = self.sandbox
        form = {
            "grant_type": "client_credentials",
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            **changes,
        }
        fields = {name: value for name, value in form.items() if value not in (None, "")}
        return self.session.post(f"{sandbox.url}/auth/connect/token", data=fields, timeout=30)

    def get(self, endpoint: str = "Personen", timeout: float = 30, **params: Any) -> requests.Response:
        """Give the answer of a list."""
        return self.session.get(f"{self.sandbox.url}/api/v1/{endpoint}", params=params, timeout=timeout)

    def rows(self, endpoint: str = "Personen", **params: Any) -> Any:
        """Give the rows of a list."""
        answer = self.get(endpoint, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, where: str = "", **params: Any) -> list[str]:
        """Give the surnames of those who fit a filter."""
        return [row["achternaam"] for row in self.rows(where=where, **params)]

    def control(self, method: str, path: str, json: Any = None) -> requests.Response:
        """Use a control path."""
        return self.session.request(method, f"{self.sandbox.url}/sandbox/{path}", json=json, timeout=30)


def guid(number: int) -> str:
    """Give a GUID that is easy to read."""
    return f"00000000-0000-4000-8000-{number:012d}"


def changed(day: str, time: str = "10:00:00") -> dict[str, str]:
    """Give an audit trail of someone changed at a moment and created long before."""
    return {"aangemaaktDatumTijd": "2015-01-01T08:00:00", "gewijzigdDatumTijd": f"{day}T{time}"}


def someone(number: int = 1, **more: Any) -> dict[str, Any]:
    """Give a person."""
    return {"id": guid(number), "achternaam": f"Jansen {number:03}", "externId": f"CV-{number:03}", **more}
