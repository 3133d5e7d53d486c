"""Mismatches of every kind in a ledger, as matching finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matching.people import account, account_of, accounts_of, mapping, person, persons_frame, reasons_frame

from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import MismatchStatus, RunState
from moodle_coupling.matching.decisions import mismatches_with_facts
from moodle_coupling.matching.plan import make_plan

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

SCRIPT = "<script>alert(1)</script>"
BRACES = "{{7*7}}"
Side = tuple[list[dict[str, Any]], list[dict[str, Any]]]
PEOPLE = (
    ("Jürgen", "van der Meer"),
    ("Ayşe", "Yıldız"),
    ("Łukasz", "Żółć"),
    ("Sanne", "de Wit-Jansen"),
    ("Μαρία", "Παπαδοπούλου"),
    ("Bram", "Bakker"),
)


def named(number: int, first: str, last: str, **values: Any) -> dict[str, Any]:
    letters = f"{first[0]}{number}".lower()
    return person(number, firstname=first, lastname=last, email=f"{letters}.bos@example.org", **values)


def every_kind() -> Side:
    """Persons and accounts: one mismatch of each verdict, and what is well."""
    missing, differs, scheme, case, mail, many, double, held, fine = (
        named(number, first, last)
        for number, (first, last) in enumerate(
            [*PEOPLE[:3], ("Anna", SCRIPT), ("Otto", BRACES), *PEOPLE[3:], ("Frits", "Goed")], start=1
        )
    )
    case |= {"idnumber": "e4x", "extern_id": "e4x"}
    accounts = [
        account_of(missing, 21, idnumber="", firstname="Jurgen", username="jurgen"),
        account_of(differs, 22, idnumber="A-99", lastname="Yildiz"),
        account_of(scheme, 23, idnumber=scheme["other_id"]),
        account_of(case, 24, idnumber="E4X "),
        account_of(mail, 25, email="old@example.org"),
        account(26, email=mail["email"], firstname="Otto", lastname="Ander"),
        account_of(many, 27, idnumber="", username="iemand"),
        account(28, username=many["username"], firstname="Sanne", lastname="de Wit"),
        account_of(double, 29),
        account_of(double, 30, email="zzz@example.org", username="maria2", suspended=True),
        account_of(held, 31, suspended=True),
        account_of(fine, 32),
        account(33, idnumber="GONE-1", username="weg", firstname="Wim", lastname="Weg"),
    ]
    return [missing, differs, scheme, case, mail, many, double, held, fine], accounts


def without_idnumber(number: int, *, start: int = 100) -> Side:
    """Persons whose account has no idnumber, each proposing a link."""
    persons = [named(start + n, *PEOPLE[n % len(PEOPLE)]) for n in range(number)]
    return persons, [account_of(one, 1000 + one["row"], idnumber="") for one in persons]


def compare(
    ledger: Ledger,
    side: Side,
    environment: str = "demo",
    *,
    run: str = "manual__1",
    reasons: pd.DataFrame | None = None,
) -> dict[str, int]:
    """Compare and write down what must be judged, as a full run does; gives the ids by person_id, orphans by account."""
    record = begin_run(ledger, environment, f"moodle_reconcile__{environment}", run, mode="full")
    found = judged(side, reasons)
    record_mismatches(ledger, environment, record.id, found, full=True)
    end_run(ledger, record.id, RunState.DONE, counts={"done_none": 1})
    rows = mismatches_frame(ledger, environment, statuses=tuple(MismatchStatus))
    names = rows["person_id"].where(rows["verdict"] != "orphan", rows["account_id"].astype("str"))
    return dict(zip(names, (int(number) for number in rows["id"]), strict=True))


def judged(side: Side, reasons: pd.DataFrame | None = None) -> pd.DataFrame:
    persons, accounts = persons_frame(side[0]), accounts_of(side[1])
    given = reasons_frame() if reasons is None else reasons
    plan = make_plan(persons, given, accounts, mapping(leavers={"policy": "report"}), full=True)
    return mismatches_with_facts(plan, accounts)
