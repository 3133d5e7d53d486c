"""How similar is similar, measured: people whose names changed, and different people (invented; docs/decisions/0019)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.matching.likeness import (
    Identity,
    alike,
    distance,
    has_another_name,
    is_somebody_else,
    same_address,
    same_first_name,
    same_last_name,
)

NAMES = Path(__file__).parent / "names"
Pair = tuple[str, Identity, Identity]
NAME = st.text(alphabet="abcdefghijéüşßЖ王 -'.", max_size=12)


def pairs(name: str) -> list[Pair]:
    """The pairs of a list with their kind; where the list has no addresses, these differ."""
    with (NAMES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            (
                row["kind"],
                Identity(row["firstname"], row["lastname"], row["email"] or f"x{at}old@example.org"),
                Identity(row["new_firstname"], row["new_lastname"], row["new_email"] or f"someone.new{at}@example.net"),
            )
            for at, row in enumerate(csv.DictReader(file))
        ]


def shown(found: list[Pair]) -> list[str]:
    return [f"{one.firstname} {one.lastname} > {other.firstname} {other.lastname}" for _, one, other in found]


CHANGES: Final = pairs("changes")
DIFFERENT: Final = pairs("different")


def test_the_lists_are_long_enough_to_say_something():
    assert len(CHANGES) >= 100
    assert len(DIFFERENT) >= 100


def test_a_changed_name_is_seldom_taken_for_somebody_else():
    wrong = [pair for pair in CHANGES if is_somebody_else(*pair[1:])]
    assert (len(wrong), len(CHANGES)) == (5, 120)
    # Both names and the address are new, and no rule of spelling leads from the one to the other: a human must look.
    assert shown(wrong) == [
        "Trees Blok > Theresia Jonker",
        "Daan Wessels > Roos Hofman",
        "Guurtje Swart > Gerie Kooij",
        "Anna Tuinman > Sietske Wiersma",
        "M. Tuinstra > Marjolein Jager",
    ]


def test_strangers_are_seldom_taken_for_one_person():
    strangers = [pair for pair in DIFFERENT if pair[0] == "strangers"]
    missed = [pair for pair in strangers if not is_somebody_else(*pair[1:])]
    assert (len(missed), len(strangers)) == (9, 60)


@pytest.mark.parametrize(
    ("kind", "missed", "of"),
    [
        ("siblings", 20, 20),
        ("namesakes", 20, 20),
        ("full namesakes", 5, 5),
        ("names alike", 5, 5),
        ("numbered addresses", 0, 2),
        ("shared address", 0, 1),
        ("short addresses", 0, 1),
        ("initials alone", 0, 4),
    ],
)
def test_who_has_a_name_in_common_is_not_told_apart_by_names(kind: str, missed: int, of: int):
    some = [pair for pair in DIFFERENT if pair[0] == kind]
    assert (sum(not is_somebody_else(*pair[1:]) for pair in some), len(some)) == (missed, of)


def test_with_another_person_id_siblings_and_namesakes_are_told_apart():
    missed = [pair for pair in DIFFERENT if not has_another_name(*pair[1:])]
    assert (len(missed), len(DIFFERENT)) == (10, 118)
    assert {kind for kind, _, _ in missed} == {"strangers", "full namesakes", "names alike"}


def test_with_another_person_id_only_a_name_that_is_really_another_is_asked_about():
    asked = [pair for pair in CHANGES if has_another_name(*pair[1:])]
    kinds = {kind for kind, _, _ in asked}
    spelling = {"first name spelled out", "Moroccan spelling", "Turkish spelling", "transliteration", "particle"}
    assert not kinds & {*spelling, "typing error", "exchanged", "call name", "address alone", "all in one field"}
    assert len(asked) == 40


@pytest.mark.parametrize("lacking", ["firstname", "lastname", "email"])
def test_what_is_empty_or_hidden_does_not_differ(lacking: str):
    values = {"firstname": "Jan", "lastname": "Jansen", "email": "jan@example.org"}
    fatima = Identity("Fatima", "Yilmaz", "fatima@example.org")
    assert is_somebody_else(Identity(**values), fatima)
    assert not is_somebody_else(Identity(**(values | {lacking: ""})), fatima)
    assert not is_somebody_else(fatima, Identity(**(values | {lacking: ""})))
    assert has_another_name(Identity(**(values | {lacking: ""})), fatima) == (lacking == "email")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Anna.Y@Example.org", "anna.y@example.org", True),
        ("j.jansen@example.org", "jjansen@example.org", True),
        ("fatima.yilmaz@example.org", "fatima.yilmaz@example.net", True),
        ("jan@example.org", "jan@example.net", False),
        ("administratie@example.org", "administratie@school.example.net", False),
        ("s1234567@example.org", "s1234568@example.org", False),
        ("margretha@example.org", "margreta@example.org", True),
        ("margretha@example.org", "margreet@example.org", False),
        ("yilmaz+school@example.org", "yilmaz@example.org", True),
    ],
)
def test_an_address_is_the_same_but_for_a_typing_error(one: str, other: str, same: bool):
    assert same_address(one, other) is same_address(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "most", "strokes"),
    [("", "", 1, 0), ("jan", "jan", 1, 0), ("jansen", "jansne", 2, 1), ("jan", "jansen", 2, 3), ("abc", "xyz", 2, 3)],
)
def test_strokes_are_counted(one: str, other: str, most: int, strokes: int):
    assert distance(one, other, most=most) == strokes


@given(NAME, NAME, NAME, NAME)
def test_it_does_not_matter_who_is_compared_with_whom(first: str, last: str, other_first: str, other_last: str):
    one, other = Identity(first, last, "a@example.org"), Identity(other_first, other_last, "b@example.net")
    assert is_somebody_else(one, other) is is_somebody_else(other, one)
    assert has_another_name(one, other) is has_another_name(other, one)
    assert same_first_name(first, other_first) is same_first_name(other_first, first)
    assert same_last_name(last, other_last) is same_last_name(other_last, last)
    assert not is_somebody_else(one, one)
    assert alike(first, other_first) is alike(other_first, first)
