"""Accounts, candidates, links, keepers and hooks that the tests of the snapshot share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pandas as pd
from provisioning.plans import hook_for

from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.matching.frames import CANDIDATE_COLUMNS
from moodle_coupling.provisioning.snapshot.accounts import Snapshot, read_accounts
from moodle_coupling.sandbox.moodle import FUNCTIONS, REPORT_FUNCTIONS, CustomReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.sandbox.moodle import SandboxMoodle

READ, SEARCH = "core_user_get_users_by_field", "core_user_get_users"
RETRIEVE = REPORT_FUNCTIONS[1]
WITH_REPORTS = (*FUNCTIONS, *REPORT_FUNCTIONS)
STRATEGIES = ("fields", "listing", "report")
_SPECIAL = {"guest", "admin", "svc-coupling"}


def candidates(*people: dict[str, object]) -> pd.DataFrame:
    """Give the candidates frame of people; what is not said is empty."""
    defaults = dict.fromkeys(CANDIDATE_COLUMNS, "") | {"inactive": False, "in_scope": True}
    rows = [defaults | {"row": number} | person for number, person in enumerate(people, 1)]
    return pd.DataFrame(rows, columns=list(CANDIDATE_COLUMNS))


def account(username: str, **fields: object) -> dict[str, object]:
    """Give an account to put into the sandbox."""
    return {"username": username, "firstname": "V", "lastname": "A", "email": f"{username}@example.org"} | fields


def links(*pairs: tuple[int, str], **more: list[Any]) -> pd.DataFrame:
    """Give the ledger's links of account ids and idnumbers."""
    frame = pd.DataFrame(pairs, columns=["account_id", "idnumber"]).astype({"account_id": "int64", "idnumber": "str"})
    return frame.assign(suspended_by_us=False, **more)


def offer_report(moodle: SandboxMoodle, *columns: str, **settings: Any) -> None:
    """Put a custom report into the site and its functions into the service."""
    shown = columns or ("username", "idnumber", "email")
    moodle.settings.change({"reports": [CustomReport(7, "Moodle coupling", shown, **settings)]})
    moodle.restrict_token(functions=WITH_REPORTS)


def special(strategy: str) -> set[str]:
    """Give the accounts of every site that are seen: guest is in no report."""
    return _SPECIAL - ({"guest"} if strategy == "report" else set())


def read(moodle: SandboxMoodle, *people: dict[str, object], strategy: str = "auto", **arguments: Any) -> Snapshot:
    """Read everyone over HTTP."""
    connection = {name: arguments.pop(name) for name in ("parallel_requests", "max_input_vars") if name in arguments}
    settings = SnapshotSettings(strategy=strategy, report=arguments.pop("report", "Moodle coupling"))
    with hook_for(moodle, **connection) as hook:
        for method, replaced in arguments.pop("replaced", {}).items():
            setattr(hook, method, replaced(getattr(hook, method)))
        return read_accounts(hook, candidates(*people), full=True, settings=settings, **arguments)


def names(snapshot: Snapshot) -> set[str]:
    """Give the usernames read."""
    return set(snapshot.accounts["username"])


class MemoryKeys:
    """Keeps odd keys of accounts in memory; ``highest`` is None until everyone was read."""

    def __init__(self) -> None:
        self.kept: set[tuple[int, str]] = set()
        self.known: int | None = None

    def highest(self) -> int | None:
        return self.known

    def accounts_with(self, keys: Iterable[str]) -> list[int]:
        asked = set(keys)
        return sorted({id_ for id_, key in self.kept if key in asked})

    def keep_everyone(self, keys: pd.DataFrame, highest: int) -> None:
        self.kept, self.known = set(), highest
        self.keep_more(keys, highest)

    def keep_more(self, keys: pd.DataFrame, highest: int) -> None:
        self.kept |= set(zip(keys["account_id"].tolist(), keys["key"].tolist(), strict=True))
        self.known = max(self.known or 0, highest)


class MemoryKeeper:
    """Keeps frames as Parquet, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def has(self, name: str) -> bool:
        return name in self.kept

    def put(self, name: str, frame: pd.DataFrame) -> None:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), name
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        self.kept[name] = buffer.getvalue()

    def get(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(self.kept[name]))
