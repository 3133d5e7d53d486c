"""One person: found again, forgotten for good; and what is too old."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import sqlalchemy
from ledger.frames import found, mismatch, outcomes
from sqlalchemy import text

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity, leases, people
from moodle_coupling.ledger.accounts import AccountKeys, absences, links_frame, note_absences, record_links
from moodle_coupling.ledger.approvals import ask
from moodle_coupling.ledger.decisions import Choice, decide, protect, protections
from moodle_coupling.ledger.intentions import mark_sent, plan_intentions, unsettled
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page, mismatches_frame, record_mismatches
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.outcomes import count_statuses, environment_outcomes, run_outcomes, settle
from moodle_coupling.ledger.removal import Forgotten, PersonIds, Purged, _free_texts, forget_person, purge
from moodle_coupling.ledger.runs import begin_run, end_run, ever_loaded
from moodle_coupling.ledger.words import MismatchStatus, RunState

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

EVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def run_with(ledger: Ledger, frame: pd.DataFrame, environment: str = "demo", name: str = "run") -> str:
    run = begin_run(ledger, environment, "dag", name, mode="full").id
    plan_intentions(ledger, run, [], digest="plan")
    settle(ledger, run, frame)
    return run


def everything_kept(ledger: Ledger) -> str:
    """Give all that stands in any table, as text."""
    with ledger.reading() as connection:
        return "\n".join(
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in connection.execute(text(f'SELECT * FROM "{table.name}"'))  # noqa: S608
        )


@pytest.mark.parametrize(
    "typed",
    [
        *("p2", "x2", "user2", "person2@EXAMPLE.org", " özt", "Öztürk Chloé"),
        *("ozturk", "chloe", "Chloé Öztürk", "OZTURK, Chloë"),
    ],
)
def test_a_person_is_found_by_any_id_address_or_the_beginning_of_the_name(
    ledger: Ledger, clock: Clock, typed: str
) -> None:
    run_with(ledger, outcomes([1, 2, 3], at=clock.time))
    run_with(ledger, outcomes([2], at=clock.time), "other")
    hits = people.find_people(ledger, typed)
    assert hits[["environment", "person_id", "email"]].values.tolist() == [
        ["demo", "p2", "Person2@example.org"],
        ["other", "p2", "Person2@example.org"],
    ]


def test_a_person_with_only_a_mismatch_is_found_too(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(mismatch("p9")), full=True)
    assert people.find_people(ledger, "p9@example.org")["person_id"].tolist() == ["p9"]
    assert people.person_mismatches(ledger, person_id="p9")["verdict"].tolist() == ["id_differs"]
    assert people.person_mismatches(ledger, person_id="p9", environment="other").empty


@pytest.mark.parametrize("typed", ["o'b", "x\\y", '"jr"', "{a}", "brién, pàt", "łódź", "straße"])
def test_any_part_of_a_name_is_found_whatever_stands_in_it(ledger: Ledger, clock: Clock, typed: str) -> None:
    odd = {"lastname": "  O'Brien   x\\y łódź", "firstname": 'Pat "Jr" {a} Straße Brién'}
    run_with(ledger, outcomes([1], at=clock.time, **odd))
    record_mismatches(ledger, "demo", "run 2", found(mismatch("p1", **odd)), full=True)
    assert people.find_people(ledger, typed)["person_id"].tolist() == ["p1", "p1"]
    assert mismatch_page(ledger, MismatchFilter(text=typed)).total == 1


@pytest.mark.parametrize("typed", ["", "  ", "nobody", "%", "_"])
def test_nobody_is_found_by_nothing_or_by_a_wildcard(ledger: Ledger, clock: Clock, typed: str) -> None:
    run_with(ledger, outcomes([1], at=clock.time))
    assert people.find_people(ledger, typed).empty


def test_a_persons_history_is_told_latest_first_in_every_environment(ledger: Ledger, clock: Clock) -> None:
    run_with(ledger, outcomes([1, 2], "failed", at=clock.time))
    run_with(ledger, outcomes([2], at=clock.forward(hours=1)), "other")
    history = people.person_outcomes(ledger, person_id="p2", idnumber="x2")
    assert history[["environment", "status"]].values.tolist() == [["other", "done"], ["demo", "failed"]]
    assert len(people.person_outcomes(ledger, person_id="p2", environment="demo")) == 1


def test_somebody_elses_rows_under_the_same_idnumber_are_left_out(ledger: Ledger, clock: Clock) -> None:
    frame = outcomes([1, 2, 3], at=clock.time, idnumber="shared").assign(person_id=["p1", "p2", ""])
    run_with(ledger, frame)
    assert people.person_outcomes(ledger, person_id="p1", idnumber="shared")["row"].tolist() == [3, 1]
    assert len(people.person_outcomes(ledger, idnumber="shared")) == 3
    with pytest.raises(ValueError, match="looked up by"):
        people.person_outcomes(ledger)


def test_a_forgotten_person_leaves_no_trace_and_every_count_stays(ledger: Ledger, clock: Clock) -> None:
    frame = outcomes([1, 2, 3], at=clock.time)
    frame.loc[2, "message"] = "Person2@example.org is already that of Chloé Öztürk (user2x)"
    run = run_with(ledger, frame)
    record_links(
        ledger,
        "demo",
        pd.DataFrame(
            {"idnumber": ["x2", "x1"], "account_id": [1002, 1001], "person_id": ["p2", "p1"], "username": "user2x"}
        ),
    )
    record_mismatches(
        ledger,
        "demo",
        run,
        found(mismatch("p2", email="Person2@example.org", account_id=1002), mismatch("p1")),
        full=True,
    )
    decide(ledger, 1, 1, Choice(DecisionKind.LINK, by="anna", note="Chloé says so", account_id=1002))
    note_absences(ledger, "demo", pd.DataFrame({"account_id": [1002, 9], "idnumber": ["x2", "x9"]}), complete=True)
    activity.note(ledger, by="anna", environment="demo", action="look", subject="account 1002", detail="Chloé")
    activity.note(ledger, by="anna", environment="demo", action="explain", subject="p2", detail="Chloé")
    record_links(ledger, "demo", pd.DataFrame({"idnumber": ["x1"], "account_id": [1001], "username": ["user1"]}))
    keep_keys(ledger, {1002: ["email person2@example.org", "username user"], 1003: ["idnumber x3"]})
    gone = forget_person(ledger, None, PersonIds(person_ids=("p2",)))
    assert gone == Forgotten(
        links=1, outcomes=1, mismatches=1, activities=2, absences=1, protections=0, mentions=1, account_keys=2, access=0
    )
    kept = everything_kept(ledger)
    for trace in ("p2", "x2", "user2", "Chloé", "Öztürk", "erson2@", "1002"):
        assert trace not in kept, trace
    assert count_statuses(ledger, run) == {"done": 3}
    assert len(mismatches_frame(ledger, "demo", statuses=list(MismatchStatus))) == 2
    assert run_outcomes(ledger, run)["person_id"].tolist() == ["p1", "", "p3"]
    assert links_frame(ledger, "demo")["idnumber"].tolist() == ["x1"]
    assert AccountKeys(ledger, "demo").accounts_with(["username user", "idnumber x3"]) == [1003]


def keep_keys(ledger: Ledger, keys: dict[int, list[str]]) -> None:
    pairs = [(account, key) for account, some in keys.items() for key in some]
    AccountKeys(ledger, "demo").keep_everyone(pd.DataFrame(pairs, columns=["account_id", "key"]), max(keys))


def test_an_account_that_is_known_by_its_key_only_is_forgotten_with_all_its_keys(ledger: Ledger) -> None:
    keep_keys(
        ledger, {7: ["idnumber cv-7", "email anna@example.org"], 8: ["email bo@example.org"], 9: ["idnumber cv-9"]}
    )
    asked = PersonIds(idnumbers=("Cv-7",), emails=("Bo@Example.org",))
    assert forget_person(ledger, "other", asked).account_keys == 0
    assert forget_person(ledger, "demo", asked).account_keys == 3
    left = ["idnumber cv-7", "email anna@example.org", "email bo@example.org", "idnumber cv-9"]
    assert AccountKeys(ledger, "demo").accounts_with(left) == [9]


PLANTED = "Seen: PERSON2@example.ORG, USER2X (chloé öztürk; Öztürk, Chloé), P2-LONGER-ID, E2-extern-id; and Anna."


def test_no_free_text_of_any_table_tells_of_a_forgotten_person(ledger: Ledger, clock: Clock) -> None:
    frame = outcomes([1, 2], at=clock.time)
    frame.loc[1, ["person_id", "extern_id", "username"]] = ["p2-longer-id", "E2-extern-id", "user2x"]
    run = run_with(ledger, frame)
    record_mismatches(ledger, "demo", run, found(mismatch("p1")), full=True)
    decide(ledger, 1, 1, Choice(DecisionKind.LATER, by="anna", note="x"))
    protect(ledger, "demo", 99, by="bram", note="x")
    ask(ledger, run, "plan", ["first load"])
    leases.impose(ledger, "demo", "x")
    for subject in (
        "p2-longer-id",
        "E2-extern-id",
        "x2",
        "person2@example.org",
        "Person2@Example.Org",
        "person p2-longer-id",
    ):
        activity.note(ledger, by="anna", environment="demo", action="explain", subject=subject)
    planted = []
    with ledger.writing() as connection:
        for table in Base.metadata.sorted_tables:
            for column in _free_texts(table):
                other = table.c.person_id != "p2-longer-id" if "person_id" in table.c else sqlalchemy.true()
                changed = connection.execute(
                    sqlalchemy.update(table).where(other).values({column.name: PLANTED})
                ).rowcount
                planted += [f"{table.name}.{column.name}"] * min(changed, 1)
    must = {"outcomes.message", "outcomes.changes", "mismatches.evidence", "mismatches.facts", "decisions.note",
            "protections.note", "activity.detail", "runs.reason", "approvals.reasons", "quarantines.reason"}  # fmt: skip
    assert must <= set(planted)

    forget_person(ledger, "demo", PersonIds(person_ids=("p2-longer-id",)))
    kept = everything_kept(ledger).lower()
    for trace in ("person2@", "user2x", "chloé öztürk", "öztürk, chloé", "p2-longer-id", "e2-extern-id", "'x2'"):
        assert trace not in kept, trace
    assert "and anna." in kept


def test_of_a_forgotten_person_only_the_number_of_the_account_not_to_be_touched_stays(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(mismatch("p1"), mismatch("p2", account_id=80)), full=True)
    for number, note in ((1, "her own"), (2, "ask anna about Person1 (p1@example.org)")):
        decide(ledger, number, 1, Choice(DecisionKind.DO_NOT_TOUCH, by="anna", note=note))
    record_links(ledger, "demo", pd.DataFrame({"idnumber": ["xp1"], "account_id": [99], "person_id": ["p1"]}))
    protect(ledger, "demo", 99, by="bram", note="her other one")
    assert forget_person(ledger, "demo", PersonIds(person_ids=("p1",))).protections == 2
    kept = protections(ledger, "demo").set_index("account_id")
    assert kept["note"].to_dict() == {77: "", 80: "ask anna about Person1 ([forgotten])", 99: ""}
    assert kept["mismatch"].isna().to_dict() == {77: True, 80: False, 99: True}
    assert "p1@" not in everything_kept(ledger)


def test_an_orphan_is_forgotten_by_idnumber_its_key_included(ledger: Ledger, clock: Clock) -> None:
    frame = outcomes([5], at=clock.time, person_id="", extern_id="")
    frame["row"] = pd.Series([pd.NA], dtype="Int64")
    run = begin_run(ledger, "demo", "dag", "run", mode="full").id
    plan_intentions(ledger, run, ["account 1005", "1"], digest="plan")
    settle(ledger, run, frame)
    assert forget_person(ledger, "demo", PersonIds(idnumbers=("x5",))).outcomes == 1
    assert "1005" not in everything_kept(ledger)
    assert unsettled(ledger, run)["key"].tolist() == ["1"]


def test_who_shares_an_idnumber_or_lives_elsewhere_is_not_forgotten(ledger: Ledger, clock: Clock) -> None:
    run_with(ledger, outcomes([1, 2], at=clock.time, idnumber="shared"))
    run_with(ledger, outcomes([1], at=clock.time), "other")
    assert forget_person(ledger, "demo", PersonIds(person_ids=("p1",))).outcomes == 1
    left = environment_outcomes(ledger, "demo", since=EVER)["person_id"].tolist()
    assert sorted(left) == ["", "p2"]
    assert len(people.person_outcomes(ledger, person_id="p1")) == 1


def words_kept(ledger: Ledger) -> set[str]:
    with ledger.reading() as connection:
        return set(connection.execute(text("SELECT word FROM name_words")).scalars())


def test_the_words_of_a_name_go_with_the_last_row_that_has_it(ledger: Ledger, clock: Clock) -> None:
    run_with(ledger, outcomes([1, 2], at=clock.time))
    run_with(ledger, outcomes([5], at=clock.time), "other")  # another Bram Jansen
    record_mismatches(ledger, "demo", "run 2", found(mismatch("p1", firstname="Bram", lastname="Janssen")), full=True)
    assert words_kept(ledger) == {"bram", "jansen", "janssen", "chloe", "ozturk"}
    forget_person(ledger, None, PersonIds(person_ids=("p1",)))
    assert words_kept(ledger) == {"bram", "jansen", "chloe", "ozturk"}
    assert people.find_people(ledger, "bram")["person_id"].tolist() == ["p5"]
    forget_person(ledger, "other", PersonIds(person_ids=("p5",)))
    assert words_kept(ledger) == {"chloe", "ozturk"}


def test_to_forget_nobody_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="say which person"):
        forget_person(ledger, None, PersonIds(person_ids=("",)))


def test_a_forgotten_mismatch_can_come_back_only_as_another(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(mismatch("p1"), mismatch("p2")), full=True)
    forget_person(ledger, None, PersonIds(person_ids=("p1", "p2")))
    assert record_mismatches(ledger, "demo", "run 2", found(mismatch("p1")), full=True).new == 1


def ended(ledger: Ledger, name: str, frame: pd.DataFrame, state: RunState = RunState.DONE) -> str:
    run = run_with(ledger, frame, name=name)
    end_run(ledger, run, state)
    return run


def test_what_is_too_old_goes_and_what_is_at_work_stays(ledger: Ledger, clock: Clock) -> None:
    ended(ledger, "old", outcomes([1, 2], at=clock.time))
    keep_keys(ledger, {9: ["idnumber x9"]})
    ended(ledger, "old too", outcomes([1], at=clock.time), RunState.FAILED)
    underway = begin_run(ledger, "demo", "dag", "underway", mode="full").id
    plan_intentions(ledger, underway, ["1"], digest="plan")
    mark_sent(ledger, underway, ["1"], "batch")
    record_mismatches(ledger, "demo", underway, found(mismatch("p1"), mismatch("p2")), full=True)
    record_mismatches(ledger, "demo", underway, found(mismatch("p1")), full=True)
    record_links(ledger, "demo", pd.DataFrame({"idnumber": ["x1"], "account_id": [1]}))
    note_absences(ledger, "demo", pd.DataFrame({"account_id": [9], "idnumber": ["x9"]}), complete=True)
    protect(ledger, "demo", 5, by="anna")
    leases.impose(ledger, "demo", "x")
    leases.impose(ledger, "demo", "y")
    limit = clock.forward(days=400)
    recent = ended(ledger, "recent", outcomes([3], at=limit))
    activity.note(ledger, by="anna", environment="demo", action="resume")
    assert purge(ledger, limit) == Purged(
        outcomes=3,
        intentions=0,
        runs=2,
        mismatches=1,
        activities=1,
        quarantines=1,
        account_keys=1,
        shared_documents=0,
        access_outcomes=0,
    )
    assert len(run_outcomes(ledger, recent)) == 1
    assert words_kept(ledger) == {"dirk", "van", "der", "meer", "anna", "de", "vries"}
    assert len(unsettled(ledger, underway)) == 1
    assert mismatches_frame(ledger, "demo")["person_id"].tolist() == ["p1"]
    assert [len(kept(ledger, "demo")) for kept in (links_frame, absences, protections)] == [1, 1, 1]
    assert [done.action for done in activity.recent(ledger)] == ["resume"]
    assert leases.in_quarantine(ledger, "demo") is not None


def test_that_an_environment_was_loaded_once_is_never_forgotten(ledger: Ledger, clock: Clock) -> None:
    ended(ledger, "old", outcomes([1, 2], at=clock.time))
    assert purge(ledger, clock.forward(days=400)).outcomes == 2
    assert ever_loaded(ledger, "demo")
