"""What the ledger knows of targets under another name: what was decided, taken back, lapsed, and under which name things are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ledger.frames import found, mismatch
from ledger.test_access import PLAN, rows

from moodle_coupling.access.questions import Alike, Answer, Question, mismatches, subject
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.access import (
    answers,
    given_access,
    intention_key,
    keep_as,
    known_targets,
    name_kept,
    settle_access,
)
from moodle_coupling.ledger.decisions import Choice, decide, decisions_in_force, withdraw
from moodle_coupling.ledger.errors import NotItsAccount
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

DOCS = Alike(7, {"idnumber": "docs", "fullname": "Docenten"}, "docs")
ASKED = Question("cohort", "Docenten", "idnumber", (DOCS, Alike(9, {"idnumber": "", "fullname": "docenten"})))
RENAMED = replace(ASKED, alike=(replace(DOCS, values={"idnumber": "docs", "fullname": "Leraren"}), ASKED.alike[1]))
TARGET = ("cohort", "Docenten")


def ask(ledger: Ledger, *questions: Question, run: str = "run 1") -> None:
    examined = [subject(TARGET)]
    record_mismatches(ledger, "demo", run, mismatches(questions, {}), full=False, examined=examined)


def standing(ledger: Ledger) -> tuple[int, int]:
    frame = mismatches_frame(ledger, "demo", statuses=[MismatchStatus.OPEN, MismatchStatus.DECIDED])
    (row,) = frame[frame["verdict"] == "target_elsewhere"].to_dict("records")
    return int(row["id"]), int(row["version"])


def say(ledger: Ledger, kind: DecisionKind = DecisionKind.STANDS_FOR, number: int | None = 7) -> None:
    decide(ledger, *standing(ledger), Choice(kind, by="ann", account_id=number))


def answer(ledger: Ledger, question: Question = ASKED) -> Answer:
    return answers(ledger, "demo", [question])[TARGET]


def test_a_question_that_nobody_knows_is_asked(ledger: Ledger) -> None:
    assert answers(ledger, "demo", []) == {}
    assert answer(ledger) == Answer(None, asked=True)
    ask(ledger, ASKED)
    assert answer(ledger) == Answer(None, asked=True)
    assert known_targets(ledger, "demo")[TARGET].is_asked


def test_a_decision_holds_for_exactly_what_was_asked_and_in_its_environment(ledger: Ledger) -> None:
    ask(ledger, ASKED)
    with pytest.raises(NotItsAccount):
        say(ledger, number=8)
    say(ledger)
    assert answer(ledger) == Answer(7, asked=False)
    assert answer(ledger, RENAMED) == Answer(None, asked=True)
    assert answers(ledger, "other", [ASKED])[TARGET] == Answer(None, asked=True)
    known = known_targets(ledger, "demo")[TARGET]
    assert (known.number, known.by, known.values["idnumber"], known.is_asked) == (7, "ann", "docs", False)


def test_it_is_in_force_for_as_long_as_it_is_found_again(ledger: Ledger) -> None:
    ask(ledger, ASKED)
    say(ledger)
    for run in ("run 2", "run 3"):
        ask(ledger, ASKED, run=run)
        assert answer(ledger).number == 7
        assert list(decisions_in_force(ledger, "demo")["kind"]) == ["stands_for"]
    ask(ledger, RENAMED, run="run 4")
    assert decisions_in_force(ledger, "demo").empty
    known = known_targets(ledger, "demo")[TARGET]
    assert (known.number, known.stood, known.is_asked) == (None, 7, True), "it may still be meant"


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        (DecisionKind.IGNORE, None, Answer(None, asked=False)),
        (DecisionKind.LATER, None, Answer(None, asked=True)),
        (DecisionKind.STANDS_FOR, 9, Answer(9, asked=False)),
    ],
)
def test_the_latest_decision_counts(ledger: Ledger, kind: DecisionKind, number: int | None, expected: Answer) -> None:
    ask(ledger, ASKED)
    say(ledger)
    say(ledger, kind, number)
    assert answer(ledger) == expected


def test_taken_back_it_stands_for_nothing_and_taking_back_a_no_is_asking(ledger: Ledger) -> None:
    ask(ledger, ASKED)
    say(ledger)
    assert withdraw(ledger, [standing(ledger)], by="bob").decided
    assert answer(ledger) == Answer(None, asked=False), "it is no doubt"
    known = known_targets(ledger, "demo")[TARGET]
    assert (known.number, known.stood, known.is_asked) == (None, None, True)
    say(ledger, DecisionKind.IGNORE, None)
    assert withdraw(ledger, [standing(ledger)], by="bob").decided
    assert answer(ledger) == Answer(None, asked=True)


def test_comparisons_of_persons_and_of_targets_leave_each_other_alone(ledger: Ledger) -> None:
    ask(ledger, ASKED)
    record_mismatches(ledger, "demo", "run 2", found(mismatch("p1")), full=True)
    ask(ledger, run="run 3")
    frame = mismatches_frame(ledger, "demo", statuses=list(MismatchStatus))
    assert dict(zip(frame["subject"], frame["status"], strict=True)) == {"person p1": "open", "cohort Docenten": "gone"}


class TestKept:
    @pytest.fixture
    def gave(self, ledger: Ledger) -> Any:
        run = begin_run(ledger, "demo", "dag", "run", mode="full").id
        plan_intentions(ledger, run, [intention_key(PLAN, position) for position in range(4)], digest="plan")
        return lambda *some: settle_access(ledger, run, PLAN, rows(*some))

    def test_what_was_given_moves_to_the_name_and_nothing_else_does(self, ledger: Ledger, gave: Any) -> None:
        gave(
            {"position": 0, "target": "#7 BHV"},
            {"position": 1, "target": "oud", "account_id": 102},
            {"position": 2, "target": "ander", "target_id": 8},
        )
        for _ in range(2):
            keep_as(ledger, "demo", [("course", 7, "BHV"), ("cohort", 8, "x")])
            keep_as(ledger, "other", [("course", 8, "x")])
            kept = given_access(ledger, "demo")
            assert sorted(zip(kept["account_id"], kept["target"], strict=True)) == [
                (101, "BHV"),
                (101, "ander"),
                (102, "BHV"),
            ]

    def test_somebody_who_has_it_under_two_names_has_it_once(self, ledger: Ledger, gave: Any) -> None:
        gave({"position": 0, "target": "a"}, {"position": 1, "target": "b"}, {"position": 2, "target": "BHV"})
        keep_as(ledger, "demo", [("course", 7, "BHV")])
        assert list(given_access(ledger, "demo")["target"]) == ["BHV"]

    def test_a_name_that_is_another_ones_there_is_not_taken(self, ledger: Ledger, gave: Any) -> None:
        gave({"position": 0, "target": "oud"}, {"position": 1, "target": "BHV", "target_id": 8})
        keep_as(ledger, "demo", [("course", 7, "BHV")])
        kept = given_access(ledger, "demo")
        assert sorted(zip(kept["target"], kept["target_id"], strict=True)) == [("BHV", 8), ("oud", 7)]

    def test_the_name_under_which_something_was_given_is_known_without_asking(self) -> None:
        there = [("cohort", "docs", 7), ("course", "BHV", 9)]
        assert [name_kept(7, "cohort", there), name_kept(9, "cohort", there)] == ["docs", "#9"]
