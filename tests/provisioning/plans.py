"""Plans, hooks and checks that the tests of provisioning share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.matching.frames import PLAN_COLUMNS
from moodle_coupling.provisioning.load.job import Pace
from moodle_coupling.provisioning.load.loader import LoadResult, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.sandbox.moodle import SandboxMoodle

CREATE, UPDATE = "core_user_create_users", "core_user_update_users"
AT_ONCE = Pace(looks=(0.0, 0.0), sleep=lambda seconds: None)


def person(number: int, **changes: Any) -> dict[str, Any]:
    """Give the fields of a new account."""
    return {
        "username": f"user{number:05}",
        "firstname": f"Voornaam{number}",
        "lastname": f"van der Test{number}",
        "email": f"user{number:05}@example.org",
        "idnumber": f"CV-{number:05}",
        "auth": "oidc",
    } | changes


def create(number: int, **changes: Any) -> dict[str, Any]:
    """Give the plan's row that creates a person."""
    fields = person(number, **changes)
    return row(number, "create", verdict="new", new={name: (None, value) for name, value in fields.items()})


def change(number: int, account_id: int, action: str = "update", **new: Any) -> dict[str, Any]:
    """Give the plan's row that changes an account; ``new`` maps a field to its new value, or to (old, new)."""
    fields = {
        name: value if isinstance(value, tuple) else (not value if name == "suspended" else "", value)
        for name, value in new.items()
    }
    return row(number, action, verdict="linked", account_id=account_id, new=fields)


def row(
    number: int,
    action: str,
    *,
    verdict: str = "",
    account_id: int | None = None,
    new: dict[str, tuple[Any, Any]] | None = None,
    reasons: Iterable[dict[str, str]] = (),
    evidence: str = "",
) -> dict[str, Any]:
    """Give any row of a plan."""
    new = new or {}
    known = {name: str(value) for name, (_, value) in new.items()}
    return {
        "row": number,
        "person_id": str(number),
        "extern_id": f"CV-{number:05}",
        "account_id": account_id,
        "verdict": verdict,
        "action": action,
        **{
            name: known.get(name, str(person(number)[name]))
            for name in ("idnumber", "username", "firstname", "lastname", "email")
        },
        "changes": json.dumps({name: list(values) for name, values in new.items()}),
        "reasons": json.dumps(list(reasons)),
        "evidence": evidence,
        "other_accounts": "[]",
        "proposal": "",
        "decision": None,
        "drift": "{}",
    }


def plan_of(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Give rows as the plan's frame, as it comes out of Parquet."""
    frame = pd.DataFrame(list(rows), columns=list(PLAN_COLUMNS))
    numbers = ("row", "account_id", "decision")
    texts = [name for name in PLAN_COLUMNS if name not in numbers]
    return frame.astype({**dict.fromkeys(numbers, "Int64"), **dict.fromkeys(texts, "str")})


def hook_for(moodle: SandboxMoodle, **settings: Any) -> MoodleHook:
    """Give a real hook on the sandbox that does not wait between its attempts."""
    guard = settings.pop("guard", None)
    made = MoodleSettings("demo", moodle.url, moodle.token, **{"read_timeout": 10, **settings})
    return MoodleHook.from_settings(made, sleep=lambda seconds: None, guard=guard)


def load_rows(moodle: SandboxMoodle, rows: Iterable[dict[str, Any]], **settings: Any) -> LoadResult:
    """Load rows into the sandbox over HTTP, and check what holds for every load: one outcome per row, in order."""
    plan = plan_of(rows)
    loading = {name: settings.pop(name) for name in ("journal", "stop", "in_doubt") if name in settings}
    with hook_for(moodle, **settings) as hook:
        result = load(plan, hook, pace=AT_ONCE, **loading)
    assert list(result.outcomes["row"].astype("string")) == list(plan["row"].astype("string"))
    return result


def statuses(result: LoadResult) -> dict[str, int]:
    """Count the outcomes by status."""
    return {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}


def codes(result: LoadResult) -> dict[int, str]:
    """Give the code of every row that is not simply done."""
    frame = result.outcomes[result.outcomes["code"] != ""]
    return {int(number): str(code) for number, code in zip(frame["row"], frame["code"], strict=True)}


def people_in(moodle: SandboxMoodle) -> dict[str, dict[str, Any]]:
    """Give the accounts of persons by idnumber; fails when two share one."""
    rows = [account for account in moodle.accounts() if account["idnumber"]]
    found = {account["idnumber"]: account for account in rows}
    assert len(found) == len(rows), "an idnumber is there twice"
    return found
