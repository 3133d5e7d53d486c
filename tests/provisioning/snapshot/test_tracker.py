"""How far a reading is, in words and numbers, about once a second."""

from __future__ import annotations

import pytest

from moodle_coupling.provisioning.snapshot.reading import Tracker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_line_says_how_far_how_fast_and_how_long(clock):
    tracker = Tracker(clock=clock)
    tracker.expect(100_000)
    tracker.add(12_400)
    clock.now += 40
    assert tracker.line() == "12,400 of 100,000 accounts read, 310/s, 4 min 43 s left"


@pytest.mark.parametrize(("left", "words"), [(30, "30 s"), (60, "1 min 0 s"), (7500, "2 h 5 min")])
def test_time_left_is_in_the_units_people_use(clock, left, words):
    tracker = Tracker(clock=clock)
    tracker.add(10)
    tracker.expect(10 + left)
    clock.now += 10
    assert tracker.line().endswith(f", 1/s, {words} left")


def test_a_total_may_be_unknown_or_a_guess(clock):
    tracker = Tracker(clock=clock)
    assert tracker.line() == "0 accounts read"
    tracker.add(50)
    clock.now += 5
    assert tracker.line() == "50 accounts read, 10/s"
    tracker.expect(100, about=True)
    assert tracker.line() == "50 of about 100 accounts read, 10/s, 5 s left"


def test_what_costs_nothing_says_nothing_about_the_rate(clock):
    tracker = Tracker(clock=clock)
    tracker.expect(1000)
    tracker.credit(900)
    tracker.add(50)
    clock.now += 5
    assert tracker.line() == "950 of 1,000 accounts read, 10/s, 5 s left"


def test_it_is_told_once_a_second_and_logged_now_and_then(clock, caplog):
    caplog.set_level("INFO")
    told = []
    tracker = Tracker(lambda done, total: told.append((done, total)), clock)
    tracker.expect(1000)
    for _ in range(200):
        clock.now += 0.1
        tracker.add(1)
        tracker.tick()
    assert 15 <= len(told) <= 20
    assert len(caplog.records) in (1, 2)
    tracker.end()
    assert told[-1] == (200, 200)


def test_a_reading_that_starts_again_counts_from_nothing(clock):
    tracker = Tracker(clock=clock)
    tracker.expect(10)
    tracker.add(5)
    clock.now += 1
    tracker.restart()
    assert tracker.line() == "0 accounts read"
