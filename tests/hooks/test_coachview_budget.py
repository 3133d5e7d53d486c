"""The requests of a day: counted, told, shared, and never the reserve."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock as mocking
from hooks.coachview_small import NOON, Clock, SmallCoachview, Together, hook_for, ids_of, people, settings_for

from moodle_coupling.errors import BudgetSpent
from moodle_coupling.hooks.coachview.budget import ALONE, DAY, LOOK_AGAIN, Budget, OwnState, StateAway, moment
from moodle_coupling.hooks.coachview.hook import CoachviewHook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.hooks.coachview.budget import Held, Shared

pytestmark = pytest.mark.clock


@pytest.fixture
def site() -> Iterator[SmallCoachview]:
    small = SmallCoachview(people(3))
    with mocking.Mocker() as mock:
        small.serve(mock)
        yield small


def budget(clock: Clock | None = None, shared: Shared | None = None, **settings: Any) -> Budget:
    return Budget(
        settings_for(**{"daily_budget": 100, "budget_reserve": 10, **settings}),
        shared or OwnState(),
        clock or Clock(),
    )


def told(remaining: int | str | None = None, reset: str | None = None) -> dict[str, str]:
    said = {"x-rate-limit-limit": "5000", "x-rate-limit-remaining": remaining, "x-rate-limit-reset": reset}
    return {name: str(value) for name, value in said.items() if value is not None}


def spend(of: Budget, times: int = 1, *, into_reserve: bool = False) -> None:
    for _ in range(times):
        of.spend("Personen", into_reserve=into_reserve)


# ---- our own count ---------------------------------------------------------------------------------------------------


def test_runs_stop_at_the_reserve_by_our_own_count() -> None:
    ours = budget()
    spend(ours, 90)
    with pytest.raises(BudgetSpent, match=r"only the reserve of 10 is left \(10 requests\)") as caught:
        spend(ours)
    assert caught.value.resets == dt.datetime.fromtimestamp(NOON + DAY, tz=dt.UTC)
    spend(ours, 10, into_reserve=True)
    with pytest.raises(BudgetSpent, match="nothing is left"):
        spend(ours, into_reserve=True)


def test_our_day_is_24_hours_from_its_first_request() -> None:
    clock = Clock()
    ours = budget(clock)
    spend(ours, 90)
    clock.now += DAY - 1
    with pytest.raises(BudgetSpent):
        spend(ours)
    clock.now += 1
    spend(ours, 90)


def test_what_is_refused_is_not_counted() -> None:
    ours = budget()
    spend(ours, 90)
    for _ in range(5):
        with pytest.raises(BudgetSpent):
            spend(ours)
    assert ours.left().left == 10


# ---- told by coachview -----------------------------------------------------------------------------------------------


def test_what_coachview_says_goes_before_our_count() -> None:
    ours = budget()
    ours.learn(told(11))
    spend(ours)
    with pytest.raises(BudgetSpent):
        spend(ours)


def test_less_than_nothing_is_nothing() -> None:
    ours = budget()
    ours.learn(told(-3))
    assert (ours.left().left, ours.left().told) == (0, True)


def test_our_count_goes_before_what_coachview_says_where_it_is_less() -> None:
    ours = budget()
    spend(ours, 90)
    ours.learn(told(4000))
    with pytest.raises(BudgetSpent):
        spend(ours)


def test_after_the_reset_there_are_new_requests() -> None:
    clock = Clock()
    ours = budget(clock)
    ours.learn(told(0, str(int(NOON + 600))))
    with pytest.raises(BudgetSpent) as caught:
        spend(ours)
    assert caught.value.resets == dt.datetime.fromtimestamp(NOON + 600, tz=dt.UTC)
    clock.now += 600
    spend(ours, 90)


def test_our_count_ends_with_coachviews_day() -> None:
    clock = Clock()
    ours = budget(clock)
    spend(ours, 80)
    ours.learn(told(4000, str(int(NOON + 600))))
    clock.now += 600
    spend(ours, 90)


def test_a_reset_that_moves_with_every_answer_does_not_stop_our_day_from_ending() -> None:
    clock = Clock()
    ours = budget(clock)
    for _ in range(80):
        spend(ours)
        ours.learn(told(4000, str(int(clock.now + DAY))))
        clock.now += 600
    clock.now = NOON + DAY
    spend(ours, 80)


def test_a_reset_in_the_past_and_headers_that_are_nonsense_stop_nobody() -> None:
    ours = budget()
    ours.learn(told(0, str(int(NOON - 600))))
    ours.learn(told("many", "some day"))
    ours.learn({})
    spend(ours, 80)


def test_what_is_left_is_told_without_asking() -> None:
    ours = budget()
    assert (ours.left().left, ours.left().for_runs, ours.left().told) == (100, 90, False)
    ours.learn(told(5, str(int(NOON + 600))))
    left = ours.left()
    assert (left.left, left.for_runs, left.told) == (5, 0, True)
    assert left.resets == dt.datetime.fromtimestamp(NOON + 600, tz=dt.UTC)


def test_tasks_share_one_count() -> None:
    shared = OwnState()
    one, other = budget(shared=shared), budget(shared=shared)
    spend(one, 60)
    spend(other, 30)
    with pytest.raises(BudgetSpent):
        spend(one)


class Outage:
    """A shared count that is away when told to be."""

    def __init__(self) -> None:
        self.state = OwnState()
        self.away = False

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        if self.away:
            raise StateAway("the ledger does not answer")
        with self.state.held() as held:
            yield held


def test_while_the_shared_count_is_away_a_task_goes_on_from_what_it_saw_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared, clock = Outage(), Clock()
    one, other = budget(clock, shared), budget(clock, shared)
    spend(other, 50)
    spend(one, 20)
    shared.away = True
    spend(one, 20)
    with pytest.raises(BudgetSpent):
        spend(one)
    assert [record.levelno for record in caplog.records if "the ledger does not answer" in record.getMessage()] == [
        logging.WARNING
    ]
    shared.away = False
    clock.now += ALONE
    assert one.left().left == 10
    assert other.left().left == 10


def test_a_task_that_never_saw_the_shared_count_stays_within_the_budget_by_itself() -> None:
    shared = Outage()
    shared.away = True
    alone = budget(shared=shared)
    spend(alone, 90)
    with pytest.raises(BudgetSpent):
        spend(alone)


def test_the_day_is_that_of_the_clock_all_share_and_not_of_a_machine_that_is_ahead() -> None:
    class Place(Outage):
        @contextlib.contextmanager
        def held(self) -> Iterator[Held]:
            with super().held() as held:
                held.now = NOON
                yield held

    shared, ahead = Place(), Clock()
    ahead.now += 2 * DAY
    spend(budget(shared=shared), 60)
    wrong = budget(ahead, shared)
    spend(wrong, 30)
    with pytest.raises(BudgetSpent) as caught:
        spend(wrong)
    assert caught.value.resets == dt.datetime.fromtimestamp(NOON + DAY, tz=dt.UTC)


def test_a_day_that_ends_in_a_far_year_ends_within_a_day() -> None:
    shared, clock = OwnState(), Clock()
    with shared.held() as held:
        held.document.update(used=90, until=NOON + 1e6 * DAY, remaining=0, reset=NOON + 1e6 * DAY)
    ours = budget(clock, shared)
    with pytest.raises(BudgetSpent):
        spend(ours)
    clock.now += DAY
    spend(ours, 90)


# ---- the form of a moment --------------------------------------------------------------------------------------------

NOON_UTC = "2026-11-25T12:00:00"


@pytest.mark.parametrize(
    "value",
    [
        str(int(NOON)),
        f"{NOON:.3f}",
        str(int(NOON * 1000)),
        f"{NOON_UTC}Z",
        f"{NOON_UTC}+00:00",
        "2026-11-25T13:00:00+01:00",
        NOON_UTC,
        f"{NOON_UTC}.0000000Z",
        "2026-11-25 12:00:00Z",
        "Wed, 25 Nov 2026 12:00:00 GMT",
        " 3600 ",
    ],
)
def test_a_moment_is_read_in_whichever_form_it_comes(value: str) -> None:
    now = NOON - 3600
    assert moment(value, now) == pytest.approx(NOON)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_moment_is_none(value: str | None) -> None:
    assert moment(value, NOON) is None


@pytest.mark.parametrize("value", ["morgen", "25-11-2026 12:00", "2026-13-45", "-5"])
def test_a_moment_in_an_unknown_form_is_none_and_said(value: str, caplog: pytest.LogCaptureFixture) -> None:
    assert moment(value, NOON) is None
    assert value in caplog.text


# ---- through the hook ------------------------------------------------------------------------------------------------


def read(hook: CoachviewHook) -> None:
    assert len(ids_of(hook.persons())) == 3


def test_nothing_is_sent_once_only_the_reserve_is_left(site: SmallCoachview) -> None:
    site.headers = {"X-Rate-Limit-Remaining": "250", "X-Rate-Limit-Reset": "2026-11-25T23:00:00Z"}
    hook = hook_for()
    read(hook)
    with pytest.raises(BudgetSpent, match="go on after 2026-11-25 23:00 UTC"):
        read(hook)
    assert len(site.asked) == 1
    assert hook.budget_left().for_runs == 0


def test_a_check_may_use_the_reserve(site: SmallCoachview) -> None:
    site.headers = {"X-Rate-Limit-Remaining": "250"}
    hook = hook_for()
    read(hook)
    with hook.using_reserve():
        read(hook)
    with pytest.raises(BudgetSpent):
        read(hook)


def test_a_refusal_that_ends_soon_is_waited_for(site: SmallCoachview) -> None:
    clock = Clock()
    site.before = lambda number, _params: (
        {"status_code": 429, "headers": {"Retry-After": "30"}} if number == 1 else None
    )
    read(hook_for(clock))
    assert len(site.asked) == 2
    assert sum(clock.waits) >= 30


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "2026-11-25T20:00:00Z"},
        {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(int(NOON + 8 * 3600))},
        {"Retry-After": str(8 * 3600)},
    ],
)
def test_a_refusal_until_tonight_is_raised_with_the_moment(site: SmallCoachview, headers: dict[str, str]) -> None:
    site.before = lambda _number, _params: {"status_code": 429, "headers": headers}
    hook = hook_for()
    with pytest.raises(BudgetSpent, match="HTTP 429") as caught:
        read(hook)
    assert caught.value.resets == dt.datetime(2026, 11, 25, 20, tzinfo=dt.UTC)
    assert len(site.asked) == 1
    with pytest.raises(BudgetSpent):
        read(hook)
    assert len(site.asked) == 1


def test_a_refusal_without_a_moment_is_looked_at_again_after_a_while(site: SmallCoachview) -> None:
    clock = Clock()
    site.before = lambda number, _params: {"status_code": 429} if number == 1 else None
    hook = hook_for(clock)
    with pytest.raises(BudgetSpent, match="Coachview did not say when") as caught:
        read(hook)
    assert caught.value.resets is None
    with pytest.raises(BudgetSpent):
        read(hook)
    assert len(site.asked) == 1
    clock.now += LOOK_AGAIN
    read(hook)


def test_another_task_knows_of_a_refusal(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: {"status_code": 429, "headers": {"Retry-After": "3600"}}
    together = Together()
    hooks = [CoachviewHook.from_settings(settings_for(), sharing=together, now=Clock()) for _ in range(2)]
    for hook in hooks:
        with pytest.raises(BudgetSpent):
            read(hook)
    assert len(site.asked) == 1
    assert together.written("budget")[0]["remaining"] == 0


def test_every_attempt_counts(site: SmallCoachview) -> None:
    site.before = lambda number, _params: {"status_code": 503} if number < 3 else None
    hook = hook_for()
    read(hook)
    assert hook.requests_made == 3
    assert hook.budget_left().left == 5000 - 3
