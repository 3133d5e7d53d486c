"""Compares what the sandbox answered with what a real Moodle had answered."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.recording import CUT

if TYPE_CHECKING:
    import requests
    from contract.recording import Recording

# Facts of one moment or one machine: their type counts, not their value.
_VOLATILE = ("userprivateaccesskey", "profileimageurl", "profileimageurlsmall", "userpictureurl")
_VOLATILE_PREFERENCES = ("auth_manual_passwordupdatetime", "last_time_enrolments_synced", "_lastloaded")
# The accounts behind links have other ids here, and the lab's plugin for OpenID Connect was a stub.
_LINK = re.compile(r"(/user/profile\.php\?id=)(\d+)")
_STUB = "OIDC stub"
# The context of a course has another number here, and accounts that a message names have other ids.
_CONTEXT_OF_A_PICTURE = re.compile(r"/pluginfile\.php/\d+/")
_ACCOUNT_IN_MESSAGE = re.compile(r"(record already exists: cohort\(\w+=[\w-]+ id=|to this user \()(\d+)")
_TIMES_OF_A_REPORT = ("timecreated", "timemodified")
_OWN_TIME = re.compile(r"\.1795\d{6}$")


@dataclass
class Ids:
    """Which id of the sandbox stands for which recorded id."""

    known: dict[int, int] = field(default_factory=lambda: {n: n for n in range(1, 5)})

    def learn(self, recorded: Any, answered: Any) -> None:
        """Remember the ids of created accounts, by their place in the answer."""
        if isinstance(recorded, list) and isinstance(answered, list):
            self.known |= {old["id"]: new["id"] for old, new in zip(recorded, answered, strict=False)}

    def here(self, recorded: Any) -> Any:
        """Give the sandbox's id for a recorded one; ids of nobody stay what they are."""
        mapped = self.known.get(int(recorded), int(recorded))
        return str(mapped) if isinstance(recorded, str) else mapped


def differences(recording: Recording, answer: requests.Response, ids: Ids, url: str) -> list[str]:
    """Give each difference as a sentence; none where the sandbox answered as Moodle had."""
    data = recording.data
    found = _difference("status", data["status"], answer.status_code)
    for name, value in data.get("headers", {}).items():
        found += _difference(name, value.lower(), answer.headers.get(name, "").lower())
    if "body" in data or (recording.is_json() and recording.body is not None):
        found += _compare(recording.body, answer.json(), "", ids, url)
    elif recording.is_json() and CUT in data["body_raw"]:
        found += _compare_cut_json(data, answer.json(), ids, url)
    else:
        found += _compare_text(data, answer.text, url)
    return found


def _difference(what: str, recorded: Any, answered: Any) -> list[str]:
    return [] if recorded == answered else [f"{what}: Moodle {recorded!r}, sandbox {answered!r}"]


def _compare(recorded: Any, answered: Any, path: str, ids: Ids, url: str) -> list[str]:
    if type(recorded) is not type(answered):
        return [f"{path}: Moodle {recorded!r:.200}, sandbox {answered!r:.200}"]
    if isinstance(recorded, dict):
        return _compare_objects(recorded, answered, path, ids, url)
    if isinstance(recorded, list):
        found = _difference(f"{path}: length", len(recorded), len(answered))
        pairs = zip(recorded, answered, strict=False)
        return found + [d for n, (a, b) in enumerate(pairs) for d in _compare(a, b, f"{path}[{n}]", ids, url)]
    if isinstance(recorded, str):
        recorded = _LINK.sub(lambda m: m[1] + str(ids.here(int(m[2]))), recorded).replace(_STUB, "OpenID Connect")
        recorded = _ACCOUNT_IN_MESSAGE.sub(lambda m: m[1] + str(ids.here(int(m[2]))), recorded)
        recorded = re.sub(r"http://127\.0\.0\.1:\d+", url, recorded)
        recorded, answered = (_CONTEXT_OF_A_PICTURE.sub("/pluginfile.php/N/", text) for text in (recorded, answered))
        recorded, answered = _OWN_TIME.sub(".TIME", recorded), re.sub(r"\.\d{10}$", ".TIME", answered)
        if CUT in recorded:
            recorded = recorded.split(CUT)[0]
            answered = answered[: len(recorded)]
    return _difference(path, recorded, answered)


