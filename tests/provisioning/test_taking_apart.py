"""What it costs to take a refused batch apart, where nothing tells who is to blame: counted call by call."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.errors import MoodleParameterRefused, MoodleRequestTooLarge
from moodle_coupling.hooks.moodle.probes import refused_values
from moodle_coupling.provisioning.load.culprits import Odds, take_apart
from moodle_coupling.words.sentence import Sentence

REFUSED = MoodleParameterRefused(Sentence("load.where_to_look"), function="create", errorcode="invalidparameter")


def people(count: int) -> list[Any]:
    return [SimpleNamespace(index=number, wire=SimpleNamespace(fields={})) for number in range(count)]


@dataclass
class Site:
    """A Moodle that takes a call whole or not at all."""

    bad: set[int]
    holds: int = 1000
    calls: list[list[int]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    blamed: list[int] = field(default_factory=list)
    passing: int = 0
    """So many calls more are refused whoever is in them."""

    def try_send(self, items: Any) -> Any:
        asked = [item.index for item in items]
        self.calls.append(asked)
        if len(asked) > self.holds:
            return MoodleRequestTooLarge(Sentence("load.where_to_look"), function="create")
        if self.passing:
            self.passing -= 1
            return REFUSED
        if self.bad.intersection(asked):
            return REFUSED
        self.written += asked
        return None

    def refuse(self, item: Any, refusal: Any, *, explained: bool) -> None:
        assert self.calls[-1] == [item.index], "whoever is blamed was refused alone, just now"
        self.blamed.append(item.index)

    def still_open(self, items: Any) -> list[Any]:
        closed = {*self.written, *self.blamed}
        return [item for item in items if item.index not in closed]


def take(site: Site, count: int = 50) -> int:
    """Take a batch apart that was refused just now; give the calls that took."""
    site.calls.append(list(range(count)))
    take_apart(site, people(count), REFUSED)
    assert sorted(site.blamed) == sorted(site.bad)
    assert sorted(site.written) == sorted(set(range(count)) - site.bad), "everyone else is in, once"
    return len(site.calls) - 1


@pytest.mark.parametrize("place", range(50))
def test_one_among_fifty_is_found_and_everyone_else_is_in_within_eight_calls(place):
    assert take(Site({place})) <= 8


@pytest.mark.parametrize(
    ("culprits", "usual", "most"), [(1, 7.6, 8), (2, 14.8, 18), (5, 29.5, 35), (20, 58, 66), (50, 54, 54)]
)
def test_many_cost_no_more_than_about_one_call_per_person(culprits, usual, most):
    fortune = random.Random(culprits)
    counts = [take(Site(set(fortune.sample(range(50), culprits)))) for _ in range(200)]
    assert sum(counts) / len(counts) <= usual
    assert max(counts) <= most


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_wherever_they_are_everyone_else_is_in(bad, count):
    bad = {number for number in bad if number < count}
    if bad:
        take(Site(bad), count)


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_where_a_call_holds_fewer_too(bad, holds):
    site = Site(bad, holds=holds, calls=[list(range(40))])
    take_apart(site, people(40), MoodleRequestTooLarge(Sentence("load.where_to_look"), function="create"))
    assert sorted(site.blamed) == sorted(bad)
    assert sorted(site.written) == sorted(set(range(40)) - bad)


@given(st.integers(1, 50), st.integers(0, 4))
def test_a_trouble_that_passes_costs_nobody_but_who_met_it_alone(count, passing):
    site = Site(set(), passing=passing, calls=[list(range(count))])
    take_apart(site, people(count), REFUSED)
    assert sorted({*site.written, *site.blamed}) == list(range(count))
    assert len(site.blamed) <= passing + (count == 1)


def test_one_bad_value_among_many_costs_about_the_logarithm():
    values = [("city", f"stad {number}") for number in range(32)]
    for bad in values:
        asked: list[Any] = []

        def takes(some: Any, bad: Any = bad, asked: Any = asked) -> bool:
            asked.append(some)
            return bad not in some

        assert refused_values(values, takes) == [bad]
        assert len(asked) <= 1 + 5 + 1


@given(st.lists(st.booleans(), max_size=20))
def test_every_bad_value_is_found(bad):
    values = [("city", str(number)) for number in range(len(bad))]
    wrong = [value for value, is_bad in zip(values, bad, strict=True) if is_bad]
    assert sorted(refused_values(values, lambda some: not set(wrong).intersection(some))) == sorted(wrong)


def test_what_was_learnt_says_how_many_to_ask_about():
    few, many = Odds(), Odds()
    for odds in (few, many):
        odds.learn(50, clean=False)
    few.learn(25, clean=True, within=50)
    assert few.most(49) == 49
    for _ in range(6):
        many.learn(1, clean=False)
    assert many.most(44) == 1
