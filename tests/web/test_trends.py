"""The trends of an environment: real writes only, a standing reject once, mismatches by age, and charts that can be read."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from ledger.frames import found, mismatch, outcomes

from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.mismatches import record_mismatches
from moodle_coupling.ledger.outcomes import settle
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.web.environments import charts
from moodle_coupling.web.environments.charts import Buckets, trends
from moodle_coupling.words.sentence import Texts

NOW = dt.datetime(2026, 6, 10, 12, 0, tzinfo=dt.UTC)
ENGLISH = Texts("en")


@pytest.fixture
def past(ledger):
    """Give a function that lets a run end some days ago, with outcomes, a mismatch and a length."""
    clock = [NOW]
    opened = open_ledger(str(ledger._engine.url), clock=lambda: clock[0])

    def made(days, *frames, state=RunState.DONE, mode="full", counts=None, persons=(), minutes=3):
        clock[0] = NOW - dt.timedelta(days=days)
        run = begin_run(opened, "demo", "moodle_reconcile__demo", f"scheduled__{days}_{state}_{mode}", mode=mode)
        if frames:
            plan_intentions(opened, run.id, [str(row) for frame in frames for row in frame["row"]], digest="a plan")
        for frame in frames:
            frame["at"] = clock[0]
            settle(opened, run.id, frame)
        if mode != "dry run":
            record_mismatches(opened, "demo", run.id, found(*(mismatch(one) for one in persons)), full=True)
        clock[0] += dt.timedelta(minutes=minutes)
        end_run(opened, run.id, state, counts=counts or {})

    yield made
    opened.close()


def rejected(*rows, code="lastname_missing"):
    return outcomes(list(rows), "rejected", at=NOW, code=code, verdict="", action="reject")


def test_what_was_really_written_is_counted_by_day(past, ledger):
    past(40, outcomes([1, 2], "done", at=NOW), outcomes([3], "done", at=NOW, action="update"))
    past(12, outcomes([4], "done", at=NOW, action="suspend"), rejected(9), minutes=95)
    past(11, outcomes([5], "done", at=NOW, action="link"), rejected(9), state=RunState.FAILED)
    past(10, rejected(9, 10))
    past(9, state=RunState.STOPPED, mode="dry run", counts={"planned_create": 50}, minutes=500)
    past(8, state=RunState.REJECTED, counts={"planned_create": 50}, minutes=500)
    past(200, outcomes([6], "done", at=NOW), rejected(11))
    shown = trends(ledger, "demo", "90", NOW, ENGLISH)
    written, refused, _, took = shown.charts
    assert {one.kind: one.total for one in written.series} == {"created": 2, "updated": 2, "suspended": 1}
    assert written.rows[0] == (dt.date(2026, 5, 30), [0, 1, 0])
    assert [(day, numbers) for day, numbers in refused.rows] == [
        (dt.date(2026, 5, 31), [1]),
        (dt.date(2026, 5, 29), [1]),
    ]
    assert dict(took.rows)[dt.date(2026, 5, 29)] == [95]
    assert dt.date(2026, 6, 1) not in dict(took.rows)  # the dry run and the rejected plan

    year = trends(ledger, "demo", "365", NOW, ENGLISH)
    assert [one.total for one in year.charts[0].series] == [3, 2, 1]
    assert len(year.charts[0].days) == 52


def test_open_mismatches_by_kind_and_age(past, ledger):
    past(60, persons=("p1", "p2"))
    past(20, persons=("p1", "p2", "p3"))
    past(5, persons=("p1", "p3"))
    shown = trends(ledger, "demo", "90", NOW, ENGLISH)
    (line,) = shown.charts[2].series
    of = dict(zip(shown.charts[2].days, line.numbers, strict=True))
    days = [70, 59, 19, 4, 0]
    assert [of[NOW.date() - dt.timedelta(days=number)] for number in days] == [0, 2, 3, 2, 2]
    assert list(shown.ages.values()) == [(0, 0, 1, 1, 0)]


@pytest.mark.parametrize(
    ("number", "top"), [(0, 2), (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 20), (83, 100), (101, 200)]
)
def test_an_axis_ends_in_a_round_number_above_everything(number, top):
    laid = charts.chart("x", "x", [dt.date(2026, 1, 1)], {"a": ("a", [number])})
    assert [tick.number for tick in laid.upright] == [0, top / 2, top]
    assert all(8 <= rect.y <= charts.HEIGHT - charts.BOTTOM for rect in laid.rects)


def test_the_last_bar_is_today_and_what_is_older_counts_for_the_first():
    buckets = Buckets.up_to(NOW.date(), 90, 1)
    assert (buckets.days[-1], buckets.of(NOW), buckets.of(NOW - dt.timedelta(days=400))) == (NOW.date(), 89, 0)


def test_the_page_has_four_charts_with_axes_and_a_table_each(visit, ledger):
    run = begin_run(ledger, "demo", "moodle_reconcile__demo", "manual__1", mode="full")
    frames = [outcomes([1], "done", at=dt.datetime.now(dt.UTC)), rejected(2)]
    frames[1]["at"] = dt.datetime.now(dt.UTC)
    plan_intentions(ledger, run.id, ["1", "2"], digest="a plan")
    for frame in frames:
        settle(ledger, run.id, frame)
    record_mismatches(ledger, "demo", run.id, found(mismatch("p1")), full=True)
    end_run(ledger, run.id, RunState.DONE)
    assert 'href="/moodle/environments/demo/trends"' in visit("viewer").get("/environments/demo").text
    html = visit("viewer").get("/environments/demo/trends").text
    assert html.count("<svg") == 3  # a run of no time at all has no length
    assert html.count("<details") == 3
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    assert html.count(f'<time datetime="{today}">') == 3
    assert "Open mismatches now, by age" in html
    assert 'aria-current="true">90 days' in re.sub(r"\s+", " ", html)
    year = visit("viewer", language="nl").get("/environments/demo/trends?over=365").text
    assert "Week vanaf" in year
    assert visit("viewer").get("/environments/demo/trends?over=7").status_code == 422
