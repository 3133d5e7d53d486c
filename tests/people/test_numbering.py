"""Who gets the bare name, and which number the others get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.people.usernames import assign_usernames, numbered

if TYPE_CHECKING:
    import random


def assign(people: list[tuple[str, str]], taken: set[str] | None = None) -> list[str]:
    bases = pd.Series([base for _, base in people], dtype="str")
    ids = pd.Series([person for person, _ in people], dtype="str")
    return assign_usernames(bases, ids, taken or set()).tolist()


@pytest.mark.parametrize(
    ("base", "number", "name"),
    [("jan", 2, "jan2"), ("a" * 100, 2, "a" * 99 + "2"), ("a" * 99, 10, "a" * 98 + "10"), ("", 2, "2")],
)
def test_a_number_is_appended_within_100(base: str, number: int, name: str) -> None:
    assert numbered(base, number) == name


def test_the_lowest_id_gets_the_bare_name_whatever_the_row() -> None:
    assert assign([("10", "jan"), ("9", "jan"), ("11", "jan")]) == ["jan2", "jan", "jan3"]


def test_numbers_go_before_text_and_text_before_nothing() -> None:
    people = [("", "jan"), ("b", "jan"), ("A", "jan"), ("99999999999999999999", "jan"), ("007", "jan"), ("8", "jan")]
    assert assign(people) == ["jan6", "jan5", "jan4", "jan3", "jan", "jan2"]


def test_a_taken_name_gets_the_smallest_free_number() -> None:
    assert assign([("1", "jan"), ("2", "jan"), ("3", "piet")], {"jan", "jan3"}) == ["jan2", "jan4", "piet"]


def test_a_number_never_makes_somebody_elses_name() -> None:
    assert assign([("1", "jan"), ("2", "jan"), ("3", "jan2")]) == ["jan", "jan2", "jan22"]
    assert assign([("1", "jan2"), ("2", "jan"), ("3", "jan")]) == ["jan2", "jan", "jan3"]


def test_nothing_stays_nothing() -> None:
    assert assign([("1", ""), ("2", "")]) == ["", ""]
    assert assign([]) == []


def test_the_index_and_the_taken_names_are_left_alone() -> None:
    taken = {"jan"}
    given_names = assign_usernames(
        pd.Series(["jan"], index=[7], dtype="str"), pd.Series(["1"], index=[7], dtype="str"), taken
    )
    assert given_names.to_dict() == {7: "jan2"}
    assert taken == {"jan"}


def one_after_another(people: list[tuple[str, str]], taken: set[str]) -> list[str]:
    def key(row: int) -> tuple[int, int, str]:
        person = people[row][0]
        return (0, int(person), person) if person.isascii() and person.isdigit() else (1 if person else 2, 0, person)

    used, names = set(taken), [""] * len(people)
    for row in sorted(range(len(people)), key=key):
        base, number = people[row][1], 2
        name = base
        while base and name in used:
            name, number = numbered(base, number), number + 1
        used.add(name)
        names[row] = name
    return names


bases = st.one_of(st.text("ab2", max_size=4), st.sampled_from(["a" * 100, "a" * 99, "a" * 99 + "2", "a" * 98 + "10"]))
ids = st.one_of(st.integers(0, 10**20).map(str), st.text("0a1", max_size=3))


@given(
    st.lists(st.tuples(ids, bases), max_size=25, unique_by=lambda person: person[0]),
    st.sets(st.one_of(bases, st.text("a02", max_size=5)), max_size=8),
    st.randoms(use_true_random=False),
)
def test_names_are_unique_free_stable_and_as_one_after_another_would_choose(
    people: list[tuple[str, str]], taken: set[str], shuffler: random.Random
) -> None:
    names = assign(people, taken)
    filled = [name for name in names if name]
    assert len(set(filled)) == len(filled)
    assert not set(filled) & taken
    assert all(re.fullmatch(r"[a-z0-9]{1,100}", name) for name in filled)
    assert names == one_after_another(people, taken)
    order = list(range(len(people)))
    shuffler.shuffle(order)
    again = assign([people[row] for row in order], taken)
    assert [names[row] for row in order] == again
