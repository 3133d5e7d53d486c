"""Frames of outcomes, links and mismatches as the other rooms give them, of invented people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from moodle_coupling.provisioning.load.rows import OUTCOME_COLUMNS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

NAMES = (("Anna", "de Vries"), ("Bram", "Jansen"), ("Chloé", "Öztürk"), ("Dirk", "van der Meer"))


def outcomes(rows: Iterable[int], status: str = "done", *, at: dt.datetime, **fixed: Any) -> pd.DataFrame:
    """Give one outcome a row, in the columns of provisioning/load/rows.py and the names of the plan."""
    numbers = list(rows)
    data: dict[str, Any] = {
        "row": pd.Series(numbers, dtype="Int64"),
        "person_id": [f"p{n}" for n in numbers],
        "extern_id": [f"x{n}" for n in numbers],
        "idnumber": [f"x{n}" for n in numbers],
        "account_id": pd.Series([1000 + n for n in numbers], dtype="Int64"),
        "verdict": "new",
        "action": "create",
        "username": [f"user{n}" for n in numbers],
        "status": status,
        "code": "",
        "message": "",
        "changes": '{"lastname": [null, "de Vries"]}',
        "at": pd.Series([at] * len(numbers), dtype="datetime64[us, UTC]"),
    }
    assert tuple(data) == OUTCOME_COLUMNS
    data |= {
        "firstname": [NAMES[n % 4][0] for n in numbers],
        "lastname": [NAMES[n % 4][1] for n in numbers],
        "email": [f"Person{n}@example.org" for n in numbers],
    }
    return pd.DataFrame(data | fixed, index=range(len(numbers)))


def mismatch(
    person: str, verdict: str = "id_differs", *, facts: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Give one row of a plan that a human must judge."""
    return {
        "row": int(person[1:]),
        "person_id": person,
        "extern_id": f"x{person}",
        "idnumber": f"x{person}",
        "account_id": 77,
        "verdict": verdict,
        "username": f"user-{person}",
        "firstname": "Anna",
        "lastname": "de Vries",
        "email": f"{person}@example.org",
        "evidence": f"E-mail address {person}@example.org belongs to account 77.",
        "other_accounts": "[77]",
        "proposal": "link",
        "facts": json.dumps(facts or {"idnumber": f"x{person}", "accounts": {"77": "other"}}),
    } | more


def found(*rows: dict[str, Any]) -> pd.DataFrame:
    """Give the frame of what a comparison found, which may be nothing."""
    frame = pd.DataFrame(list(rows), columns=list(mismatch("p1")))
    return frame.astype({"row": "Int64", "account_id": "Int64"})
