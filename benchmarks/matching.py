"""Persons and accounts matched and planned per second, beside a plain loop over dictionaries.

Run: python benchmarks/matching.py [persons]. The loop knows less: the idnumber, the e-mail and the username, and no
evidence, duplicates, near idnumbers, name comparison or orphans; it is what one would write first.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins"))

from moodle_coupling.mapping import Mapping
from moodle_coupling.matching.frames import REASON_COLUMNS
from moodle_coupling.matching.plan import make_plan

FIELDS = ("firstname", "lastname", "email", "city", "profile_field_klas")


def people(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make persons and as many accounts: 70 % the same, 15 % changed, 10 % new and leavers, 5 % questions."""
    numbers = pd.Series(range(count))
    text = numbers.astype("str")
    candidates = pd.DataFrame(
        {
            "row": numbers + 2,
            "person_id": "P" + text,
            "extern_id": "E" + text,
            "idnumber": "E" + text,
            "other_id": "P" + text,
            "username": "voornaam-achternaam" + (numbers // 3).astype("str") + "x",
            "firstname": "Voornaam",
            "lastname": "van der Achternaam" + text,
            "email": "person" + text + "@example.org",
            "inactive": False,
            "in_scope": True,
            "city": "Utrecht",
            "profile_field_klas": "4B",
        }
    )
    share = numbers % 100
    accounts = candidates[
        ["username", "firstname", "lastname", "email", "idnumber", "city", "profile_field_klas"]
    ].copy()
    accounts.insert(0, "id", numbers + 10)
    accounts["suspended"] = False
    accounts["auth"] = "manual"
    accounts["username"] = "user" + text
    accounts.loc[share.between(70, 84), "city"] = "Amersfoort"
    gone = share.between(85, 94)
    accounts.loc[gone, "idnumber"] = "L" + text[gone]
    accounts.loc[gone, "email"] = "left" + text[gone] + "@example.org"
    accounts.loc[share >= 95, "idnumber"] = ""
    return candidates, accounts


def loop(candidates: pd.DataFrame, accounts: pd.DataFrame) -> dict[str, int]:
    """Do it with dictionaries, one person after another."""
    rows = accounts.to_dict("records")
    by_idnumber = {row["idnumber"]: row for row in rows if row["idnumber"]}
    by_email = {row["email"].lower(): row for row in rows if row["email"]}
    names = {row["username"].lower() for row in rows}
    counts: dict[str, int] = {}
    for person in candidates.to_dict("records"):
        there = by_idnumber.get(person["idnumber"])
        if there is not None:
            changes = {name: [there[name], person[name]] for name in FIELDS if there[name] != person[name]}
            action = "update" if changes else "none"
        elif person["email"].lower() in by_email:
            action = "none"
        else:
            name, number = person["username"], 2
            while name in names:
                name, number = f"{person['username']}{number}", number + 1
            names.add(name)
            action = "create"
        counts[action] = counts.get(action, 0) + 1
    return counts


def main() -> None:
    """Measure both on the same people and print seconds and persons per second."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    candidates, accounts = people(count)
    reasons = pd.DataFrame(columns=list(REASON_COLUMNS))
    mapping = Mapping.model_validate(
        {
            "environment": "bench",
            "connection": "moodle_bench",
            "source": {"path": "people.csv"},
            "idnumber": "extern_id",
            "fields": {"city": {"column": "city"}},
            "profile_fields": {"klas": {"column": "free1"}},
        }
    )
    for name, work in (
        ("make_plan, full", lambda: make_plan(candidates, reasons, accounts, mapping, full=True)),
        ("make_plan, changed", lambda: make_plan(candidates, reasons, accounts, mapping)),
        ("loop over dictionaries", lambda: loop(candidates, accounts)),
    ):
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        counts = result["action"].value_counts().to_dict() if isinstance(result, pd.DataFrame) else result
        print(f"{name:24} {seconds:6.2f} s  {count / seconds:9,.0f} persons/s  {counts}")


if __name__ == "__main__":
    main()
