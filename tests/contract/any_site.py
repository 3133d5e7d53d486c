"""A Moodle to try facts on, sandbox or real: calls by plain HTTP, people under a prefix of their own, and cleaning up."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.recording import flattened

if TYPE_CHECKING:
    import requests

_TIMEOUT = 120


@dataclass
class MoodleSite:
    """A site by its address and token; remembers whom it created there."""

    url: str
    token: str
    session: requests.Session
    prefix: str = field(default_factory=lambda: f"zz{secrets.token_hex(5)}")
    created: list[int] = field(default_factory=list)
    _count: int = 0

    def __repr__(self) -> str:
        return f"MoodleSite({self.url!r})"

    def post(self, fields: list[tuple[str, Any]]) -> requests.Response:
        """Send form fields as they are."""
        return self.session.post(f"{self.url}/webservice/rest/server.php", data=fields, timeout=_TIMEOUT)

    def call(self, function: str, **parameters: Any) -> Any:
        """Call a function with nested parameters and give what the JSON holds, refusals too."""
        control = [("wstoken", self.token), ("wsfunction", function), ("moodlewsrestformat", "json")]
        response = self.post([*control, *flattened(parameters)])
        assert response.status_code == 200
        return response.json()

    def create(self, *people: dict[str, Any]) -> Any:
        """Create people and remember them; a refusal is given back as it is."""
        answer = self.call("core_user_create_users", users=list(people))
        if isinstance(answer, list):
            self.created += [account["id"] for account in answer]
        return answer

    def created_ids(self, *people: dict[str, Any]) -> list[int]:
        """Create people who must be accepted, and give their ids."""
        answer = self.create(*people)
        assert isinstance(answer, list), answer
        return [account["id"] for account in answer]

    def update(self, *changes: dict[str, Any]) -> Any:
        return self.call("core_user_update_users", users=list(changes))

    def by_field(self, name: str, *values: Any) -> Any:
        return self.call("core_user_get_users_by_field", field=name, values=list(values))

    def account(self, userid: int) -> dict[str, Any]:
        """Give one account, which must be there."""
        (account,) = self.by_field("id", userid)
        return account

    def person(self, **more: Any) -> dict[str, Any]:
        """Give someone nobody has seen before."""
        self._count += 1
        name = f"{self.prefix}.{self._count}"
        return {
            "username": name,
            "password": f"Aa1!{secrets.token_hex(12)}",
            "firstname": "Proef",
            "lastname": f"Persoon {self._count}",
            "email": f"{name}@example.org",
            "idnumber": f"{self.prefix.upper()}-{self._count}",
            **more,
        }

    def functions(self) -> set[str]:
        """Give the functions of the token's service."""
        return {function["name"] for function in self.call("core_webservice_get_site_info")["functions"]}

    def clean_up(self) -> list[int]:
        """Delete whom we created, where the token may; give the ids of those who stay behind."""
        functions = self.functions()
        if "core_user_get_users" in functions:
            self.created = sorted({*self.created, *self._left_by_a_test_that_failed()})
        if self.created and "core_user_delete_users" not in functions:
            return self.created
        return [userid for userid in list(self.created) if self.delete(userid) is not None]

    def _left_by_a_test_that_failed(self) -> list[int]:
        """Give whoever has an address of ours: a run may have created people and failed before it said so."""
        answer = self.call("core_user_get_users", criteria=[{"key": "email", "value": f"{self.prefix}%"}])
        return [user["id"] for user in answer.get("users", []) if user["email"].startswith(self.prefix)]

    def delete(self, userid: int) -> Any:
        """Delete someone and give the answer: None where it was done."""
        answer = self.call("core_user_delete_users", userids=[userid])
        if answer is None:
            self.created.remove(userid)
        return answer
