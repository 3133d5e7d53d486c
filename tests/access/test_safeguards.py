"""Which plans of access wait for a person, and what that person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from access.made import COURSE, accounts, given, mapping, members, targets, wanted

from moodle_coupling.access.plan import Circumstances, access_body, evaluate_access, plan_access
from moodle_coupling.contract.columns import AccessCode
from moodle_coupling.words.sentence import Texts, languages

if TYPE_CHECKING:
    import pandas as pd

PEOPLE = range(2, 32)
COURSE_A = {"kind": COURSE, "target": "a", "role": "student"}


def losing(number: int, *, stay: int = 30) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give plan, members and given of a course in which so many of those who stayed until now lose access."""
    rows = list(PEOPLE)[:stay]
    have = given(*({"account_id": 100 + row, **COURSE_A} for row in rows))
    there = members(*((COURSE, "a", 100 + row) for row in rows))
    want = wanted(*({"row": row, **COURSE_A} for row in rows[number:]))
    of = accounts(*({"row": row} for row in rows))
    access = mapping().access
    found = plan_access(want, of, targets({"kind": COURSE}), there, have, access, Circumstances(now=1, full=True))
    return found, there, have


def tripped(number: int, *, stay: int = 30, ever: bool = True, **limits: Any) -> list[str]:
    guards = mapping(safeguards=limits).access.safeguards
    plan, there, have = losing(number, stay=stay)
    return [each.code for each in evaluate_access(plan, there, have, guards, ever_given=ever)]


def test_a_plan_that_writes_nothing_waits_for_nobody():
    assert tripped(0, ever=False) == []


def test_the_first_access_ever_waits():
    assert tripped(1, ever=False) == ["access_first_load"]
    assert tripped(1, ever=False, first_load=False) == []


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (1, []),
        (6, []),
        (7, ["access_target"]),
        (21, ["access_take_backs", "access_target"]),
        (30, ["access_empty", "access_take_backs", "access_target"]),
    ],
)
def test_a_course_that_loses_more_than_a_fifth_waits_and_so_do_many_take_backs(number, codes):
    assert tripped(number) == codes


def test_one_person_who_is_taken_off_waits_for_nobody():
    assert tripped(1, stay=2) == []
    assert tripped(1, stay=1) == []


def test_that_nobody_belongs_anywhere_waits_unless_it_is_said_to_be_right():
    assert tripped(2, stay=2) == ["access_empty", "access_target"]
    assert tripped(2, stay=2, empty=False) == ["access_target"]


def test_a_limit_that_is_off_is_not_watched():
    assert tripped(21, take_backs="off", per_target="off") == []


@pytest.mark.parametrize("language", languages())
def test_what_a_person_reads_names_the_target_and_no_names(language):
    plan, there, have = losing(21)
    found = evaluate_access(plan, there, have, mapping().access.safeguards, ever_given=True)
    said = [Texts(language).say(each.said) for each in found]
    assert "21" in said[0]
    assert " a " in said[1]
    body = access_body(plan, found, Texts(language))
    assert " a | 0 | 21 |" in body
    assert len([line for line in body.splitlines() if " x" in line]) == 10, "of the twenty-one, by id"


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("code", AccessCode)
def test_every_code_has_its_words(language, code):
    assert Texts(language).knows(f"access.why.{code}")
