"""What the loader accepts is compared and written: every field, every write policy, from a column and as a constant."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pandas as pd
import pytest
from matching.people import account_of, accounts_of, mapping, person
from pydantic import ValidationError

from moodle_coupling.contract.fields import MAPPED_FIELDS, NAME_FIELDS
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.people.transform import transform

VALUES = {
    "auth": ("oidc", "ldap"),
    "lang": ("nl", "en"),
    "country": ("NL", "BE"),
    "city": ("Ede", "Gent"),
    "institution": ("School", "Bond"),
    "department": ("R & D", "HR"),
    "timezone": ("Europe/Amsterdam", "99"),
    "theme": ("boost", "classic"),
    "profile_field_x": ("arts", "gids"),
}
"""By field: what the source says, and what Moodle holds."""
UNFIT = {
    "auth": ["OIDC", "a" * 21, ""],
    "lang": ["NL", "nl-NL", ""],
    "country": ["nl", "XX", ""],
    "city": ["We <3 school", "<b>x</b>", "a" * 121, "a\x00b", "Z\ufffdtphen"],
    "institution": ["We <3 school", "a" * 256],
    "department": ["a<", "a" * 256],
    "timezone": ["Amsterdam", "98", ""],
    "theme": ["Boost", "a" * 51],
}
POLICIES = ("always", "if_empty", "on_create")


def setting(field: str, origin: dict[str, Any]) -> Any:
    if field.startswith("profile_field_"):
        return mapping(profile_fields={"x": origin})
    return mapping(fields={field: origin})


HELD = ("nothing", "another", "empty", "the same")
"""What an account has, by person: the first has no account."""


@cache
def plans(field: str, policy: str, *, constant: bool) -> list[dict[str, Any]]:
    """Give the changes for four persons, whose accounts have what HELD says."""
    said, other = VALUES[field]
    settings = setting(field, {"write": policy} | ({"value": said} if constant else {"column": "free1"}))
    persons = pd.DataFrame(
        [{"row": n, "person_id": f"P{n}", "extern_id": f"E{n}", "firstname": "Anna", "lastname": f"Bos{n}",
          "email1": f"anna{n}@example.org", "free1": said} for n in range(1, 5)]
    )  # fmt: skip
    made = transform(persons, settings)
    assert made.reasons.empty
    accounts = accounts_of(
        [account_of(person(n), 10 + n, **{field: held}) for n, held in ((2, other), (3, ""), (4, said))]
    )
    plan = make_plan(made.candidates, made.reasons, accounts, settings).set_index("person_id")
    return [json.loads(plan.loc[f"P{n}", "changes"]) for n in range(1, 5)]


def planned(field: str, policy: str, *, constant: bool, held: str) -> dict[str, Any]:
    return plans(field, policy, constant=constant)[HELD.index(held)]


def test_every_mapped_field_is_in_the_table():
    assert set(VALUES) - {"profile_field_x"} == set(MAPPED_FIELDS) == set(UNFIT)


@pytest.mark.parametrize("constant", [False, True], ids=["column", "constant"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("field", VALUES)
class TestEveryFieldAndPolicy:
    def test_a_new_account_gets_it(self, field: str, policy: str, constant: bool):
        assert planned(field, policy, constant=constant, held="nothing")[field] == [None, VALUES[field][0]]

    def test_an_account_with_another_value_gets_it_when_the_policy_says_always(
        self, field: str, policy: str, constant: bool
    ):
        said, other = VALUES[field]
        expected = {field: [other, said]} if policy == "always" else {}
        assert planned(field, policy, constant=constant, held="another") == expected

    def test_an_account_without_a_value_gets_it_unless_the_policy_says_on_create(
        self, field: str, policy: str, constant: bool
    ):
        expected = {} if policy == "on_create" else {field: ["", VALUES[field][0]]}
        assert planned(field, policy, constant=constant, held="empty") == expected

    def test_an_account_that_has_it_is_left_alone(self, field: str, policy: str, constant: bool):
        assert planned(field, policy, constant=constant, held="the same") == {}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("field", NAME_FIELDS)
def test_names_and_addresses_follow_their_policy(field: str, policy: str):
    settings = mapping(write={field: policy})
    new = {"firstname": "Ans", "lastname": "Vis", "email": "ans@example.org"}
    persons = pd.DataFrame(
        [{"row": 1, "person_id": "P1", "extern_id": "E1", "firstname": "Anna", "lastname": "Bos1", "email1": "anna1@example.org"}
         | {"email1" if field == "email" else field: new[field]}]
    )  # fmt: skip
    made = transform(persons, settings)
    plan = make_plan(made.candidates, made.reasons, accounts_of([account_of(person(1))]), settings)
    old = person(1)[field]
    assert json.loads(plan["changes"].iloc[0]) == ({field: [old, new[field]]} if policy == "always" else {})


CONSTANTS = [
    (field, key, value)
    for field, values in UNFIT.items()
    for value in values
    for key in ("value", "default")
    if value or key == "value"  # an empty default is none
]


@pytest.mark.parametrize(("field", "key", "value"), CONSTANTS)
def test_a_constant_that_would_be_left_out_of_everyone_is_refused_by_the_loader(field: str, key: str, value: str):
    origin = {"value": value} if key == "value" else {"column": "free1", "default": value}
    with pytest.raises(ValidationError) as error:
        setting(field, origin)
    assert ("fields", field, key) in [found["loc"] for found in error.value.errors()]


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"type": "datetime", "value": "01-05-2024"}, "'value' is '01-05-2024'"),
        ({"type": "datetime", "column": "free1", "default": "gisteren"}, "'default' is 'gisteren'"),
        ({"type": "datetime", "value": "1985-01-01", "years": [1990, 2030]}, "'value' is '1985-01-01'"),
        ({"type": "menu", "value": "groen", "options": ["Groen"]}, "did you mean 'Groen'?"),
        ({"type": "checkbox", "value": "misschien"}, "does not take"),
        ({"column": "free1", "date_format": "%d-%m-%Y"}, "'date_format' goes with 'type: datetime'"),
        ({"column": "free1", "type": "text", "options": ["a"]}, "'options' goes with 'type: menu'"),
        ({"column": "free1", "type": "datetime", "date_format": "%d-%m-%Y %H:%M"}, "needs 'time_zone'"),
        ({"column": "free1", "type": "datetime", "date_format": "%d-%m"}, "day, month and year"),
        ({"column": "free1", "type": "datetime", "date_format": "dd-mm-yyyy"}, "day, month and year"),
        ({"column": "free1", "type": "datetime", "time_zone": "Amsterdam"}, "not a time zone"),
        ({"column": "free1", "type": "datetime", "years": [2030, 1990]}, "first year and the last one"),
        ({"column": "free1", "type": "date"}, "type"),
    ],
)
def test_what_does_not_fit_a_type_is_refused_by_the_loader(origin: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        setting("profile_field_x", origin)
