"""Many people who collide all the time, judged by columns and by the plainest loops: both must say the same."""

from __future__ import annotations

import json
import random
import unicodedata
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching.people import account, accounts_of, mapping, person, persons_frame, reasons_frame

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.mapping import Mapping

IDNUMBERS = ("", "E{}", "e{}", " E{}", "P{}", "é{}", "É{}")
EMAILS = ("", "m{}@example.org", "M{}@Example.org", " m{}@example.org", "ñ{}@example.org", "n\u0303{}@example.org")
USERNAMES = ("", "jan", "Jan", "jan{}", "JAN{}", "admin", "guest")
CITIES = ("", "Utrecht", " Utrecht ", "Delft", "Köln", "Ko\u0308ln")
FOUND = ("row", "account_id", "verdict", "other_accounts")


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()


def world(seed: int, size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Persons and accounts with the same names, whose keys come from a small set; who is whose is left to chance."""
    chance = random.Random(seed)

    def one(values: tuple[str, ...]) -> str:
        return chance.choice(values).format(chance.randrange(max(1, size // 2)))

    def of(number: int) -> dict[str, Any]:
        usual = chance.random() < 0.6
        keys = {"idnumber": f"E{number}", "email": f"m{number}@example.org"} if usual else {}
        return {"idnumber": one(IDNUMBERS), "email": one(EMAILS), "username": one(USERNAMES)} | keys

    same = {"firstname": "Jan", "lastname": "Bos"}
    persons = [
        person(
            number + 1, **of(number) | same, other_id=one(IDNUMBERS), city=one(CITIES), in_scope=chance.random() < 0.9
        )
        for number in range(size)
    ]
    accounts = [
        account(number + 11, **of(number) | same, city=one(CITIES), suspended=chance.random() < 0.1)
        for number in range(chance.choice([0, size // 2, size]))
    ]
    return persons, accounts


class Reference:
    """The plainest matching there is: each person beside each account."""

    def __init__(self, persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping) -> None:
        self.accounts = accounts
        self.mapping = with_
        self.everyone = persons
        self.inside = [one for one in persons if one["in_scope"]]
        self.standing = [one for one in self.inside if one["idnumber"].strip()]

    def rows(self) -> list[tuple[Any, ...]]:
        """Everyone in scope, then orphans, as FOUND."""
        found = [(one["row"], *self.judged(one)) for one in self.inside]
        rekeyed = {at for _, at, verdict, _ in found if verdict in {Verdict.ID_CASE, Verdict.ID_OTHER_SCHEME}}
        taken = {one["idnumber"] for one in self.inside}
        orphans = [
            (None, one["id"], Verdict.ORPHAN, [])
            for one in self.accounts
            if one["idnumber"].strip() and one["idnumber"] not in taken and not self.protected(one)
            if one["id"] not in rekeyed
        ]
        return found + orphans

    def protected(self, one: dict[str, Any]) -> bool:
        return fold(one["username"]) in {"admin", "guest"}

    def those(self, holds: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [one for one in self.accounts if holds(one)]

    def judged(self, one: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The account, the verdict and the other accounts of a person."""
        if one not in self.standing:
            return None, "", []
        if self.is_double(one):
            return None, Verdict.DUPLICATE_PERSON, []
        exact = self.those(lambda there: there["idnumber"] == one["idnumber"])
        if len(exact) > 1:
            off = all(map(self.protected, exact))
            ids = [there["id"] for there in exact]
            return None, Verdict.PROTECTED if off else Verdict.DUPLICATE_ACCOUNT, ids
        return self.linked(one, exact[0]) if exact else self.questioned(one)

    def is_double(self, one: dict[str, Any]) -> bool:
        others = [other for other in self.standing if other is not one]
        if any(other["idnumber"] == one["idnumber"] for other in others):
            return True
        address = fold(one["email"])
        return not self.mapping.matching.shared_email and any(fold(other["email"]) == address != "" for other in others)

    def linked(self, one: dict[str, Any], own: dict[str, Any]) -> tuple[Any, Any, Any]:
        address, holders = fold(one["email"]), []
        if not self.mapping.matching.shared_email and address not in {"", fold(own["email"])}:
            holders = [there["id"] for there in self.those(lambda there: fold(there["email"]) == address)]
        verdict = Verdict.EMAIL_TAKEN if holders else Verdict.LINKED
        verdict = Verdict.HELD if own["suspended"] else verdict
        return own["id"], Verdict.PROTECTED if self.protected(own) else verdict, holders

    def questioned(self, one: dict[str, Any]) -> tuple[Any, Any, Any]:
        identifies = self.mapping.username.recipe in {"email", "extern_id"}
        near = self.those(lambda there: fold(there["idnumber"]) == fold(one["idnumber"]) != "")
        email = self.those(lambda there: fold(there["email"]) == fold(one["email"]) != "")
        username = self.those(
            lambda there: (
                fold(there["username"]) == fold(one["username"]) != "" and (identifies or not there["idnumber"].strip())
            )
        )
        pointed = {there["id"]: there for there in [*near, *email, *username]}
        if not pointed:
            return None, Verdict.NEW, []
        if len(pointed) > 1:
            off = all(map(self.protected, pointed.values()))
            return None, Verdict.PROTECTED if off else Verdict.AMBIGUOUS, sorted(pointed)
        (there,) = pointed.values()
        verdict = Verdict.ID_DIFFERS
        if there["idnumber"] == one["other_id"] != "":
            verdict = Verdict.ID_OTHER_SCHEME
        if not there["idnumber"].strip():
            verdict = Verdict.ID_MISSING
        if near:
            verdict = Verdict.ID_CASE
        return there["id"], Verdict.PROTECTED if self.protected(there) else verdict, [there["id"]]


def changes_of(one: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What is written to the account of somebody linked whose address is nobody else's."""
    found = {}
    if fold(one["email"]) not in {"", fold(own["email"])}:
        found["email"] = [own["email"], one["email"]]
    if unicodedata.normalize("NFC", one["city"]).strip() != unicodedata.normalize("NFC", own["city"]).strip():
        found["city"] = [own["city"], one["city"]]
    return found


@pytest.mark.parametrize("recipe", ["first_infix_last", "email"])
@given(seed=st.integers(0, 2**32), size=st.sampled_from([4, 20, 60]), shared=st.booleans())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_columns_and_loops_say_the_same(recipe: str, seed: int, size: int, shared: bool) -> None:
    persons, accounts = world(seed, size)
    made = mapping(username={"recipe": recipe}, matching={"shared_email": shared}, fields={"city": {"column": "city"}})
    plan = make_plan(persons_frame(persons), reasons_frame(), accounts_of(accounts), made, full=True)
    found = [
        (None if pd.isna(row) else row, None if pd.isna(at) else at, verdict, json.loads(others))
        for row, at, verdict, others in zip(*(plan[name] for name in FOUND), strict=True)
    ]
    assert found == Reference(persons, accounts, made).rows()

    by_row, by_id = {one["row"]: one for one in persons}, {one["id"]: one for one in accounts}
    linked = plan[plan["verdict"] == Verdict.LINKED]
    for row, at, changes in zip(linked["row"], linked["account_id"], linked["changes"], strict=True):
        assert json.loads(changes) == changes_of(by_row[row], by_id[at])
