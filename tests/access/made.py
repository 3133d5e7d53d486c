"""Mappings and frames of access for tests."""

from __future__ import annotations

from typing import Any

import pandas as pd

from moodle_coupling.contract.columns import TargetKind
from moodle_coupling.contract.frames import (
    ACCESS_GIVEN,
    ACCESS_LIST,
    ACCESS_MEMBERS,
    ACCESS_TARGETS,
    ACCESS_WANTED,
    CANDIDATES,
    PLAN,
)
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.mapping import Mapping
from moodle_coupling.matching.frames import Action
from moodle_coupling.people.table import made
from moodle_coupling.people.transform import transform

BASE = {"environment": "demo", "connection": "moodle_demo", "source": {"path": "a.csv"}, "idnumber": "extern_id"}
COHORT, COURSE = TargetKind.COHORT.value, TargetKind.COURSE.value
NOW = 1_800_000_000
"""15 January 2027, 8:00 UTC."""


def mapping(**access: Any) -> Mapping:
    return Mapping.model_validate(BASE | {"access": {"rules": [{"cohort": "all"}]} | access})


def persons(*rows: dict[str, Any]) -> pd.DataFrame:
    """Persons with ids 1, 2, …, in scope, and what is said of each."""
    return pd.DataFrame(
        [
            {"row": at, "person_id": f"p{at}", "extern_id": f"x{at}", "inactive": False} | row
            for at, row in enumerate(rows, 2)
        ]
    )


def candidates(people: pd.DataFrame, of: Mapping) -> pd.DataFrame:
    found = transform(people, of).candidates
    assert CANDIDATES.misfit(found) is None
    return found


def listed(*rows: dict[str, Any]) -> pd.DataFrame:
    unsaid = dict.fromkeys(ACCESS_LIST.names, "")
    return made(ACCESS_LIST, [unsaid | {"line": at} | row for at, row in enumerate(rows, 2)])


def wanted(*rows: dict[str, Any]) -> pd.DataFrame:
    unsaid: dict[str, Any] = {
        "kind": COHORT,
        "target": "a",
        "role": "",
        "timestart": 0,
        "timeend": 0,
        "suspended": False,
    }
    unsaid |= {"code": "", "value": ""}
    return made(ACCESS_WANTED, [unsaid | _who(row["row"]) | row for row in rows])


def _who(row: int) -> dict[str, Any]:
    return {"row": row, "person_id": f"p{row}", "extern_id": f"x{row}", "idnumber": f"x{row}"}


def accounts(*rows: dict[str, Any]) -> pd.DataFrame:
    """A plan of accounts: each person linked to account 100 + row, unless it says otherwise."""
    unsaid: dict[str, Any] = dict.fromkeys(PLAN.texts, "")
    unsaid |= {"verdict": Verdict.LINKED.value, "action": Action.NONE.value, "decision": pd.NA}
    return made(PLAN, [unsaid | _who(row["row"]) | {"account_id": 100 + row["row"]} | row for row in rows])


def targets(*rows: dict[str, Any]) -> pd.DataFrame:
    unsaid: dict[str, Any] = {"kind": COHORT, "target": "a", "target_id": 7, "code": "", "create": False, "alike": ""}
    return made(ACCESS_TARGETS, [unsaid | row for row in rows])


def members(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return made(
        ACCESS_MEMBERS, [{"kind": kind, "target": target, "account_id": account} for kind, target, account in rows]
    )


def given(*rows: dict[str, Any]) -> pd.DataFrame:
    unsaid: dict[str, Any] = {"kind": COHORT, "target": "a", "target_id": 7, "role": "", "timestart": 0, "timeend": 0}
    unsaid |= {"suspended": False, "ours": True, "idnumber": "", "person_id": ""}
    return made(ACCESS_GIVEN, [unsaid | row for row in rows])
