"""One recorded call of a real Moodle: what was sent, form field by form field, and what came back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDINGS = Path(__file__).parent / "recordings"
VERSIONS = ("5.1", "4.5")
Pairs = list[tuple[str, Any]]
CUT = "…(cut"


@dataclass(frozen=True)
class Recording:
    """A recording as it stands in its file."""

    version: str
    order: int
    name: str
    data: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.order:03}-{self.name}"

    @property
    def function(self) -> str:
        return self.data["function"] or ""

    @property
    def body(self) -> Any:
        """The answer as far as it was kept whole; None where only a (cut) text is there."""
        if "body" in self.data:
            return self.data["body"]
        raw = self.data.get("body_raw") or ""
        if self.is_json() and raw and CUT not in raw:
            return json.loads(raw)
        return None

    def is_json(self) -> bool:
        return self.data.get("headers", {}).get("Content-Type") == "application/json"


def load(version: str) -> list[Recording]:
    """Give the recordings of a version in the order of the calls."""
    recordings = []
    for path in sorted((RECORDINGS / version).glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        recordings.append(Recording(version, data["order"], data["name"], data))
    return recordings


def flattened(value: Any, prefix: str = "") -> Pairs:
    """Give the form fields of nested parameters, as PHP reads them."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return [(prefix, value)]
    return [pair for key, item in items for pair in flattened(item, f"{prefix}[{key}]" if prefix else str(key))]


def restored(value: Any) -> Any:
    """Give parameters with strings that were cut for the recording at their full length (they repeat a letter)."""
    if isinstance(value, dict):
        return {key: restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restored(item) for item in value]
    if isinstance(value, str) and CUT in value:
        return value[0] * int(value.split(CUT + ", ")[1].split()[0])
    return value


def person(number: int, **more: Any) -> dict[str, Any]:
    """Give the person of that number as the recordings make them."""
    return {
        "username": f"user{number:05}",
        "auth": "manual",
        "password": f"Passw0rd!{number}",
        "firstname": f"Voornaam{number}",
        "lastname": f"van der Test{number}",
        "email": f"user{number:05}@example.org",
        "idnumber": f"CV-{number:05}",
        **more,
    }


def _people(numbers: range, make: Callable[[int, int], dict[str, Any]]) -> dict[str, Any]:
    return {"users": [make(position, number) for position, number in enumerate(numbers)]}


def _oidc(_position: int, number: int) -> dict[str, Any]:
    names = ("username", "auth", "firstname", "lastname", "email", "idnumber")
    return {name: {**person(number), "auth": "oidc"}[name] for name in names}


def _required_first(position: int, number: int, **more: str) -> dict[str, Any]:
    return {
        "username": f"user{number:05}",
        "firstname": "a",
        "lastname": "b",
        "email": f"user{number:05}@example.org",
        "auth": "oidc",
        **more,
        "idnumber": f"Q{position}",
    }


def _values(prefix: str, count: int) -> dict[str, Any]:
    return {"field": "idnumber", "values": [f"{prefix}-{n:05}" for n in range(count)]}


def _by_field(recording: Recording, prefix: str) -> dict[str, Any]:
    return _values(prefix, fields_in(recording) - 4)


def fields_in(recording: Recording) -> int:
    """Give the number of fields of a form that was too long to be kept."""
    return int(recording.data["form_head"][-1][1].split()[0])


# How forms that were too long to be kept were made; `test_recordings` checks them against what was kept of them.
LONG_FORMS: dict[str, Callable[[Recording], dict[str, Any]]] = {
    "by_field_1000_values": lambda r: _by_field(r, "CV"),
    "by_field_4995_values": lambda r: _by_field(r, "CV"),
    "by_field_4997_values": lambda r: _by_field(r, "CV"),
    "by_field_5000_values": lambda r: _by_field(r, "CV"),
    # The wanted value is the last.
    "by_field_5000_values_late_hit": lambda _r: {
        "field": "idnumber",
        "values": [*_values("zz", 4999)["values"], "CV-00001"],
    },
    "display_errors_over_max_input_vars": lambda r: _by_field(r, "zz"),
    "create_900x6_over_max_input_vars": lambda _r: _people(range(20000, 20900), _oidc),
    "create_556x9_cut_at_boundary": lambda _r: _people(
        range(20000, 20556), lambda p, n: {**_oidc(p, n), "city": "x", "country": "NL", "lang": "en"}
    ),
    "create_cut_in_optional_field": lambda _r: _people(range(20000, 20900), _required_first),
    "create_700x8_cut_loses_idnumber": lambda _r: _people(
        range(20000, 20700), lambda p, n: _required_first(p, n, city="Utrecht", country="NL")
    ),
}

_BIG = {"post_7_9MB_ok": 7_900_000, "post_over_post_max_size": 9_000_000, "nginx_413": 70_000_000}
_BIG |= dict.fromkeys(("post_over_post_max_size_token_in_query", "display_errors_over_post_max_size"), 9000000)


def _control(function: str, token: str) -> Pairs:
    return [("wstoken", token), ("wsfunction", function), ("moodlewsrestformat", "json")]


def raw_body(recording: Recording, token: str) -> bytes | None:
    """Give the body of a call that was no ordinary form; None for the ordinary ones."""
    function, name = recording.function or "core_webservice_get_site_info", recording.name
    without_token = f"wsfunction={function}&moodlewsrestformat=json"
    control = urlencode(_control(function, token))
    bodies = {
        "empty_token": f"{without_token}&wstoken=",
        "no_token": without_token,
        "token_as_bearer_header": without_token,
        "no_function": f"wstoken={token}&moodlewsrestformat=json",
        "json_request_body": json.dumps(dict(_control(function, token))),
        "token_in_query": "",
        "create_firstname_invalid_utf8": f"{control}&{_encoded(71)}".replace("Voornaam71", "Ja%E9n"),
        "create_users_noncontiguous_index": f"{control}&{_encoded(75)}".replace("users%5B0%5D", "users%5B7%5D"),
        "by_field_noncontiguous_values": f"{control}&field=id&values[5]=%s&values[9]=%s",
        "by_field_values_empty_brackets": f"{control}&field=id&values[]=%s&values[]=%s",
        "db_down_create": f"{control}&{_encoded(99)}",
    }
    if name in _BIG:
        return f"{control}&{_encoded(1)}&users%5B0%5D%5Bdescription%5D=".encode() + b"x" * _BIG[name]
    if name == "by_field_5000_token_last":
        return urlencode([*flattened(_values("CV", 5000)), *_control(function, token)]).encode()
    if "%s" in bodies.get(name, ""):
        # The two users that were asked for are the two that were answered.
        return (bodies[name] % tuple(user["id"] for user in recording.data["body"])).encode()
    return bodies[name].encode() if name in bodies else None


def _encoded(number: int) -> str:
    return urlencode(flattened({"users": [person(number)]}))