def _compare_objects(recorded: Any, answered: Any, path: str, ids: Ids, url: str) -> list[str]:
    found = _difference(f"{path}: keys", list(recorded), list(answered))
    if {"id", "username"} <= recorded.keys() and recorded["username"] == answered.get("username"):
        # Someone a left-out call had created.
        ids.known.setdefault(recorded["id"], answered["id"])
    for key in recorded.keys() & answered.keys():
        old, new, where = recorded[key], answered[key], f"{path}.{key}"
        if key in ("id", "itemid", "userid"):
            found += _difference(where, ids.here(old), new)
        elif key == "userids":
            found += _difference(where, [ids.here(userid) for userid in old], new)
        elif key == "totalrowcount" or (key in _TIMES_OF_A_REPORT and "source" in recorded):
            # How many there were on the lab's site, and when its report was made; `replay` counts those here.
            found += _difference(where, type(old), type(new))
        elif key in _VOLATILE or (key == "value" and recorded.get("name") in _VOLATILE_PREFERENCES):
            found += _difference(where, type(old), type(new))
        elif key == "functions":
            # The lab's service had cohort, course and other functions besides.
            known = [f for f in old if f["name"] in {g["name"] for g in new}]
            found += _difference(where, known, new)
        elif key == "exception":
            # Class names change between versions; the last part says what it is.
            found += _difference(where, old.rsplit("\\", 1)[-1], new.rsplit("\\", 1)[-1])
        else:
            found += _compare(old, new, where, ids, url)
    return found


def _compare_cut_json(data: dict[str, Any], answered: Any, ids: Ids, url: str) -> list[str]:
    """Compare the length and as many whole items as were kept."""
    items = answered["users"] if isinstance(answered, dict) else answered
    found = _difference("items", data["body_count"], len(items))
    raw, position, decoder = data["body_raw"], data["body_raw"].index("[") + 1, json.JSONDecoder()
    for number, item in enumerate(items):
        try:
            recorded, position = decoder.raw_decode(raw, position)
        except ValueError:
            break
        position += 1
        found += _compare(recorded, item, f"[{number}]", ids, url)
    return found


def _compare_text(data: dict[str, Any], answered: str, url: str) -> list[str]:
    recorded = re.sub(r"http://127\.0\.0\.1:\d+", url, data.get("body_raw") or "")
    if "under maintenance</title>" in recorded:
        # The page's styles are its theme's; that it is this page shows in its title.
        title = re.compile(r"<title>.*</title>")
        return _difference("title", title.findall(recorded), title.findall(answered))
    if CUT in recorded:
        recorded = recorded.split(CUT)[0]
        answered = answered[: len(recorded)]
    if "<EXCEPTION" in recorded:
        recorded, answered = (re.sub(r'class="(?:\w+\\)*', 'class="', text) for text in (recorded, answered))
    return _difference("text", recorded, answered)


def debuginfo_differences(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """Compare the reason that a site with debugging gives."""
    recorded: str = recording.data["debuginfo_if_debugging"]
    if recorded.startswith("JSONDecodeError"):
        # What was sent is no UTF-8, so PHP could not put it into JSON: the answer was empty.
        return _difference("text", "", answer.text)
    answered = answer.json().get("debuginfo", "")
    if CUT in recorded:
        recorded = recorded.split(CUT, maxsplit=1)[0]
        answered = answered[: len(recorded)]
    recorded = re.sub(r"(0 => )(\d+)", lambda m: m[1] + str(ids.here(int(m[2]))), recorded)
    return _difference("debuginfo", recorded, answered)
