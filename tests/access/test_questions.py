"""Targets that Moodle has under another name: how they are asked, named and kept, and what doubt leaves alone."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from access.made import (
    COHORT,
    COURSE,
    NOW,
    accounts,
    candidates,
    given,
    listed,
    mapping,
    members,
    persons,
    targets,
    wanted,
)

from moodle_coupling.access.plan import Circumstances, plan_access
from moodle_coupling.access.questions import (
    Alike,
    Question,
    by_number,
    kept_in,
    mismatches,
    number_in,
    subject,
    waiting,
)
from moodle_coupling.access.wanted import wanted_access
from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.words.sentence import Texts, read

DOCS = Alike(7, {"idnumber": "docs", "fullname": "Docenten"}, "docs")
BARE = Alike(9, {"idnumber": "", "fullname": "docenten"})
ASKED = Question(COHORT, "Docenten", "idnumber", (DOCS, BARE))
ELSEWHERE = {"target": "Docenten", "target_id": pd.NA, "code": "target_elsewhere", "alike": DOCS.text}


class TestMismatch:
    def test_it_is_about_the_name_and_points_at_all_that_is_alike(self):
        (row,) = mismatches([ASKED], {ASKED.target: 3}).to_dict("records")
        assert (row["subject"], row["verdict"]) == ("cohort Docenten", "target_elsewhere")
        assert json.loads(row["other_accounts"]) == [7, 9]
        assert MismatchFacts.read(row["facts"]) == ASKED.facts

    def test_how_many_wait_is_told_and_no_fact(self):
        one, many = (mismatches([ASKED], {ASKED.target: n}).iloc[0] for n in (1, 3))
        assert one["facts"] == many["facts"]
        assert "3 persons belong there" in str(read(many["evidence"]))
        assert "hoort 1 persoon in" in Texts("nl").say(read(one["evidence"]))

    @pytest.mark.parametrize(
        "other",
        [
            Question(COHORT, "Docenten", "idnumber", (DOCS,)),
            Question(COHORT, "docenten", "idnumber", (DOCS, BARE)),
            Question(COHORT, "Docenten", "idnumber", (Alike(7, {"idnumber": "docs2", "fullname": "Docenten"}), BARE)),
            Question(COHORT, "Docenten", "idnumber", (Alike(8, DOCS.values), BARE)),
        ],
    )
    def test_any_change_of_what_is_named_or_alike_is_another_question(self, other: Question):
        assert other.facts != ASKED.facts

    def test_who_waits_is_counted_once_and_only_whom_it_concerns(self):
        want = wanted(
            {"row": 2, "target": "Docenten"},
            {"row": 3, "target": "Docenten", "code": "contradicts"},
            {"row": 4, "target": "Docenten", "code": "out_of_scope"},
            {"row": 5, "target": "Docenten", "kind": COURSE},
        )
        assert waiting(want, [(COHORT, "Docenten"), (COHORT, "geen")]) == {
            (COHORT, "Docenten"): 2,
            (COURSE, "Docenten"): 1,
        }


@pytest.mark.parametrize(
    ("name", "number"), [("#12 Docenten", 12), ("#12", 12), ("docs", None), ("#x", None), ("12", None)]
)
def test_a_number_stands_in_the_name_of_what_has_no_other(name, number):
    assert number_in(name) == number
    assert number_in(by_number(12, "Docenten" * 100)) == 12
    assert subject((COHORT, name)) == f"cohort {name}"


class TestNames:
    def test_two_names_of_one_target_have_the_people_of_both(self):
        of = mapping(rules=[{"cohort": "docs"}, {"cohort": "Docenten"}])
        people = persons({}, {})
        found = wanted_access(people, candidates(people, of), of, names={(COHORT, "Docenten"): "docs"})
        assert found[["row", "target", "code"]].to_numpy().tolist() == [[2, "docs", ""], [3, "docs", ""]]

    def test_what_they_say_differently_contradicts_itself(self):
        people = persons({})
        of = mapping()
        rows = listed(
            {"person_id": "p2", "course": "BHV", "from": "2027-01-01"}, {"person_id": "p2", "course": "BHV-2027"}
        )
        every = candidates(people, of)
        named = wanted_access(people, every, of, rows)
        assert set(named.loc[named["kind"] == COURSE, "code"]) == {""}
        found = wanted_access(people, every, of, rows, names={(COURSE, "BHV-2027"): "#2"})
        assert set(found.loc[found["kind"] == COURSE, "target"]) == {"BHV", "#2"}
        found = wanted_access(people, every, of, rows, names={(COURSE, "BHV-2027"): "BHV"})
        assert found.loc[found["kind"] == COURSE, ["target", "code"]].to_numpy().tolist() == [["BHV", "contradicts"]]

    def test_what_was_given_goes_along_and_is_ours_where_any_of_it_is(self):
        have = given(
            {"account_id": 102, "target": "oud", "ours": True},
            {"account_id": 102, "target": "docs", "ours": False},
            {"account_id": 103, "target": "oud", "target_id": 8},
        )
        found = kept_in(have, [(COHORT, 7, "docs")]).sort_values("account_id")
        assert found[["account_id", "target", "ours"]].to_numpy().tolist() == [[102, "docs", True], [103, "oud", True]]


class TestDoubt:
    def plan(self, asked, want=None, have=None, read=None, **access):
        known = targets(ELSEWHERE, {"target": "docs"}) if read is None else read
        found = plan_access(
            wanted({"row": 2, "target": "Docenten"}) if want is None else want,
            accounts({"row": 2}),
            known,
            members((COHORT, "docs", 102)),
            given({"account_id": 102, "target": "docs"}) if have is None else have,
            mapping(**access).access,
            Circumstances(now=NOW, full=True, asked=asked, known=frozenset({102})),
        )
        return found[["target", "action", "code", "value"]].to_numpy().tolist()

    def test_who_has_it_keeps_it_while_it_is_asked_whether_the_name_stands_for_it(self):
        assert self.plan({(COHORT, "Docenten"): frozenset({7, 9})}) == [
            ["Docenten", "reject", "target_elsewhere", "Docenten (docs)"],
            ["docs", "none", "target_asked", "Docenten"],
        ]

    @pytest.mark.parametrize("asked", [{}, {(COHORT, "Docenten"): frozenset({9})}])
    def test_what_is_decided_otherwise_or_is_about_another_is_no_doubt(self, asked):
        assert self.plan(asked)[1] == ["docs", "take_back", "no_longer", ""]

    def test_who_does_not_belong_there_by_that_name_either_loses_it(self):
        assert self.plan({(COHORT, "Docenten"): frozenset({7})}, want=wanted()) == [
            ["docs", "take_back", "no_longer", ""]
        ]

    def test_strangers_in_a_cohort_of_ours_who_may_belong_there_stay(self):
        owned = {"take_back": "owned", "owned": ["docs"]}
        asked = {(COHORT, "Docenten"): frozenset({7})}
        assert self.plan(asked, have=given(), **owned)[1] == ["docs", "none", "target_asked", "Docenten"]
        assert self.plan({}, have=given(), **owned)[1] == ["docs", "take_back", "does_not_belong", ""]
