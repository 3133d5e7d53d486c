"""A Moodle to try facts on, sandbox or real: calls by plain HTTP, people and cohorts under a prefix of their own, and cleaning up."""

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
    """A site by its address and token; remembers whom and what it created there.

    ``course`` is the shortname of a course with manual enrolment that people may be enrolled in for a moment, '' for none.
    """

    url: str
    token: str
    session: requests.Session
    prefix: str = field(default_factory=lambda: f"zz{secrets.token_hex(5)}")
    created: list[int] = field(default_factory=list)
    course: str = ""
    cohorts: list[int] = field(default_factory=list)
    enrolled: set[tuple[int, int]] = field(default_factory=set)
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

    def cohort(self, **more: Any) -> dict[str, Any]:
        """Give a cohort nobody has seen before, as core_cohort_create_cohorts takes it."""
        self._count += 1
        name = f"{self.prefix}-{self._count}"
        return {"categorytype": {"type": "system", "value": ""}, "name": name, "idnumber": name, **more}

    def created_cohort(self, **more: Any) -> int:
        """Create a cohort, which must be accepted, remember it and give its id."""
        answer = self.call("core_cohort_create_cohorts", cohorts=[self.cohort(**more)])
        assert isinstance(answer, list), answer
        self.cohorts.append(answer[0]["id"])
        return answer[0]["id"]

    def members(self, cohort: int) -> list[int]:
        """Give the ids of who is in a cohort, which must be there."""
        (found,) = self.call("core_cohort_get_cohort_members", cohortids=[cohort])
        return sorted(found["userids"])

    def course_id(self) -> int:
        """Give the id of the course to try enrolments in, which must be there."""
        answer = self.call("core_course_get_courses_by_field", field="shortname", value=self.course)
        (course,) = answer["courses"]
        return course["id"]

    def enrol(self, *rows: dict[str, Any]) -> Any:
        """Enrol people and give the answer: None where it was done, and then they are remembered; so also where none came."""
        new = {(row["courseid"], row["userid"]) for row in rows} - self.enrolled
        self.enrolled |= new
        answer = self.call("enrol_manual_enrol_users", enrolments=list(rows))
        if answer is not None:
            self.enrolled -= new  # all of it was rolled back
        return answer

    def clean_up(self) -> list[int]:
        """End the enrolments and delete the cohorts and the people we made, where the token may; give the ids of the people left.

        ``cohorts`` then holds the ids of the cohorts left.
        """
        functions = self.functions()
        self._leave_courses()
        if "core_cohort_delete_cohorts" in functions:
            self._delete_cohorts()
        if "core_user_get_users" in functions:
            self.created = sorted({*self.created, *self._left_by_a_test_that_failed()})
        if self.created and "core_user_delete_users" not in functions:
            return self.created
        return [userid for userid in list(self.created) if self.delete(userid) is not None]

    def _leave_courses(self) -> None:
        rows = [{"courseid": course, "userid": userid} for course, userid in sorted(self.enrolled)]
        if rows and self.call("enrol_manual_unenrol_users", enrolments=rows) is None:
            self.enrolled.clear()

    def _delete_cohorts(self) -> None:
        """Delete our cohorts one by one, also those of a test that failed before it said so."""
        there = self.call("core_cohort_get_cohorts")
        ours = (
            [c["id"] for c in there if c["idnumber"].startswith(self.prefix)]
            if isinstance(there, list)
            else self.cohorts
        )
        self.cohorts = [id_ for id_ in ours if self.call("core_cohort_delete_cohorts", cohortids=[id_]) is not None]

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
