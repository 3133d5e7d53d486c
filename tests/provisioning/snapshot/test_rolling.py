"""Parts are worked on some at a time, given in order, and what was done before a failure is given too."""

from __future__ import annotations

import threading

import pytest

from moodle_coupling.provisioning.snapshot import reading
from moodle_coupling.provisioning.snapshot.reading import in_turn


def nothing() -> None:
    """Do not care about time."""


def from_list(parts):
    left = iter(parts)
    return lambda: next(left, None)


def test_results_come_in_the_order_of_the_parts():
    second_done = threading.Event()

    def work(part):
        if part == 1:
            assert second_done.wait(10)
        if part == 2:
            second_done.set()
        return part * 10

    assert list(in_turn(work, from_list(range(1, 6)), 2, tick=nothing)) == [(n, n * 10) for n in range(1, 6)]


def test_no_more_than_so_many_at_a_time():
    lock, running, most = threading.Lock(), [0], [0]
    both = threading.Barrier(3)

    def work(part):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait(10)
        with lock:
            running[0] -= 1
        return part

    list(in_turn(work, from_list(range(1, 13)), 3, tick=nothing))
    assert most[0] == 3


def test_parts_that_a_result_brings_are_done_as_well():
    todo = [1]
    done = []
    for part, _ in in_turn(lambda part: part, lambda: todo.pop() if todo else None, 2, tick=nothing):
        done.append(part)
        if part < 4:
            todo.append(part + 1)
    assert done == [1, 2, 3, 4]


def test_what_went_well_beside_a_failure_is_given_before_it_is_raised():
    failed = threading.Event()

    def work(part):
        if part == 1:
            failed.set()
            raise ValueError("one")
        assert failed.wait(10)
        return part

    given = []
    with pytest.raises(ValueError, match="one"):
        given.extend(part for part, _ in in_turn(work, from_list(range(1, 100)), 2, tick=nothing))
    assert set(given) <= {2, 3, 4}
    assert 2 in given


def test_the_first_failure_is_the_one_that_is_raised():
    def work(part):
        raise ValueError(str(part))

    with pytest.raises(ValueError, match="1"):
        list(in_turn(work, from_list([1, 2, 3]), 3, tick=nothing))


def test_time_is_told_while_a_part_takes_long(monkeypatch):
    monkeypatch.setattr(reading, "_TICK", 0.001)
    go_on = threading.Event()
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 3:
            go_on.set()

    list(in_turn(lambda part: go_on.wait(10), from_list([1]), 1, tick=tick))
    assert len(ticks) >= 3


def test_whoever_stops_listening_stops_the_work():
    worked = []
    turns = in_turn(worked.append, from_list(range(1, 1000)), 1, tick=nothing)
    next(turns)
    turns.close()
    assert len(worked) <= 3
