"""Which ids are asked: each once, none beyond reach, and nobody within reach is missed."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodle_coupling.contract.fields import Account
from moodle_coupling.matching.frames import accounts_frame
from moodle_coupling.provisioning.snapshot import everyone
from moodle_coupling.provisioning.snapshot.everyone import far_apart, read_by_number
from moodle_coupling.provisioning.snapshot.reading import Piece, Tracker


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(everyone, "AT_ONCE", 5)
    monkeypatch.setattr(everyone, "BEYOND", 20)
    monkeypatch.setattr(everyone, "LONGEST_GAP", 200)


NOBODY = accounts_frame([])


class Readings:
    """Answers lookups by id for a site with these ids, some parts at a time as a real reading does."""

    def __init__(self, there: set[int], read: set[int] = frozenset(), ahead: int = 4) -> None:
        self.there, self.ids, self.ahead = there, set(read), ahead
        self.asked: list[int] = []
        self.tracker = Tracker()

    def read(self, take):
        begun = []
        while True:
            while len(begun) < self.ahead and (part := take()) is not None:
                begun.append(part)
            if not begun:
                return
            part = begun.pop(0)
            ids = [int(value) for value in part.values]
            self.asked += ids
            found = [id_ for id_ in ids if id_ in self.there]
            self.ids.update(found)
            self.tracker.add(len(found))
            yield part, Piece(NOBODY, deleted=tuple(found))


SITES = st.sets(st.integers(1, 600), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    there=SITES,
    known=st.sets(st.integers(1, 600), max_size=3),
    read=st.sets(st.integers(1, 600), max_size=20),
    ahead=st.integers(1, 6),
)
def test_whoever_is_within_reach_is_found_and_nobody_is_asked_twice(there, known, read, ahead):
    reading = Readings(there | read, read, ahead)
    read_by_number(reading, known)
    assert len(reading.asked) == len(set(reading.asked))
    assert not set(reading.asked) & read
    # Within reach: no further than BEYOND above someone found, known or read, nor in a short gap between such.
    sure = sorted(reading.ids | known | {0})
    for id_ in there:
        below = max(anchor for anchor in (*sure, 0) if anchor <= id_)
        if id_ - below <= 20:
            assert id_ in reading.ids


def test_the_end_is_after_a_long_emptiness():
    reading = Readings(set(range(1, 51)), ahead=1)
    assert read_by_number(reading, set()) == 70
    assert reading.asked == list(range(1, 71))


def test_a_later_round_goes_on_where_the_first_one_ended():
    reading = Readings({1, 2, 150, 155}, ahead=1)
    reach = read_by_number(reading, set())
    assert 150 not in reading.ids
    reading.asked.clear()
    read_by_number(reading, {150}, start=reach + 1)
    assert {150, 155} <= reading.ids
    assert min(reading.asked) == reach + 1


def test_a_long_gap_is_left_out_but_for_its_edges():
    reading = Readings({1, 2, 995, 1000, 1003}, ahead=1)
    read_by_number(reading, {1000})
    assert reading.ids == {1, 2, 995, 1000, 1003}
    assert len(reading.asked) < 100


def test_a_guess_of_the_total_comes_from_how_dense_the_first_ids_are():
    totals = []
    reading = Readings({id_ for id_ in range(1, 101) if id_ % 2}, ahead=1)
    reading.tracker = SimpleNamespace(
        expect=lambda total, *, about: totals.append((total, about)), done=0, add=lambda _: None
    )
    read_by_number(reading, {100})
    assert totals
    assert all(45 <= total <= 60 and about for total, about in totals)


def test_far_apart_is_a_gap_that_would_take_too_long():
    assert not far_apart({3, 200, 399})
    assert far_apart({3, 500})


def test_a_piece_knows_its_highest_id():
    frame = accounts_frame([Account(5, "u", email="")])
    assert Piece().highest() == 0
    assert Piece(frame).highest() == 5
    assert Piece(frame, ("7",), (9,)).highest() == 9
    assert Piece(frame, ("70", "CV-1"), (9,)).highest() == 70
    assert isinstance(Piece().accounts, pd.DataFrame)
