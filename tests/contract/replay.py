"""Replays recorded calls against a sandbox, over real HTTP and in order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import requests
from contract.access import access_differences, is_about_access, make_access_ready, with_accounts
from contract.circumstances import BEFORE, circumstances
from contract.comparing import Ids, debuginfo_differences, differences
from contract.effects import effect_differences
from contract.other_sites import as_before, make_ready, site_settings
from contract.recording import LONG_FORMS, Pairs, Recording, flattened, load, raw_body, restored
from contract.scope import FIRST_OF_OTHER_SITES, episodes

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_FORM = "application/x-www-form-urlencoded"
_ADMIN, _LIMITED = 2, 4
# After these the lab took the accounts away again, several times over.
_CLEARED = ("create_900x6_over_max_input_vars", "create_cut_in_optional_field", "create_700x8_cut_loses_idnumber")
_SITE_ONLY = ("db_down", "db_read_only")


def replayed(version: str) -> dict[str, list[str]]:
    """Replay all of a version and give per recording how the sandbox differs."""
    found: dict[str, list[str]] = {}
    for run in episodes(load(version)):
        settings = {"release": version, "sitename": f"Lab {version}"}
        if run[0].order >= FIRST_OF_OTHER_SITES:
            settings |= site_settings(version)
        with running_moodle(settings=settings) as site, Replay(site) as replay:
            for recording in run:
                try:
                    found[recording.key] = replay.play(recording)
                except Exception as error:  # noqa: BLE001 - one call that cannot be compared must not hide the rest
                    found[recording.key] = [f"{type(error).__name__}: {error}"]
    return found


class Replay:
    """One site, one session, and the ids met so far."""

    def __init__(self, site: SandboxMoodle) -> None:
        self.site = site
        self.ids = Ids()
        self.session = requests.Session()
        site.add_accounts(
            [
                {"id": _LIMITED, "username": "svc-limited", "firstname": "Service", "lastname": "svc-limited",
                 "email": "svc-limited@example.org"}
            ]
        )  # fmt: skip
        self.tokens = {
            "service user": site.token,
            "service user, small service": site.add_token(3, functions=("core_webservice_get_site_info",)).secret,
            "user without user capabilities": site.add_token(
                _LIMITED, capabilities=frozenset({"webservice/rest:use"})
            ).secret,
            "admin": site.add_token(_ADMIN).secret,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.session.close()

    def play(self, recording: Recording) -> list[str]:
        """Make one recorded call and give the differences in answer, reason and effect."""
        if recording.name in BEFORE:
            BEFORE[recording.name](self.site)
        if recording.name == "update_no_change":
            # The lab had made this person anew, in a call that was left out.
            self.ids.known[recording.data["params"]["users"][0]["id"]] = self.site.table.find(
                "username", ["user00001"]
            )[0]["id"]
        if recording.order >= FIRST_OF_OTHER_SITES:
            make_ready(self.site, recording, self.ids, self._made_ready)
        if is_about_access(recording):
            make_access_ready(self.site, recording, self.ids)
        with self._circumstances(recording):
            answer = self._call(recording)
        if recording.function == "core_user_create_users" and answer.headers["Content-Type"] == "application/json":
            self._learn(recording, answer)
        found = differences(recording, answer, self.ids, self.site.url)
        effects = access_differences if is_about_access(recording) else effect_differences
        found += effects(recording, self.site, self.ids)
        if isinstance(recording.body, dict) and "totalrowcount" in recording.body.get("data", {}):
            found += self._total(answer)
        if "debuginfo_if_debugging" in recording.data:
            found += self._reason(recording)
        if recording.name in _CLEARED:
            many = [a["id"] for a in self.site.accounts() if a["username"].startswith("user2")]
            self.site.remove_accounts(many)
        return found

    def _learn(self, recording: Recording, answer: requests.Response) -> None:
        self.ids.learn(recording.body, answer.json())

    def _total(self, answer: requests.Response) -> list[str]:
        """Count who is in a report here: everyone but guest, as the lab counted there."""
        total, everyone = answer.json()["data"]["totalrowcount"], len(self.site.accounts()) - 1
        return [] if total == everyone else [f"totalrowcount: {total} of {everyone}"]

    def _reason(self, recording: Recording) -> list[str]:
        """Make the call again on a site with debugging: a refused call can be made as often as one likes."""
        with self._circumstances(recording), self.site.changed(debug="developer"):
            return debuginfo_differences(recording, self._call(recording), self.ids)

    def _circumstances(self, recording: Recording) -> AbstractContextManager[None]:
        other = recording.order >= FIRST_OF_OTHER_SITES
        return (as_before if other else circumstances)(self.site, recording)

    def _made_ready(self, function: str, parameters: dict[str, Any]) -> Any:
        """Make a call that was not recorded, and give its answer."""
        control = [("wstoken", self.site.token), ("wsfunction", function), ("moodlewsrestformat", "json")]
        address = f"{self.site.url}/webservice/rest/server.php"
        with self.site.changed(extendedusernamechars=True, allowaccountssameemail=True):
            return self.session.post(address, data=control + flattened(parameters), timeout=60).json()

    def _call(self, recording: Recording) -> requests.Response:
        data = recording.data
        token = self.tokens.get(data["token_of"] or "", data["token_of"] or "")
        body = raw_body(recording, token)
        headers = {"Content-Type": _FORM, **data.get("request_headers", {})}
        headers = {name: value.replace("TOKEN", token) for name, value in headers.items()}
        address = f"{self.site.url}/webservice/rest/server.php"
        query = data.get("query", "").replace("TOKEN", token)
        if body is None:
            form = urlencode(self._pairs(recording, token), encoding="utf-8").encode()
            query, body = (form.decode(), b"") if data["method"] == "GET" else (query, form)
        else:
            body = self._with_ids(recording, body)
        return self.session.request(
            data["method"], f"{address}?{query}" if query else address, data=body, headers=headers, timeout=60
        )

    def _pairs(self, recording: Recording, token: str) -> Pairs:
        control: Pairs = [
            (name, token if value == "TOKEN" else value)
            for name, value in recording.data.get("control_fields")
            or [("wstoken", token), ("wsfunction", recording.function), ("moodlewsrestformat", "json")]
        ]
        if recording.name in LONG_FORMS:
            return control + flattened(LONG_FORMS[recording.name](recording))
        return control + flattened(self._params(restored(recording.data["params"])))

    def _params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Give parameters with recorded ids replaced by the sandbox's."""
        params = with_accounts(params, self.ids.here)
        if "users" in params:
            params["users"] = [{**u, "id": self.ids.here(u["id"])} if "id" in u else u for u in params["users"]]
        if "userids" in params:
            params["userids"] = [self.ids.here(userid) for userid in params["userids"]]
        if params.get("field") == "id":
            params["values"] = [self.ids.here(value) for value in params.get("values", [])] or None
            if params["values"] is None:
                del params["values"]
        return params

    def _with_ids(self, recording: Recording, body: bytes) -> bytes:
        if not recording.name.startswith(("by_field_noncontiguous", "by_field_values_empty")):
            return body
        for user in recording.data["body"]:
            body = re.sub(rb"=%d\b" % user["id"], b"=%d" % self.ids.here(user["id"]), body)
        return body
