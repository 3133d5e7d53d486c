"""Parts of a list, and how they are cut."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.hooks.coachview.calls import Ask
from moodle_coupling.hooks.coachview.connection import CoachviewSettings
from moodle_coupling.hooks.coachview.persons import EARLIEST, Everything, Ids, Window, lists_of_ids, widened

pytestmark = pytest.mark.clock

DAY = dt.timedelta(days=1)
days = st.dates(dt.date(1901, 1, 1), dt.date(2099, 1, 1))


@given(days, st.integers(1, 20_000), st.integers(1, 500))
def test_windows_cut_from_a_window_lie_end_to_end_and_hold_the_same_days(
    first: dt.date, length: int, parts: int
) -> None:
    window = Window(first, first + length * DAY)
    pieces = window.cut(parts)
    assert (pieces[0].first, pieces[-1].until) == (window.first, window.until)
    assert all(one.until == after.first for one, after in itertools.pairwise(pieces))
    assert all(piece.first < piece.until for piece in pieces)
    assert len(pieces) == min(parts, length)


@given(days, days, st.integers(1, 50))
def test_everything_cut_into_windows_begins_before_all_and_ends_where_it_should(
    first: dt.date, until: dt.date, parts: int
) -> None:
    pieces = Everything(first, until).cut(parts)
    assert (pieces[0].first, pieces[-1].until) == (EARLIEST, until)
    assert all(one.until == after.first for one, after in itertools.pairwise(pieces))


def test_a_day_is_the_least() -> None:
    day = dt.date(2024, 2, 29)
    assert not Window(day, day + DAY).is_divisible
    assert Window(day, day + 2 * DAY).is_divisible


def test_a_window_is_written_as_coachview_writes_days() -> None:
    assert Window(dt.date(2021, 6, 9), dt.date(2021, 6, 10)).where == (
        "audittrail.gewijzigddatumtijd=09-06-2021,10-06-2021"
    )


def test_a_period_gets_a_day_more_on_either_side() -> None:
    assert widened(dt.date(2024, 1, 1), dt.date(2024, 1, 1)) == Window(dt.date(2023, 12, 31), dt.date(2024, 1, 3))


@given(
    st.lists(st.text("abcdefghij-0123456789é_", min_size=1, max_size=60), max_size=300),
    st.integers(1, 100),
)
def test_lists_of_ids_hold_each_id_once_and_fit_an_address(ids: list[str], most: int) -> None:
    parts = list(lists_of_ids("externId", ids, most))
    assert [one for part in parts for one in part.values] == list(dict.fromkeys(ids))
    assert all(len(part.values) <= most for part in parts)
    settings = CoachviewSettings("demo", "https://secure.coachview.net", "c", "s")
    for part in parts:
        address = f"{settings.url('Personen')}?{Ask.page('Personen', 0, 100, part.where).query}"
        assert len(address) < 2048


@given(st.integers(1, 40), st.integers(1, 12))
def test_a_list_of_ids_is_cut_into_shorter_ones(count: int, parts: int) -> None:
    whole = Ids("id", tuple(map(str, range(count))))
    pieces = whole.cut(parts)
    assert tuple(one for piece in pieces for one in piece.values) == whole.values
    assert len(pieces) <= max(1, parts)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Window(dt.date(2024, 1, 1), dt.date(2024, 1, 3)), "changed from 2024-01-01 to 2024-01-02"),
        (Everything(dt.date(2010, 1, 1), dt.date(2024, 1, 1)), "everyone"),
        (Ids("externId", ("a", "b")), "2 by externId"),
    ],
)
def test_a_part_says_what_it_is(part: object, said: str) -> None:
    assert str(part) == said
