"""Plans, names of plans, facts and fingerprints of a broad population, as they have always been.

A fingerprint that shifts makes everyone be looked at anew, a facts digest that shifts lapses every standing decision, and a
plan digest that shifts voids a waiting approval. The files hold evidence and reasons as their English. Where one must shift, say so in the commit, and write the files anew:
``python tests/matching/test_golden.py`` (with ``plugins`` and ``tests`` on PYTHONPATH).
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matching.people import (
    account,
    account_of,
    accounts_of,
    decided_frame,
    links_frame,
    mapping,
    person,
    persons_frame,
    reasons_frame,
)

from moodle_coupling.ledger.cells import facts_digest, plan_digest
from moodle_coupling.matching.decisions import mismatches_with_facts
from moodle_coupling.matching.evidence import readable
from moodle_coupling.matching.frames import Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.people.table import fingerprints
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.mapping import Mapping

GOLDEN = Path(__file__).parent / "golden"
NAMES = (
    ("Anna", "Bos"),
    ("Jürgen", "van der Meer"),
    ("Ayşe", "Yıldız"),
    ("Łukasz", "Żółć"),
    ("Sanne", "de Wit-Jansen"),
    ("Μαρία", "Παπαδοπούλου"),
    ("Fatima", "El Idrissi"),
    ("J.", "Smit"),
    ("明", "王"),
    ("D'Arcy", "O'Neill"),
)
MAPPINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shared_email": {"matching": {"shared_email": True}},
    "links_on_email": {"matching": {"link_on": ["email"]}},
    "by_person_id": {"idnumber": "person_id", "username": {"recipe": "extern_id"}},
    "renames": {"username": {"recipe": "first_infix_last", "rename": True}},
    "fields": {
        "fields": {"city": {"column": "city"}, "auth": {"value": "manual"}},
        "profile_fields": {"klas": {"column": "free1"}},
    },
    "leavers_suspended": {"leavers": {"policy": "suspend"}},
    "leavers_ignored": {"leavers": {"policy": "ignore"}},
    "protecting": {"matching": {"protected_usernames": ["user3"], "protected_idnumbers": ["E5"]}},
}
"""Settings that steer matching and planning, beside the usual ones."""
WHOLE = ("plain",)
"""Mappings of which the files hold whole rows; of the others a row's digest says whether anything shifted."""
SHOWN = ("row", "account_id", "verdict", "action", "username", "changes")


def _someone(number: int, **values: Any) -> dict[str, Any]:
    first, last = NAMES[number % len(NAMES)]
    usual = {"firstname": first, "lastname": last, "city": "Delft", "profile_field_klas": "4B"}
    return person(number, **(usual | values))


