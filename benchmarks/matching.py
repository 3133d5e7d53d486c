"""From raw persons to a plan: a million persons against a million accounts, beside a loop over dictionaries.

Run it from the project: ``python benchmarks/matching.py [--sizes 1000 10000 100000 1000000]``. Each size is measured in a process of
its own, which reads its frames from Parquet as the steps of a run do; time is CPU seconds of that process, memory its peak. The
loop knows less: no reasons, evidence, doubles, near idnumbers, names or orphans. What both say of creates and updates is compared.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import transform as people

from moodle_coupling.contract.fields import TEXT_FIELDS
from moodle_coupling.mapping import Mapping
from moodle_coupling.matching.frames import Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.people.arrow import compact_memory
from moodle_coupling.people.transform import transform
from moodle_coupling.people.usernames import assign_usernames

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
MOST_BY_LOOP: Final = 100_000
FIELDS: Final = ("firstname", "lastname", "email", "city", "country", "profile_field_klas")
MAPPING: Final = Mapping.model_validate(
    {
        "environment": "bench",
        "connection": "moodle_bench",
        "source": {"path": "persons.csv"},
        "idnumber": "extern_id",
        "username": {"recipe": "first_infix_last", "transliterate": people.TRANSLITERATE},
        "fields": {"city": {"column": "city"}, "country": {"column": "country", "default": "NL"}},
        "profile_fields": {"klas": {"column": "free1"}},
        "leavers": {"policy": "suspend", "grace_days": 0},
    }
)


def make_files(folder: Path, count: int) -> None:
    """Write persons, as many accounts and what the ledger knows of them: 70 % the same, 15 % changed, 10 % new and leavers, 5 % questions."""
    persons = people.make_persons(count, seed=1)
    done = transform(persons, MAPPING).candidates
    share = np.random.default_rng(2).integers(100, size=count)
    accounts = pd.DataFrame({"id": np.arange(count) + 10})
    for name in TEXT_FIELDS:
        accounts[name] = done[name] if name in done else pd.Series("", index=done.index, dtype="str")
    accounts["username"] = assign_usernames(done["username"], done["person_id"], set())
    accounts["suspended"] = False
    accounts["profile_field_klas"] = done["profile_field_klas"]
    accounts.loc[(share >= 70) & (share < 85), "city"] = "Amersfoort"
    text = accounts["id"].astype("str")
    gone = (share >= 85) & (share < 95)
    accounts.loc[gone, "idnumber"] = "L" + text[gone]
    accounts.loc[gone, "email"] = "left" + text[gone] + "@example.org"
    accounts.loc[share >= 95, "idnumber"] = ""
    links = accounts[["id", "idnumber", "username"]].rename(columns={"id": "account_id"})
    links = links.assign(suspended_by_us=False, person_id=done["person_id"].where(~gone, ""))[share < 95]
    for name, frame in (("persons", persons), ("accounts", accounts), ("links", links)):
        frame.to_parquet(folder / f"{name}.parquet")


def make_elsewhere(folder: Path, count: int) -> None:
    """Write the files in a process of its own, whose memory is none of the peak."""
    subprocess.run([sys.executable, "-c", _MAKE, __file__, str(folder), str(count)], check=True)


def measure(folder: Path, how: str) -> dict[str, Any]:
    """Make the plan of a folder's files, and give what each step took."""
    seconds: dict[str, float] = {}
    began = time.process_time()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - began
        began = time.process_time()

    def read(name: str) -> pd.DataFrame:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        lap("parquet")
        return frame

    compact_memory()  # as the tasks of a run do
    counts: dict[str, int]
    if how == "loop":
        persons, accounts = read("persons"), read("accounts")
        counts = by_loop(persons, accounts)
        lap("loop")
        rows = len(persons)
    else:
        persons = read("persons")
        rows = len(persons)
        done = transform(persons, MAPPING)
        lap("transform")
        for name, frame in (("candidates", done.candidates), ("reasons", done.reasons)):
            frame.to_parquet(folder / f"{name}.parquet")
        del persons, done
        candidates, reasons, accounts, links = (read(name) for name in ("candidates", "reasons", "accounts", "links"))
        unchanged = candidates["row"].to_numpy()[: rows * 85 // 100]
        known = Remembered(links=links, as_written=frozenset(unchanged.tolist()))
        lap("remembered")
        plan = make_plan(candidates, reasons, accounts, MAPPING, remembered=known, full=how == "full")
        lap("plan")
        plan.to_parquet(folder / "plan.parquet")
        lap("parquet")
        counts = plan["action"].value_counts().to_dict()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"persons": rows, "seconds": seconds, "peak": peak, "counts": counts}


def by_loop(persons: pd.DataFrame, accounts: pd.DataFrame) -> dict[str, int]:
    """Do it with dictionaries, one person after another, and count what is done."""
    there = accounts.to_dict("records")
    by_idnumber = {row["idnumber"]: row for row in there if row["idnumber"]}
    by_email = {row["email"].lower(): row for row in there if row["email"]}
    names = {row["username"].lower() for row in there}
    counts: dict[str, int] = {}
    for raw in persons.to_dict("records"):
        *values, codes = people.one_person(raw)
        person = dict(zip(people.COMPARED, values, strict=True))
        person["profile_field_klas"] = person.pop("profile_field_customfield1")
        account = by_idnumber.get(person["idnumber"])
        if raw["inactive"]:
            continue
        if not person["idnumber"]:
            action = "reject"
        elif account is not None:
            changes = {name: [account[name], person[name]] for name in FIELDS if account[name] != person[name]}
            action = "update" if changes else "none"
        elif person["email"].lower() in by_email:
            action = "none"
        elif codes:
            action = "reject"
        else:
            name, number = person["username"], 2
            while name in names:
                name, number = f"{person['username']}{number}", number + 1
            names.add(name)
            action = "create"
        counts[action] = counts.get(action, 0) + 1
    return counts


def measured(folder: Path, how: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder), how]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(told)
    return result


def main() -> None:
    """Measure every size, ours and the loop, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "HOW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(Path(options.child[0]), options.child[1])))
        return
    print("| persons | way | transform s | plan s | together s | persons/s | Parquet s | peak MB | growth |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    before: dict[str, tuple[int, float]] = {}
    for count in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_elsewhere(folder, count)
            ways = ("full", "changed", "loop") if count <= MOST_BY_LOOP else ("full", "changed")
            for how in ways:
                print(_line(how, measured(folder, how), before), flush=True)


_MAKE: Final = (
    "import sys, pathlib; sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent)); import matching; "
    "matching.make_files(pathlib.Path(sys.argv[2]), int(sys.argv[3]))"
)


def _line(how: str, told: dict[str, Any], before: dict[str, tuple[int, float]]) -> str:
    count, seconds = told["persons"], told["seconds"]
    parts = [seconds.get("transform"), seconds.get("plan"), seconds.get("loop")]
    whole = sum(part for part in parts if part)
    growth = ""
    if how in before and whole:
        fewer, earlier = before[how]
        growth = f"{math.log(whole / earlier) / math.log(count / fewer):.2f}"
    before[how] = (count, whole)
    first, second = (f"{part:.2f}" if part is not None else "" for part in parts[:2])
    return (
        f"| {count:,} | {how} | {first} | {second} | {whole:.2f} | {count / whole:,.0f} | {seconds['parquet']:.2f} "
        f"| {told['peak']:,.0f} | {growth} |"
    )


if __name__ == "__main__":
    main()
