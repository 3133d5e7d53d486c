"""Small frames for matching tests: a person and an account with everything in order unless said otherwise."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pandas as pd

from moodle_coupling.contract.fields import TEXT_FIELDS
from moodle_coupling.mapping import Mapping
from moodle_coupling.matching.evidence import readable
from moodle_coupling.matching.frames import REASON_COLUMNS, Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.words.sentence import ENGLISH

TAKEN = dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.UTC)
KNOWN = ("links", "decided", "protections", "gone_since", "as_written", "now")
"""What plan_of passes on as Remembered."""


def person(number: int = 1, **values: Any) -> dict[str, Any]:
    """A person in scope: P<number> with extern id E<number>, which is the idnumber too."""
    person = {
        "row": number,
        "person_id": f"P{number}",
        "extern_id": f"E{number}",
        "idnumber": f"E{number}",
        "other_id": f"P{number}",
        "username": f"anna-bos{number}x",
        "firstname": "Anna",
        "lastname": f"Bos{number}",
        "email": f"anna{number}@example.org",
        "inactive": False,
        "in_scope": True,
    }
    return person | values


def account(id_: int = 11, **values: Any) -> dict[str, Any]:
    """An account that nobody points at."""
    account: dict[str, Any] = dict.fromkeys(TEXT_FIELDS, "")
    account |= {
        "id": id_,
        "username": f"user{id_}",
        "email": f"user{id_}@example.org",
        "firstname": "Piet",
        "lastname": "Smit",
        "auth": "manual",
        "suspended": False,
    }
    return account | values


def account_of(someone: dict[str, Any], id_: int = 11, **values: Any) -> dict[str, Any]:
    """The account that this person has when all is well."""
    same = {name: someone[name] for name in ("username", "email", "idnumber", "firstname", "lastname")}
    return account(id_, **(same | values))


def persons_frame(persons: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(persons or [person()]).astype({"row": "int64", "inactive": "bool", "in_scope": "bool"})
    texts = [name for name in frame.columns if name not in ("row", "inactive", "in_scope")]
    frame[texts] = frame[texts].fillna("").astype("str")
    return frame if persons else frame.iloc[:0]


def accounts_of(accounts: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(accounts or [account()]).astype({"id": "int64", "suspended": "bool"})
    texts = [name for name in frame.columns if name not in ("id", "suspended")]
    frame[texts] = frame[texts].fillna("").astype("str")
    return frame if accounts else frame.iloc[:0]


def reasons_frame(*reasons: tuple[int, str, str, str]) -> pd.DataFrame:
    """Reasons given as (row, code, field, blocks)."""
    rows = [(row, code, field, "x", f"{field}: {code}", blocks) for row, code, field, blocks in reasons]
    return pd.DataFrame(rows, columns=list(REASON_COLUMNS)).astype({"row": "int64"})


def links_frame(*links: tuple[int, str, bool]) -> pd.DataFrame:
    return pd.DataFrame(list(links), columns=["account_id", "idnumber", "suspended_by_us"])


def named_links(*links: tuple[int, str, str]) -> pd.DataFrame:
    """Links as (account id, idnumber, username)."""
    frame = pd.DataFrame(list(links), columns=["account_id", "idnumber", "username"])
    return frame.assign(suspended_by_us=False)


def decided_frame(*decisions: dict[str, Any]) -> pd.DataFrame:
    """Decisions as Remembered takes them: by anna on 20 November 2026 unless said otherwise, numbered from 1."""
    plain = {"row": None, "orphan": None, "account_id": None, "by": "anna", "at": TAKEN, "note": "secret"} | {
        "account_print": ""
    }
    rows = [{**plain, "decision": number, **one} for number, one in enumerate(decisions, 1)]
    columns = ["row", "orphan", "decision", "kind", "account_id", "by", "at", "note", "account_print"]
    numbers = {"row": "Int64", "orphan": "Int64", "decision": "Int64", "account_id": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype({**numbers, "at": "datetime64[us, UTC]"})


def mapping(**values: Any) -> Mapping:
    base = {
        "environment": "demo",
        "connection": "moodle_demo",
        "source": {"path": "people.csv"},
        "idnumber": "extern_id",
    }
    return Mapping.model_validate(base | values)


def plan_of(
    persons: list[dict[str, Any]],
    accounts: list[dict[str, Any]],
    settings: Mapping | None = None,
    *,
    reasons: pd.DataFrame | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """The plan's rows, with the JSON columns read, and what they say in English."""
    given = reasons_frame() if reasons is None else reasons
    known = {name: options.pop(name) for name in KNOWN if name in options}
    if known:
        options["remembered"] = Remembered(**known)
    made = make_plan(persons_frame(persons), given, accounts_of(accounts), settings or mapping(), **options)
    plan = readable(made, ENGLISH)
    rows = plan.astype("object").where(plan.notna(), None).to_dict("records")
    for row in rows:
        for name in ("changes", "reasons", "other_accounts", "drift"):
            row[name] = json.loads(row[name])
    return rows


def codes(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(reason["code"], reason["field"]) for reason in row["reasons"]]
