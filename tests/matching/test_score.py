"""How alike a person and an account are."""

from __future__ import annotations

import pytest

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.matching.likeness import How, best_score, parts, score

ANNA = {
    "person_id": "P1",
    "extern_id": "E1",
    "idnumber": "E1",
    "firstname": "Anna",
    "lastname": "de Vries",
    "email": "anna@example.org",
}


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (ANNA, 100),
        (ANNA | {"idnumber": ""}, 100),
        (ANNA | {"email": "ANNA@example.org", "lastname": "De Vriés"}, 100),
        (ANNA | {"idnumber": "Z9"}, 80),
        (ANNA | {"idnumber": "P1"}, 94),
        (ANNA | {"lastname": "de Fries", "idnumber": ""}, 92),
        (ANNA | {"firstname": "Piet", "lastname": "Smit", "idnumber": ""}, 50),
        (ANNA | {"email": "x@example.com", "firstname": "", "lastname": "Smit", "idnumber": "Z9"}, 0),
        ({"username": "anna"}, None),
    ],
)
def test_the_score_counts_what_both_have(account: dict[str, str], expected: int | None) -> None:
    assert score(parts(ANNA, account)) == expected


def test_it_says_what_it_is_made_of() -> None:
    found = parts(ANNA, ANNA | {"firstname": "Anneke", "idnumber": "P1", "email": "other@example.com"})
    assert {part.field: (part.how, part.points) for part in found} == {
        "email": (How.DIFFERS, 0),
        "lastname": (How.SAME, 20),
        "firstname": (How.NEARLY, 14),
        "idnumber": (How.OTHER_ID, 14),
    }


def test_of_several_accounts_the_likeliest_counts_and_without_a_person_none() -> None:
    accounts = {"7": ANNA | {"idnumber": "Z9"}, "8": None, "9": ANNA}
    assert best_score(MismatchFacts(person=ANNA, accounts=accounts)) == 100
    assert best_score(MismatchFacts(person={}, accounts=accounts)) is None
    assert best_score(MismatchFacts(person=ANNA, accounts={"8": None})) is None
