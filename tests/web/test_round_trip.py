"""Mismatches of every kind decided in a spreadsheet that comes back, and what a run then makes of them in the sandbox.

``ROUND_TRIP=2250`` decides two thousand (benchmarks/README.md has its output); otherwise a few of each kind.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from orchestration.conftest import coupling, empty_ledger  # noqa: F401  # fixtures
from orchestration.coupling import Coupling, connect
from web.conftest import Visitor
from web.test_decision_sheet import exported, filled, recorded, upload
from web.test_mismatches import shown

from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

MISMATCHES: Final = int(os.environ.get("ROUND_TRIP", "45"))
MAPPING: Final = """\
environment: {name}
connection: moodle_{name}
source: {{type: file, path: persons.csv}}
idnumber: extern_id
username: {{recipe: first_infix_last}}
safeguards: {{first_load: false, source_shrunk: off, rekeys: off, suspensions: off, updates: off, creates: off}}
leavers: {{policy: report}}
"""
KINDS: Final = ("link", "separate", "ignore", "rekey", "case", "reactivate", "orphan", "hands off", "blank")
"""What is the matter with every ninth, and what becomes of it."""
DECISIONS: Final = {
    "link": "Link",
    "separate": "Create separate",
    "ignore": "Ignore",
    "rekey": "Re-key",
    "case": "Re-key",
    "reactivate": "Reactivate",
    "orphan": "Suspend",
    "hands off": "Do not touch",
}


def name_of(number: int) -> str:
    """Give a last name of letters only, another one for each number."""
    letters = ""
    while True:
        number, letter = divmod(number, 26)
        letters = chr(97 + letter) + letters
        if not number:
            return f"Bos{letters}"


def kind_of(number: int) -> str:
    return KINDS[number % len(KINDS)]


def person(number: int) -> tuple[str, ...] | None:
    if kind_of(number) == "orphan":
        return None
    last = name_of(number)
    return (str(number), f"CV-{number}", "Anna", "", last, f"anna.{last.lower()}@example.org", "Ede")


def account(number: int) -> dict[str, Any]:
    """Give the account that stands in the way; where the person is somebody else, only the username is the same."""
    last, kind = name_of(number), kind_of(number)
    known = {
        "username": f"anna-{last.lower()}",
        "firstname": "Anna",
        "lastname": last,
        "email": f"anna.{last.lower()}@example.org",
        "idnumber": "",
        "auth": "manual",
    }
    if kind == "separate":
        known["email"] = f"other.{last.lower()}@example.org"
    elif kind in {"rekey", "hands off"}:
        known["idnumber"] = f"OLD-{number}"
    elif kind == "case":
        known["idnumber"] = f"cv-{number}"
    elif kind == "reactivate":
        known |= {"idnumber": f"CV-{number}", "suspended": True}
    elif kind == "orphan":
        known["idnumber"] = f"GONE-{number}"
    return known


@pytest.fixture
def trip(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    """A Moodle with an account in the way of everybody, and a coupling that has not seen it yet."""
    coupling.mapping = MAPPING
    with running_moodle(accounts=[account(number) for number in range(MISMATCHES)]) as moodle:
        connect(monkeypatch, coupling.name, moodle.url, moodle.token)
        coupling.persons([row for number in range(MISMATCHES) if (row := person(number)) is not None])
        yield moodle


def standing() -> dict[str, dict[str, Any]]:
    """Give the mismatches of the ledger by the number in the account's name."""
    rows = mismatch_page(the_ledger(), MismatchFilter(), sort="id", descending=False, limit=None).rows
    return {str(row["id"]): row for row in rows.to_dict("records")}


def number_of(row: dict[str, Any]) -> int:
    return int(re.sub(r"\D", "", row["idnumber"] or row["extern_id"]))


def test_each_is_right_in_moodle_afterwards(trip: Any, coupling: Coupling, site: Any) -> None:  # noqa: F811
    marks = [("found", time.perf_counter())]

    def mark(name: str) -> None:
        marks.append((name, time.perf_counter()))

    before = {one["username"]: one for one in trip.accounts()}
    assert coupling.reconcile().state == "success"
    found = standing()
    assert len(found) == MISMATCHES
    mark("compared")

    visitor = Visitor(site, "user")
    book = exported(visitor)
    mark("exported")
    decisions = {}
    for number, row in found.items():
        kind = kind_of(number_of(row))
        if kind in DECISIONS:
            decisions[int(number)] = (DECISIONS[kind], None, f"seen by anna: {kind}")
    data = filled(book, decisions)
    mark("filled in")
    page = upload(visitor, data)
    assert f"{len(decisions)} decisions in mismatches.xlsx" in shown(page).replace(",", "")
    mark("shown what it comes to")
    done = recorded(visitor, page)
    assert f"{len(decisions)} mismatches decided" in shown(done).replace(",", "")
    mark("recorded")

    assert coupling.reconcile().state == "success"
    mark("carried out")
    assert coupling.run().state == "success"  # idle: what was created is known by now
    after = {one["username"]: one for one in trip.accounts()}
    for number in range(MISMATCHES):
        check(number, before, after)
    extra = {username for username in after if username not in before}
    assert len(extra) == sum(kind_of(number) == "separate" for number in range(MISMATCHES))
    statuses = Counter((kind_of(number_of(row)), row["status"]) for row in standing().values())
    each = Counter(map(kind_of, range(MISMATCHES)))
    left = {"ignore": "decided", "hands off": "gone", "blank": "open"}
    for kind, number in each.items():
        assert statuses[kind, left.get(kind, "applied")] == number, (kind, statuses)
    mark("looked at, each")
    print(f"\n{MISMATCHES:,} mismatches, {len(decisions):,} decided by round trip")
    for (_, start), (name, end) in itertools.pairwise(marks):
        print(f"  {name:<24} {end - start:7.1f} s")


def check(number: int, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """Check that an account is as its decision says, and nothing else of it changed."""
    kind, username = kind_of(number), account(number)["username"]
    was, now = before[username], after[username]
    wanted = dict(was)
    if kind in {"link", "rekey", "case"}:
        wanted["idnumber"] = f"CV-{number}"
    elif kind == "reactivate":
        wanted["suspended"] = False
    elif kind == "orphan":
        wanted["suspended"] = True
    moving = {"timemodified"}
    assert {k: v for k, v in now.items() if k not in moving} == {k: v for k, v in wanted.items() if k not in moving}, (
        kind,
        number,
    )
    if kind == "separate":
        mine = [one for one in after.values() if one["idnumber"] == f"CV-{number}"]
        assert [(one["lastname"], one["email"]) for one in mine] == [
            (was["lastname"], f"anna.{name_of(number).lower()}@example.org")
        ]
