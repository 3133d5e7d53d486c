"""Compares what stood in Moodle's database after a recorded call with what the sandbox keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.comparing import Ids
    from contract.recording import Recording

    from moodle_coupling.sandbox.moodle import SandboxMoodle

# Columns by other names, and expressions over columns, in the lab's queries.
_EXPRESSIONS: dict[str, Any] = {
    "idn": lambda a: f"|{a['idnumber']}|",
    "f": lambda a: f"|{a['firstname']}|",
    "h": lambda a: a["firstname"].encode().hex().upper(),
    "pw": lambda a: a["password"][:12],
    "password": lambda a: "a hash" if a["password"].startswith("$6$") else a["password"],
    "haspw": lambda a: str(int(a["password"] != "")),
    "m": lambda a: str(int(a["timemodified"] >= a["timecreated"])),
}
_LENGTH_OF = {
    "create_username_100": "username",
    "create_firstname_100": "firstname",
    "create_email_100": "email",
    "create_idnumber_255": "idnumber",
    "update_idnumber_256": "idnumber",
}
_DELETED_NAME = re.compile(r"\.\d{10}$")
_FIRST_OF_MANY = 20000


def effect_differences(recording: Recording, site: SandboxMoodle, ids: Ids) -> list[str]:
    """Give each difference as a sentence."""
    rows = recording.data.get("database_after")
    if rows is None:
        return []
    if not rows:
        return _nobody(recording, site)
    return [d for row in rows for d in _row_differences(recording, row, site, ids)]


def _nobody(recording: Recording, site: SandboxMoodle) -> list[str]:
    """Expect that none of the people sent is there (an account that had the name before was looked for elsewhere)."""
    sent = {user["username"] for user in recording.data["params"].get("users", [])}
    names = {account["username"] for account in site.accounts()}
    return [f"effect: {name} is there" for name in sorted(sent & names)]


def _row_differences(recording: Recording, row: dict[str, str], site: SandboxMoodle, ids: Ids) -> list[str]:
    if "not_deleted_without_guest" in row:
        total = recording.body["data"]["totalrowcount"]  # on the lab's site; `replay` counts here
        return [] if str(total) == row["not_deleted_without_guest"] else [f"effect: {total} in {row}"]
    if "n" in row:
        return _compare(row, _counts(recording, site))
    if "timecreated" in row:
        account = _account(recording, row, site, ids)
        return [] if account["timemodified"] > account["timecreated"] else ["effect: timemodified did not move"]
    account = _account(recording, row, site, ids)
    if "data" in row:
        shortname = row.get("shortname") or recording.data["site_before"]["profile_field"]["shortname"]
        return _compare({"data": row["data"]}, {"data": account["profile_fields"].get(shortname)})
    return _compare(row, {name: _value(recording, name, row, account, site, ids) for name in row})


def _value(recording: Recording, name: str, row: dict[str, str], account: Any, site: SandboxMoodle, ids: Ids) -> Any:
    if name == "l":
        column = _LENGTH_OF.get(recording.name)
        return str(len(account[column] if column else account["profile_fields"]["customfield1"]))
    if name in ("name", "value") or name.startswith("pref_"):
        return _preference(name, row, site.table.preferences(account["id"]))
    if name == "id":
        return row["id"] if str(account["id"]) == ids.here(row["id"]) else f"not {ids.here(row['id'])}"
    if name in _EXPRESSIONS:
        return _EXPRESSIONS[name](account)
    return str(account[name])


def _preference(name: str, row: dict[str, str], kept: dict[str, str]) -> str | None:
    if name == "name":
        return row["name"]
    return kept.get(row["name"]) if name == "value" else kept.get(name.removeprefix("pref_"), "0")


def _account(recording: Recording, row: dict[str, str], site: SandboxMoodle, ids: Ids) -> dict[str, Any]:
    accounts = site.accounts(deleted=True)
    if "id" in row:
        wanted = int(ids.here(row["id"]))
        return next(a for a in accounts if a["id"] == wanted)
    if "username" in row:
        return next(a for a in accounts if a["username"] == row["username"])
    sent = recording.data["params"]["users"][0]
    if "username" in sent:
        return next(a for a in accounts if a["username"] == sent["username"])
    return next(a for a in accounts if a["id"] == ids.here(sent["id"]))


def _counts(recording: Recording, site: SandboxMoodle) -> dict[str, str]:
    accounts = site.accounts()
    if "customfield" in recording.name:
        (sent,) = recording.data["params"]["users"][0]["customfields"]
        return {"n": str(sum(sent["value"] in a["profile_fields"].values() for a in accounts))}
    many = [a for a in accounts if re.fullmatch(r"user2\d{4}", a["username"])]
    last = max((a["username"] for a in many), default="")
    return {
        "n": str(len(many)),
        "noidnumber": str(sum(not a["idnumber"] for a in many)),
        "no_idnumber": str(sum(not a["idnumber"] for a in many)),
        "manual": str(sum(a["auth"] == "manual" for a in many)),
        "last_user": last,
    }


def _compare(recorded: dict[str, Any], kept: dict[str, Any]) -> list[str]:
    found = []
    for name, value in recorded.items():
        old, new = (_DELETED_NAME.sub(".TIME", str(v)) for v in (value, kept[name]))
        if old != new:
            found.append(f"effect on {name}: Moodle {value!r}, sandbox {kept[name]!r}")
    return found
