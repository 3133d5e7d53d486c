"""Digests and keys: what is the same has the same name, and nothing else has."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.cells import facts_digest, plan_digest


def plan() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": pd.Series([2, 3], dtype="Int64"),
            "person_id": ["p2", "p3"],
            "idnumber": ["x2", "x3"],
            "account_id": pd.Series([None, 7], dtype="Int64"),
            "action": ["create", "suspend"],
            "changes": ['{"lastname": [null, "Öztürk"]}', "{}"],
            "evidence": ["", "said so"],
        }
    )


def test_a_plan_keeps_its_name_through_parquet_and_another_wording(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.parquet"
    plan().to_parquet(path)
    assert plan_digest(pd.read_parquet(path).assign(evidence="in other words")) == plan_digest(plan())


@pytest.mark.parametrize(
    ("column", "value"),
    [("action", "update"), ("idnumber", "x9"), ("changes", "{}"), ("person_id", "p9"), ("account_id", 8), ("row", 9)],
)
def test_a_plan_that_would_write_anything_else_has_another_name(column: str, value: object) -> None:
    other = plan()
    other.loc[0, column] = value
    assert plan_digest(other) != plan_digest(plan())
    assert plan_digest(plan().iloc[::-1]) != plan_digest(plan())


def test_facts_are_named_by_what_they_say() -> None:
    assert facts_digest('{"b": [1, 2], "a": "é"}') == facts_digest({"a": "é", "b": [1, 2]})
    assert facts_digest({"b": [2, 1]}) != facts_digest({"b": [1, 2]})


def test_a_row_without_any_number_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a row number nor an account id"):
        cells.row_keys(pd.DataFrame({"row": pd.Series([pd.NA], dtype="Int64")}))


def test_columns_that_are_absent_or_empty_get_their_default() -> None:
    frame = pd.DataFrame(
        {"text": ["a", None], "number": [1.0, float("nan")], "when": [None, "2026-03-01T02:00:00+02:00"]}
    )
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert cells.texts(frame, "text") == ["a", ""]
    assert cells.integers(frame, "number") == [1, None]
    assert cells.moments(frame, "when", default=now) == [now, dt.datetime(2026, 3, 1, tzinfo=dt.UTC)]
    assert cells.texts(frame, "absent", default="[]") == ["[]", "[]"]
    assert cells.integers(frame, "absent") == [None, None]
    assert cells.booleans(frame, "absent") == [False, False]
    assert cells.moments(frame, "absent", default=now) == [now, now]
