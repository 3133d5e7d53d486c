"""Mismatches: the same one is the same row; what changes lapses, what is not found again is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ledger.frames import found, mismatch

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide, decision_history, decisions_in_force, mark_applied
from moodle_coupling.ledger.mismatches import Recorded, count_open, mismatches_frame, record_mismatches, subjects
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    import pandas as pd
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


def record(
    ledger: Ledger, run: str, *rows: dict[str, Any], full: bool = True, examined: tuple[str, ...] = ()
) -> Recorded:
    return record_mismatches(ledger, "demo", run, found(*rows), full=full, examined=examined)


def everything(ledger: Ledger) -> pd.DataFrame:
    return mismatches_frame(ledger, "demo", statuses=list(MismatchStatus)).sort_values("id", ignore_index=True)


def statuses(ledger: Ledger) -> list[str]:
    return everything(ledger)["status"].tolist()


def test_a_mismatch_keeps_what_an_analyst_needs(ledger: Ledger, clock: Clock) -> None:
    assert record(ledger, "run 1", mismatch("p1")) == Recorded(new=1, again=0, reopened=0, lapsed=0, gone=0)
    row = everything(ledger).iloc[0]
    assert (row["status"], row["version"], row["times_seen"], row["subject"]) == ("open", 1, 1, "person p1")
    assert row["first_seen"] == row["last_seen"] == clock.time
    for name, value in mismatch("p1").items():
        if name != "row":
            assert row[name] == value


def test_found_again_it_is_the_same_row(ledger: Ledger, clock: Clock) -> None:
    first = clock.time
    record(ledger, "run 1", mismatch("p1"))
    second = clock.forward(days=1)
    counts = record(ledger, "run 2", mismatch("p1", evidence="said better"), mismatch("p2"))
    assert (counts.new, counts.again) == (1, 1)
    row = everything(ledger).iloc[0]
    assert (row["times_seen"], row["first_seen"], row["last_seen"], row["version"]) == (2, first, second, 1)
    assert row["evidence"] == "said better"


def test_a_run_that_is_tried_again_sees_it_once(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    record(ledger, "run 1", mismatch("p1"))
    assert everything(ledger)["times_seen"].tolist() == [1]


def test_after_a_full_comparison_what_was_not_found_is_gone(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"), mismatch("p2"))
    assert record(ledger, "run 2", mismatch("p2")).gone == 1
    assert statuses(ledger) == ["gone", "open"]


def test_a_full_comparison_that_finds_nothing_ends_all(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    record_mismatches(ledger, "other", "run 1", found(mismatch("p1")), full=True)
    assert record(ledger, "run 2").gone == 1
    assert count_open(ledger) == {"other": {"id_differs": 1}}


def test_after_a_partial_comparison_only_whom_it_looked_at_can_be_gone(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"), mismatch("p2"), mismatch("p3"))
    assert record(ledger, "run 2", mismatch("p9"), full=False, examined=("person p2",)).gone == 1
    assert statuses(ledger) == ["open", "gone", "open", "open"]


def test_gone_and_back_it_is_open_again_and_remembers_since_when(ledger: Ledger, clock: Clock) -> None:
    first = clock.time
    record(ledger, "run 1", mismatch("p1"))
    record(ledger, "run 2")
    clock.forward(days=3)
    assert record(ledger, "run 3", mismatch("p1")).reopened == 1
    row = everything(ledger).iloc[0]
    assert (row["status"], row["first_seen"], row["times_seen"]) == ("open", first, 2)


def test_other_facts_are_another_mismatch_and_the_former_is_gone(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    record(ledger, "run 2", mismatch("p1", facts={"idnumber": "changed"}), full=False)
    assert statuses(ledger) == ["gone", "open"]


def test_the_spelling_of_the_facts_does_not_count(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1") | {"facts": '{"a": 1, "b": [2]}'})
    record(ledger, "run 2", mismatch("p1") | {"facts": '{"b":[2],"a":1}'})
    assert statuses(ledger) == ["open"]


def test_a_decision_lapses_visibly_when_the_facts_change(ledger: Ledger, clock: Clock) -> None:
    record(ledger, "run 1", mismatch("p1"), mismatch("p2"))
    decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    assert decisions_in_force(ledger, "demo")["mismatch"].tolist() == [1]
    clock.forward(days=1)
    counts = record(ledger, "run 2", mismatch("p1", facts={"idnumber": "changed"}), mismatch("p2"))
    assert (counts.lapsed, counts.gone, counts.new) == (1, 0, 1)
    assert statuses(ledger) == ["lapsed", "open", "open"]
    assert decision_history(ledger, 1)[0].lapsed_at == clock.time
    assert decisions_in_force(ledger, "demo").empty


def test_a_decision_stays_in_force_while_the_mismatch_is_found_again(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    decide(ledger, 1, 1, Choice(DecisionKind.IGNORE, by="anna"))
    for run in ("run 2", "run 3"):
        record(ledger, run, mismatch("p1"))
    assert statuses(ledger) == ["decided"]
    assert decisions_in_force(ledger, "demo")["kind"].tolist() == ["ignore"]


def test_since_when_it_has_its_status_is_known(ledger: Ledger, clock: Clock) -> None:
    def since() -> object:
        return everything(ledger).iloc[0]["since"]

    record(ledger, "run 1", mismatch("p1"))
    first = clock.time
    clock.forward(days=1)
    record(ledger, "run 2", mismatch("p1"))
    assert since() == first
    at = clock.forward(hours=8)
    decision = decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    assert since() == at
    clock.forward(minutes=5)
    changed = decide(ledger, 1, 2, Choice(DecisionKind.LINK, by="bram"))
    assert (since(), decision.id) == (at, changed.id - 1)
    at = clock.forward(days=1)
    mark_applied(ledger, "run 3", [changed.id])
    assert since() == at
    at = clock.forward(days=1)
    record(ledger, "run 4")
    assert since() == at
    at = clock.forward(days=1)
    record(ledger, "run 5", mismatch("p1"))
    assert since() == at


def test_a_decision_on_something_that_went_by_itself_lapses(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    record(ledger, "run 2")
    assert statuses(ledger) == ["gone"]
    assert decision_history(ledger, 1)[0].lapsed_at is not None
    record(ledger, "run 3", mismatch("p1"))
    assert statuses(ledger) == ["open"]
    assert decisions_in_force(ledger, "demo").empty


def test_open_decided_applied_gone(ledger: Ledger, clock: Clock) -> None:
    record(ledger, "run 1", mismatch("p1"))
    decision = decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna", account_id=77))
    record(ledger, "run 2", mismatch("p1"))
    assert mark_applied(ledger, "run 2", [decision.id]) == 1
    assert statuses(ledger) == ["applied"]
    assert decisions_in_force(ledger, "demo").empty
    assert mark_applied(ledger, "run 2", [decision.id]) == 0
    record(ledger, "run 3")
    assert statuses(ledger) == ["gone"]
    kept = decision_history(ledger, 1)[0]
    assert (kept.applied_run, kept.applied_at, kept.lapsed_at) == ("run 2", clock.time, None)


def test_applied_and_found_once_more_it_is_open_again(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    decision = decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    record(ledger, "run 2", mismatch("p1"))
    mark_applied(ledger, "run 2", [decision.id])
    record(ledger, "run 2", mismatch("p1"))
    assert statuses(ledger) == ["applied"]
    record(ledger, "run 3", mismatch("p1"))
    assert statuses(ledger) == ["open"]


def test_accounts_without_a_person_and_persons_without_a_person_id_have_a_name_too() -> None:
    frame = found(
        mismatch("p1"), mismatch("p2", person_id=""), mismatch("p3", person_id="", idnumber="9", row=None, account_id=5)
    )
    assert subjects(frame) == ["person p1", "idnumber xp2", "account 5"]


def test_an_orphan_is_an_account_also_when_it_is_known_whose_it_was(ledger: Ledger) -> None:
    """A run for its former person does not look at the account, so it cannot find that the mismatch is gone."""
    orphan = mismatch("p1", "orphan", row=None, account_id=5)
    record(ledger, "run 1", orphan)
    assert everything(ledger)["subject"].tolist() == ["account 5"]
    record(ledger, "run 2", full=False, examined=("person p1",))
    assert statuses(ledger) == ["open"]
    record(ledger, "run 3", full=False, examined=("account 5",))
    assert statuses(ledger) == ["gone"]


def test_a_decision_that_could_not_be_carried_out_stays_in_force(ledger: Ledger) -> None:
    record(ledger, "run 1", mismatch("p1"))
    decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    record(ledger, "run 2", mismatch("p1"))
    assert mark_applied(ledger, "run 2", []) == 0
    record(ledger, "run 3", mismatch("p1"))
    assert statuses(ledger) == ["decided"]
    assert len(decisions_in_force(ledger, "demo")) == 1


def test_one_that_was_carried_out_while_it_was_being_changed_says_so(ledger: Ledger, clock: Clock) -> None:
    record(ledger, "run 1", mismatch("p1"))
    linked = decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna"))
    record(ledger, "run 2", mismatch("p1"))
    decide(ledger, 1, 2, Choice(DecisionKind.IGNORE, by="bram"))
    assert mark_applied(ledger, "run 2", [linked.id]) == 0
    first, second = decision_history(ledger, 1)
    assert (first.applied_run, first.applied_at, first.lapsed_at) == ("run 2", clock.time, clock.time)
    assert (second.applied_at, second.lapsed_at) == (None, None)
    assert statuses(ledger) == ["decided"]


def test_the_same_mismatch_twice_in_one_comparison_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="once each"):
        record(ledger, "run 1", mismatch("p1"), mismatch("p1"))
    assert statuses(ledger) == []


def test_new_ones_since_yesterday_can_be_counted(ledger: Ledger, clock: Clock) -> None:
    record(ledger, "run 1", mismatch("p1"), mismatch("p2", "held"))
    clock.forward(days=1)
    record(ledger, "run 2", mismatch("p1"), mismatch("p2", "held"), mismatch("p3"))
    assert count_open(ledger) == {"demo": {"id_differs": 2, "held": 1}}
    assert count_open(ledger, since=clock.time) == {"demo": {"id_differs": 1}}


def test_twenty_thousand_mismatches_are_compared_at_once(ledger: Ledger) -> None:
    """A plan of the database that compares each with each would not come to an end here."""
    rows = [mismatch(f"p{n}") for n in range(20_000)]
    assert record(ledger, "run 1", *rows).new == 20_000
    counts = record(ledger, "run 2", *rows[5000:])
    assert (counts.again, counts.gone) == (15_000, 5000)
