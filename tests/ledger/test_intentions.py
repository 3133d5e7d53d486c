"""Intentions and outcomes: recorded before, settled after, and never doubled."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from ledger.frames import outcomes

from moodle_coupling.ledger.cells import row_keys
from moodle_coupling.ledger.errors import LeaseLost, NotInLedger, NotPlanned, PlanInFlight
from moodle_coupling.ledger.intentions import count_states, is_begun, mark_sent, mark_unsent, plan_intentions, unsettled
from moodle_coupling.ledger.leases import Lease, acquire
from moodle_coupling.ledger.outcomes import Settled, count_statuses, environment_outcomes, run_outcomes, settle
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.ledger.words import FINAL
from moodle_coupling.provisioning.load.rows import OutcomeStatus

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


@pytest.fixture
def run(ledger: Ledger) -> str:
    """Give a run with a plan of five rows, 2 to 6, that write."""
    begun = begin_run(ledger, "demo", "dag", "run", mode="full").id
    plan_intentions(ledger, begun, ["2", "3", "4", "5", "6"], digest="plan")
    return begun


def states(ledger: Ledger, run: str) -> dict[str, tuple[str, str]]:
    frame = unsettled(ledger, run)
    return {key: (state, batch) for key, state, batch in frame.itertuples(index=False)}


def test_the_final_statuses_are_those_of_the_loader() -> None:
    assert {*FINAL} == {*OutcomeStatus} - {OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN}


def test_what_is_planned_waits(ledger: Ledger, run: str) -> None:
    assert states(ledger, run) == dict.fromkeys("23456", ("planned", ""))


def test_between_sending_and_settling_it_is_known_what_may_have_happened(
    ledger: Ledger, run: str, clock: Clock
) -> None:
    mark_sent(ledger, run, ["2", "3"], "batch 1")
    mark_sent(ledger, run, ["4"], "batch 2")
    settle(ledger, run, outcomes([2, 3], at=clock.time))
    assert states(ledger, run) == {"4": ("sent", "batch 2"), "5": ("planned", ""), "6": ("planned", "")}
    assert count_states(ledger, run) == {"planned": 2, "sent": 1, "settled": 2}


def test_what_did_not_go_out_after_all_is_as_planned_again_and_what_is_settled_stays(
    ledger: Ledger, run: str, clock: Clock
) -> None:
    mark_sent(ledger, run, ["2", "3", "4"], "batch 1")
    settle(ledger, run, outcomes([2], at=clock.time))
    mark_unsent(ledger, run, ["2", "3"])
    assert states(ledger, run) == {
        "3": ("planned", ""),
        "4": ("sent", "batch 1"),
        **dict.fromkeys("56", ("planned", "")),
    }
    assert count_states(ledger, run) == {"planned": 3, "sent": 1, "settled": 1}


def test_a_plan_is_begun_once_something_of_it_was_sent_or_has_an_outcome(
    ledger: Ledger, run: str, clock: Clock
) -> None:
    assert not is_begun(ledger, run)
    mark_sent(ledger, run, ["2"], "batch 1")
    assert is_begun(ledger, run)
    settle(ledger, run, outcomes([2], at=clock.time))
    assert is_begun(ledger, run)
    plan_intentions(ledger, run, ["2"], digest="another plan")
    assert not is_begun(ledger, run)
    settle(ledger, run, outcomes([7], "skipped", at=clock.time))
    assert is_begun(ledger, run)


def test_planning_the_same_again_changes_nothing(ledger: Ledger, run: str, clock: Clock) -> None:
    mark_sent(ledger, run, ["2", "3"], "batch 1")
    settle(ledger, run, outcomes([2], at=clock.time))
    assert plan_intentions(ledger, run, ["2", "3", "4", "5", "6"], digest="plan") == 1
    assert states(ledger, run)["3"] == ("sent", "batch 1")
    assert "2" not in states(ledger, run)


def test_another_plan_waits_until_what_was_sent_is_settled(ledger: Ledger, run: str, clock: Clock) -> None:
    mark_sent(ledger, run, ["2"], "batch 1")
    with pytest.raises(PlanInFlight, match="1 rows of plan 1 were sent"):
        plan_intentions(ledger, run, ["2"], digest="another plan")
    settle(ledger, run, outcomes([2], at=clock.time))
    assert plan_intentions(ledger, run, ["2"], digest="another plan") == 2
    assert states(ledger, run) == {"2": ("planned", "")}


def test_in_another_plan_of_the_run_a_row_may_have_another_outcome_and_both_are_kept(
    ledger: Ledger, run: str, clock: Clock
) -> None:
    settle(ledger, run, outcomes([2], at=clock.time))
    plan_intentions(ledger, run, ["2"], digest="another plan")
    mark_sent(ledger, run, ["2"], "batch 9")
    settle(ledger, run, outcomes([2], "rejected", at=clock.forward(hours=1), person_id="somebody else"))
    assert run_outcomes(ledger, run)["person_id"].tolist() == ["somebody else"]
    history = environment_outcomes(ledger, "demo", since=clock.time.replace(year=2020))
    assert history["person_id"].tolist() == ["somebody else", "p2"]


def test_more_rows_than_a_statement_takes_values_are_sent_together_or_not_at_all(ledger: Ledger) -> None:
    run = begin_run(ledger, "demo", "dag", "many", mode="full").id
    keys = [str(number) for number in range(70_000)]
    plan_intentions(ledger, run, keys, digest="plan")
    with pytest.raises(NotPlanned):
        mark_sent(ledger, run, [*keys, "nobody"], "batch 1")
    assert count_states(ledger, run)["planned"] == len(keys)
    mark_sent(ledger, run, keys, "batch 2")
    assert count_states(ledger, run)["sent"] == len(keys)


def test_a_row_outside_the_plan_is_not_sent_and_neither_is_its_batch(ledger: Ledger, run: str) -> None:
    with pytest.raises(NotPlanned, match="1 rows to be sent are not in plan 1"):
        mark_sent(ledger, run, ["2", "99"], "batch 1")
    assert states(ledger, run)["2"] == ("planned", "")


@pytest.mark.parametrize("status", FINAL)
def test_a_row_with_a_final_outcome_is_not_sent_again(ledger: Ledger, run: str, clock: Clock, status: str) -> None:
    settle(ledger, run, outcomes([2], status, at=clock.time))
    with pytest.raises(NotPlanned, match="rows 2 … have their final outcome"):
        mark_sent(ledger, run, ["2", "3"], "batch 1")
    assert states(ledger, run)["3"] == ("planned", "")


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_a_row_that_failed_may_be_tried_again_and_the_later_try_stands(
    ledger: Ledger, run: str, clock: Clock, status: str
) -> None:
    settle(ledger, run, outcomes([2], status, at=clock.time))
    mark_sent(ledger, run, ["2"], "batch 2")
    assert states(ledger, run)["2"] == ("sent", "batch 2")
    assert settle(ledger, run, outcomes([2], at=clock.forward(minutes=1))) == Settled(recorded=1, kept=0)
    assert count_statuses(ledger, run) == {"done": 1}
    history = environment_outcomes(ledger, "demo", since=clock.time.replace(year=2020))
    assert history[["status", "attempt", "standing"]].values.tolist() == [["done", 2, True], [status, 1, False]]


@pytest.mark.parametrize("status", FINAL)
def test_a_final_outcome_stays_whatever_comes_after(ledger: Ledger, run: str, clock: Clock, status: str) -> None:
    settle(ledger, run, outcomes([2], status, at=clock.time))
    late = outcomes([2, 3], "failed", at=clock.forward(minutes=1))
    assert settle(ledger, run, late) == Settled(recorded=1, kept=1)
    assert run_outcomes(ledger, run)["status"].tolist() == [status, "failed"]


def test_settling_twice_doubles_nothing(ledger: Ledger, run: str, clock: Clock) -> None:
    """The answer to a commit may be lost; the caller then settles again."""
    frame = outcomes([2, 3, 4], at=clock.time).assign(status=["done", "failed", "unknown"])
    assert settle(ledger, run, frame) == Settled(recorded=3, kept=0)
    assert settle(ledger, run, frame) == Settled(recorded=0, kept=3)
    assert len(environment_outcomes(ledger, "demo", since=clock.time)) == 3


def test_a_row_that_is_settled_twice_in_one_frame_is_refused(ledger: Ledger, run: str, clock: Clock) -> None:
    with pytest.raises(ValueError, match="once each"):
        settle(ledger, run, outcomes([2, 2], at=clock.time))


def test_rows_that_were_never_to_be_sent_have_outcomes_too(ledger: Ledger, run: str, clock: Clock) -> None:
    settle(ledger, run, outcomes([100], "rejected", at=clock.time))
    assert count_statuses(ledger, run) == {"rejected": 1}
    assert count_states(ledger, run)["settled"] == 0


def test_an_orphan_goes_by_its_account(ledger: Ledger, run: str, clock: Clock) -> None:
    frame = outcomes([2, 3], at=clock.time)
    frame["row"] = frame["row"].mask(frame["row"] == 3)
    assert row_keys(frame) == ["2", "account 1003"]
    settle(ledger, run, frame)
    kept = run_outcomes(ledger, run)
    assert kept["key"].tolist() == ["2", "account 1003"]
    assert kept["row"].isna().tolist() == [False, True]


def test_outcomes_come_back_as_they_went_in(ledger: Ledger, run: str, clock: Clock) -> None:
    frame = outcomes([2, 3], at=clock.time, message="Moodle: <script> said 'no' 😀")
    frame["account_id"] = frame["account_id"].mask(frame["row"] == 3)
    settle(ledger, run, frame)
    back = run_outcomes(ledger, run)
    for name in frame.columns:
        assert back[name].dtype == frame[name].dtype or name in {"verdict", "action"}, name
        assert (
            back[name].astype(object).where(back[name].notna(), None).tolist()
            == frame[name].astype(object).where(frame[name].notna(), None).tolist()
        ), name


def test_outcomes_are_given_by_the_page_and_by_status(ledger: Ledger, run: str, clock: Clock) -> None:
    frame = outcomes(range(10), at=clock.time)
    frame.loc[::2, "status"] = "failed"
    settle(ledger, run, frame)
    first = run_outcomes(ledger, run, statuses=["failed"], limit=3)
    second = run_outcomes(ledger, run, statuses=["failed"], after=int(first["id"].iloc[-1]), limit=3)
    assert [*first["row"], *second["row"]] == [0, 2, 4, 6, 8]
    assert run_outcomes(ledger, run, statuses=["unknown"]).empty


def test_monstrous_values_of_a_rejected_person_are_kept(ledger: Ledger, run: str, clock: Clock) -> None:
    monster = "😀" * 5000 + "\0\ud800"
    frame = outcomes([2], "rejected", at=clock.time)
    for name in ("email", "username", "message", "lastname"):
        frame[name] = pd.Series([monster], dtype="object")
    assert settle(ledger, run, frame).recorded == 1
    assert len(run_outcomes(ledger, run)["message"].iloc[0]) == 5001


def test_a_run_that_lost_its_environment_sends_nothing_but_may_settle(ledger: Ledger, run: str, clock: Clock) -> None:
    import datetime as dt

    lease = acquire(ledger, "demo", "run 1", ttl=dt.timedelta(minutes=5))
    assert isinstance(lease, Lease)
    mark_sent(ledger, run, ["2"], "batch 1", lease=lease)
    clock.forward(minutes=6)
    acquire(ledger, "demo", "run 2", ttl=dt.timedelta(minutes=5))
    with pytest.raises(LeaseLost):
        mark_sent(ledger, run, ["3"], "batch 2", lease=lease)
    assert states(ledger, run)["3"] == ("planned", "")
    assert settle(ledger, run, outcomes([2], at=clock.time)).recorded == 1


def test_a_run_that_is_not_there_is_told(ledger: Ledger, clock: Clock) -> None:
    for call in (
        lambda: plan_intentions(ledger, "x", ["1"], digest="d"),
        lambda: mark_sent(ledger, "x", ["1"], "b"),
        lambda: settle(ledger, "x", outcomes([1], at=clock.time)),
    ):
        with pytest.raises(NotInLedger):
            call()


def test_tasks_that_settle_the_same_rows_at_once_leave_one_outcome_each(ledger: Ledger, run: str, clock: Clock) -> None:
    start = threading.Barrier(4)

    def settle_all(number: int) -> int:
        start.wait()
        parts = [outcomes([row], at=clock.time, message=f"by {number}") for row in range(2, 7)]
        return sum(settle(ledger, run, part).recorded for part in parts)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(settle_all, range(4))) == 5
    assert run_outcomes(ledger, run)["row"].sort_values().tolist() == [2, 3, 4, 5, 6]
