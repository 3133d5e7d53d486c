"""Calls a sandbox the way any HTTP client would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from contract.recording import flattened

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle import SandboxMoodle


class Client:
    """One session on one sandbox."""

    def __init__(self, site: SandboxMoodle) -> None:
        self.site = site
        self.session = requests.Session()

    def respond(self, function: str, token: str = "", timeout: float = 30, **parameters: Any) -> requests.Response:
        """Give the HTTP answer to a call."""
        control = [("wstoken", token or self.site.token), ("wsfunction", function), ("moodlewsrestformat", "json")]
        return self.post([*control, *flattened(parameters)], timeout)

    def post(self, fields: list[tuple[str, Any]], timeout: float = 30) -> requests.Response:
        """Send form fields as they are."""
        return self.session.post(f"{self.site.url}/webservice/rest/server.php", data=fields, timeout=timeout)

    def call(self, function: str, token: str = "", **parameters: Any) -> Any:
        """Give what the JSON of the answer holds."""
        return self.respond(function, token, **parameters).json()

    def info(self, token: str = "") -> Any:
        return self.call("core_webservice_get_site_info", token)

    def create(self, *people: dict[str, Any], token: str = "") -> Any:
        return self.call("core_user_create_users", token, users=list(people))

    def update(self, *changes: dict[str, Any], token: str = "") -> Any:
        return self.call("core_user_update_users", token, users=list(changes))

    def by_field(self, field: str, *values: Any, token: str = "") -> Any:
        return self.call("core_user_get_users_by_field", token, field=field, values=list(values))

    def search(self, token: str = "", **criteria: Any) -> Any:
        pairs = [{"key": key, "value": value} for key, value in criteria.items()]
        return self.call("core_user_get_users", token, criteria=pairs)

    def reason(self, function: str, **parameters: Any) -> str:
        """Give the reason a refusal has on a site with debugging."""
        with self.site.changed(debug="developer"):
            return self.call(function, **parameters)["debuginfo"]


def someone(name: str = "jan", **more: Any) -> dict[str, Any]:
    """Give a person Moodle accepts."""
    return {
        "username": name,
        "auth": "oidc",
        "firstname": "Jan",
        "lastname": "Jansen",
        "email": f"{name}@example.org",
        "idnumber": f"CV-{name}",
        **more,
    }