def population() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Persons and accounts: several of each verdict, and everything that changes between two readings."""
    everyone = {number: _someone(number) for number in range(1, 61)}
    accounts = [_account_of(everyone[number], 1000 + number) for number in range(1, 21)]
    own = {row["id"]: row for row in accounts}
    own[1002] |= {"firstname": "Jurgen"}
    own[1003] |= {"lastname": "Yildiz", "email": "AYSE@example.org"}
    own[1004] |= {"city": "", "profile_field_klas": ""}
    own[1005] |= {"email": "old5@example.org"}
    own[1006] |= {"suspended": True}
    own[1007] |= {"suspended": True}
    own[1008] |= {"firstname": "Johannes", "username": "johannes-smit"}
    own[1009] |= {"idnumber": ""}
    own[1010] |= {"idnumber": "OLD-10"}
    own[1011] |= {"idnumber": "P11"}
    own[1012] |= {"idnumber": " e12 "}
    own[1013] |= {"email": "old13@example.org"}
    accounts.append(account(2013, email="Anna13@Example.org", idnumber="ANDER-13"))
    own[1014] |= {"idnumber": "", "username": "niemand"}
    accounts.append(account(2014, username=everyone[14]["username"]))
    accounts.append(_account_of(everyone[15], 2015, email="twice15@example.org", username="twice15"))
    own[1016] |= {"username": "admin"}
    own[1017] |= {"idnumber": "GONE-17", "email": "gone17@example.org", "username": "gone17"}
    own[1018] |= {"suspended": True, "email": "old18@example.org"}
    everyone[19] |= {"inactive": True, "in_scope": False}
    everyone[21] |= {"idnumber": "E22", "extern_id": "E22"}
    everyone[24] |= {"email": "ANNA23@example.org"}
    everyone[25] |= {"email": ""}
    everyone[26] |= {"idnumber": ""}
    everyone[27] |= {"username": ""}
    everyone[28] |= {"username": everyone[29]["username"]}
    everyone[30] |= {"lastname": ""}
    accounts.append(account(2031, idnumber="WEG-31"))
    accounts.append(account(2032, idnumber="WEG-32", suspended=True))
    return list(everyone.values()), accounts


def _account_of(someone: dict[str, Any], id_: int, **values: Any) -> dict[str, Any]:
    further = {name: someone[name] for name in ("city", "profile_field_klas")}
    return account_of(someone, id_, **(further | values))


def _reasons() -> pd.DataFrame:
    return reasons_frame(
        (26, "idnumber_missing", "idnumber", "all"),
        (25, "email_missing", "email", "create"),
        (4, "city_too_long", "city", ""),
        (33, "sources_disagree", "idnumber", "all"),
        (34, "lastname_missing", "lastname", "all"),
    )


def _remembered() -> Remembered:
    links = links_frame(
        (1006, "E6", True), (1018, "E18", True), (2031, "WEG-31", False), (1017, "GONE-17", False), (1019, "E19", False)
    )
    decided = decided_frame(
        {"row": 9, "kind": "link", "account_id": 1009},
        {"row": 10, "kind": "rekey", "account_id": 1010},
        {"row": 15, "kind": "link", "account_id": 1015},
        {"row": 14, "kind": "ignore"},
    )
    return Remembered(links=links, decided=decided)


def _plan(settings: Mapping, remembered: Remembered | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    persons, accounts = population()
    known = accounts_of(accounts)
    return make_plan(persons_frame(persons), _reasons(), known, settings, remembered=remembered, full=True), known


def _row(row: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Give a row of a plan, or (not ``whole``) what it comes to and a digest of the rest."""
    if whole:
        return row
    text = json.dumps(row, sort_keys=True)
    return {name: row[name] for name in SHOWN} | {"digest": hashlib.sha256(text.encode()).hexdigest()[:16]}


@cache
def golden_of(name: str) -> dict[str, Any]:
    """Give what a mapping makes of the population, with nothing remembered and with something."""
    settings = mapping(**MAPPINGS[name])
    persons, _ = population()
    made: dict[str, Any] = {"fingerprints": list(fingerprints(persons_frame(persons), settings, _reasons()))}
    for kind, remembered in (("fresh", None), ("remembered", _remembered())):
        plan, accounts = _plan(settings, remembered)
        found = mismatches_with_facts(plan, accounts)
        made[kind] = {
            "plan_digest": plan_digest(plan),
            "plan": [
                _row(row, whole=name in WHOLE) for row in json.loads(readable(plan, ENGLISH).to_json(orient="records"))
            ],
            "facts": {
                f"{row.row} {row.account_id} {row.verdict}": facts_digest(str(row.facts)) for row in found.itertuples()
            },
        }
    return made


@pytest.mark.parametrize("name", MAPPINGS)
def test_what_a_mapping_makes_of_the_population_stays_as_it_was(name: str):
    known = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    made = json.loads(json.dumps(golden_of(name)))
    for kind in ("fresh", "remembered"):
        for at, (row, before) in enumerate(zip(made[kind]["plan"], known[kind]["plan"], strict=True)):
            assert row == before, (kind, at)
    assert made == known


def test_the_population_has_every_verdict_that_it_pins():
    verdicts = {row["verdict"] for name in MAPPINGS for row in golden_of(name)["remembered"]["plan"]}
    assert verdicts == {
        "",
        "linked",
        "new",
        "id_missing",
        "id_differs",
        "id_other_scheme",
        "id_case",
        "email_taken",
        "ambiguous",
        "sources_disagree",
        "duplicate_person",
        "duplicate_account",
        "orphan",
        "returned",
        "held",
        "protected",
    }


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in MAPPINGS:
        text = json.dumps(golden_of(each), ensure_ascii=False, indent=1)
        (GOLDEN / f"{each}.json").write_text(f"{text}\n", "utf-8")
