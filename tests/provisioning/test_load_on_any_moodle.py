"""Loading on any Moodle: everyone Moodle takes is in, every culprit stands alone, and a second load sends nothing."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from moodle_coupling.hooks.moodle.connection import from_connection
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.matching.frames import PLAN_COLUMNS
from moodle_coupling.provisioning.load.loader import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.any_site import MoodleSite

pytestmark = pytest.mark.any_moodle


@pytest.fixture
def hook(moodle_site: MoodleSite) -> Iterator[MoodleHook]:
    connection = SimpleNamespace(
        conn_id="any", host=moodle_site.url, schema="", port=None, login="", password=moodle_site.token,
        extra_dejson={"allow_http": True, "batch_size": 8},
    )  # fmt: skip
    with MoodleHook.from_settings(from_connection(connection)) as open_hook:
        yield open_hook


def plan_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    defaults: dict[str, Any] = dict.fromkeys(PLAN_COLUMNS, "") | {
        "account_id": None, "changes": "{}", "reasons": "[]", "other_accounts": "[]",
    }  # fmt: skip
    frame = pd.DataFrame([defaults | {"row": number} | row for number, row in enumerate(rows, 1)])
    return frame.astype({"row": "Int64", "account_id": "Int64"})


def create_row(person: dict[str, str]) -> dict[str, Any]:
    changes = {name: [None, value] for name, value in person.items()}
    return {
        "person_id": person["idnumber"], "idnumber": person["idnumber"], "verdict": "new", "action": "create",
        "username": person["username"], "email": person["email"], "changes": json.dumps(changes),
    }  # fmt: skip


def remembered(site: MoodleSite, outcomes: pd.DataFrame) -> None:
    ids = outcomes.loc[outcomes["status"] == "done", "account_id"]
    site.created += [int(id_) for id_ in ids if int(id_) not in site.created]


def test_culprits_stand_alone_everyone_else_is_in_and_nothing_is_done_twice(
    moodle_site: MoodleSite, hook: MoodleHook
) -> None:
    (taken,) = [moodle_site.person()]
    moodle_site.created_ids(taken)
    people = [moodle_site.person() for _ in range(20)]
    people[3]["email"] = "no address"
    people[9]["username"] = taken["username"]
    people[17]["lang"] = "zz_nowhere"
    plan = plan_of([create_row(person) for person in people])

    first = load(plan, hook)
    remembered(moodle_site, first.outcomes)
    assert first.stopped is None
    refused = first.outcomes[first.outcomes["status"] == "rejected"]
    assert list(refused["row"]) == [4, 10, 18]
    assert (first.outcomes["status"] == "done").sum() == 17
    assert refused.set_index("row").loc[10, "code"] == "username_taken"

    there = moodle_site.by_field("idnumber", *(person["idnumber"] for person in people))
    assert len(there) == 17
    again = load(plan, hook)
    assert (again.outcomes["status"] == "done").sum() == 17
    assert set(again.outcomes.loc[again.outcomes["status"] == "done", "code"]) == {"already_there"}
    assert len(moodle_site.by_field("idnumber", *(person["idnumber"] for person in people))) == 17


def test_changes_are_written_and_a_vanished_account_is_named(moodle_site: MoodleSite, hook: MoodleHook) -> None:
    ids = moodle_site.created_ids(*(moodle_site.person() for _ in range(3)))
    rows = [
        {
            "account_id": id_,
            "verdict": "linked",
            "action": "update",
            "changes": json.dumps({"lastname": ["x", "Nieuw"]}),
        }
        for id_ in [*ids, 2_000_000_000]
    ]
    result = load(plan_of(rows), hook)

    assert list(result.outcomes["status"]) == ["done", "done", "done", "rejected"]
    assert result.outcomes.iloc[3]["code"] == "account_gone"
    assert {moodle_site.account(id_)["lastname"] for id_ in ids} == {"Nieuw"}
