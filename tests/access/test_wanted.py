"""Who belongs in which cohort and course, by rules and by a list."""

from __future__ import annotations

import datetime as dt

import pytest
from access.made import COHORT, COURSE, candidates, listed, mapping, persons
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.access.wanted import moment_of, names_in, wanted_access
from moodle_coupling.contract.frames import ACCESS_WANTED
from moodle_coupling.mapping.access import Targets


def belonging(people, of, list_=None):
    """Give (person_id, kind, target, code) of each row."""
    found = wanted_access(people, candidates(people, of), of, list_)
    assert ACCESS_WANTED.misfit(found) is None
    return list(found[["person_id", "kind", "target", "code"]].itertuples(index=False, name=None))


class TestRules:
    def test_a_rule_gives_everyone_in_scope_for_whom_its_conditions_hold(self):
        of = mapping(rules=[{"cohort": "docenten", "when": [{"column": "categories", "any_of": ["Docent"]}]}])
        people = persons(
            {"categories": "Docent|Cursist"}, {"categories": "Cursist"}, {"categories": "Docent", "inactive": True}
        )
        assert belonging(people, of) == [("p2", COHORT, "docenten", "")]

    def test_the_parts_of_a_column_name_targets(self):
        of = mapping(
            rules=[{"cohort": {"column": "categories", "prefix": "cv-", "translate": {"Docent": "staf", "Test": ""}}}]
        )
        people = persons({"categories": "Docent| BHV |Test||BHV"})
        assert belonging(people, of) == [("p2", COHORT, "cv-BHV", ""), ("p2", COHORT, "staf", "")]

    def test_what_two_rules_say_alike_counts_once_and_what_differs_contradicts(self):
        rule = {"course": "BHV", "window": {"from": "free1"}}
        of = mapping(rules=[rule, rule, {"course": "BHV", "when": [{"column": "free2", "equals": "x"}]}])
        people = persons({"free1": "2027-01-01", "free2": ""}, {"free1": "2027-01-01", "free2": "x"})
        assert belonging(people, of) == [("p2", COURSE, "BHV", ""), ("p3", COURSE, "BHV", "contradicts")]

    @pytest.mark.parametrize(
        ("start", "end", "code"),
        [
            ("", "", ""),
            ("2027-01-01", "2027-01-01", ""),
            ("2027-01-02", "2027-01-01", "ends_before_start"),
            ("1 januari", "", "date_unread"),
            ("", "2027-13-01", "date_unread"),
        ],
    )
    def test_a_window_that_cannot_be_is_a_reason_and_not_a_guess(self, start, end, code):
        of = mapping(rules=[{"course": "BHV", "window": {"from": "free1", "until": "free2"}}])
        assert belonging(persons({"free1": start, "free2": end}), of) == [("p2", COURSE, "BHV", code)]

    def test_without_access_nobody_is_wanted_anywhere(self):
        of = mapping().model_copy(update={"access": None})
        assert belonging(persons({}), of) == []


class TestList:
    of = mapping(
        rules=[], source={"path": "x.csv", "columns": {"course": "C"}}, states={"weg": "none", "rust": "suspended"}
    )
    people = persons({}, {}, {"inactive": True})

    def test_a_person_is_found_by_each_id(self):
        rows = [
            {"person_id": "p2", "course": "A"},
            {"extern_id": "x2", "course": "B"},
            {"idnumber": "x2", "cohort": "C"},
        ]
        found = belonging(self.people, self.of, listed(*rows))
        assert found == [("p2", COHORT, "C", ""), ("p2", COURSE, "A", ""), ("p2", COURSE, "B", "")]

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ({"person_id": "p9", "course": "A"}, "person_unknown"),
            ({"person_id": "p2", "extern_id": "x3", "course": "A"}, "person_ambiguous"),
            ({"person_id": "p2", "extern_id": "x9", "course": "A"}, "person_ambiguous"),
            ({"course": "A"}, "person_unknown"),
            ({"person_id": "p2"}, "target_unnamed"),
            ({"person_id": "p4", "course": "A"}, "out_of_scope"),
            ({"person_id": "p2", "course": "A", "state": "misschien"}, "state_unknown"),
            ({"person_id": "p2", "course": "A", "until": "nooit"}, "date_unread"),
        ],
    )
    def test_a_row_that_is_not_clear_has_a_code(self, row, code):
        assert [one[3] for one in belonging(self.people, self.of, listed(row))] == [code]

    def test_two_persons_of_one_id_are_not_chosen_between(self):
        people = persons({}, {"extern_id": "x2"})
        assert belonging(people, self.of, listed({"idnumber": "x2", "course": "A"}))[0][3] == "person_ambiguous"

    def test_who_is_said_to_have_none_is_not_wanted(self):
        assert belonging(self.people, self.of, listed({"person_id": "p2", "course": "A", "state": "WEG"})) == []

    def test_having_it_and_having_none_contradict(self):
        rows = [{"person_id": "p2", "course": "A"}, {"person_id": "p2", "course": "A", "state": "weg"}]
        assert belonging(self.people, self.of, listed(*rows)) == [("p2", COURSE, "A", "contradicts")]

    def test_a_suspended_one_and_a_role_come_through(self):
        rows = listed({"person_id": "p2", "course": "A", "state": "rust", "role": "teacher"})
        found = wanted_access(self.people, candidates(self.people, self.of), self.of, rows).iloc[0]
        assert (found["suspended"], found["role"]) == (True, "teacher")

    def test_both_a_cohort_and_a_course_on_one_row_are_two(self):
        rows = listed({"person_id": "p2", "course": "A", "cohort": "B"})
        assert belonging(self.people, self.of, rows) == [("p2", COHORT, "B", ""), ("p2", COURSE, "A", "")]


class TestDates:
    access = mapping(date_format="%d-%m-%Y").access

    @pytest.mark.parametrize(
        ("text", "starts", "ends"),
        [
            ("", "", ""),
            ("31-01-2027", "2027-01-30T23:00:00", "2027-01-31T23:00:00"),
            ("2027-01-31", "2027-01-30T23:00:00", "2027-01-31T23:00:00"),
            ("28-03-2027", "2027-03-27T23:00:00", "2027-03-28T22:00:00"),  # the clock is put forward that night
            ("2027-07-01T09:30:00", "2027-07-01T07:30:00", "2027-07-01T07:30:00"),
            ("2027-07-01T09:30:00+00:00", "2027-07-01T09:30:00", "2027-07-01T09:30:00"),
        ],
    )
    def test_a_day_counts_whole_in_the_time_zone_of_the_site(self, text, starts, ends):
        for said, meant in (
            (moment_of(text, self.access, ends=False), starts),
            (moment_of(text, self.access, ends=True), ends),
        ):
            assert said == (int(dt.datetime.fromisoformat(f"{meant}+00:00").timestamp()) if meant else 0)

    @given(st.text(max_size=12))
    def test_whatever_is_written_is_a_time_or_is_not_read(self, text):
        for ends in (False, True):
            found = moment_of(text, self.access, ends=ends)
            assert found is None or found >= 0


@given(st.text(alphabet="ab| ", max_size=12))
def test_names_in_a_text_are_each_there_once_and_never_empty(text):
    names = names_in(text, Targets(column="categories", prefix="p-"))
    assert len(names) == len(set(names))
    assert all(name.startswith("p-") and name != "p-" for name in names)


@given(st.permutations(range(4)))
def test_the_order_of_persons_and_of_the_list_changes_nothing(order):
    of = mapping(rules=[{"cohort": "all"}])
    people = persons({}, {}, {"inactive": True}, {})
    rows = listed(
        {"person_id": "p2", "course": "A"},
        {"person_id": "p3", "course": "A"},
        {"person_id": "p9", "cohort": "B"},
        {"person_id": "p2", "course": "A"},
    )
    first = wanted_access(people, candidates(people, of), of, rows)
    shuffled = people.iloc[list(order)].reset_index(drop=True)
    again = wanted_access(shuffled, candidates(shuffled, of), of, rows.iloc[list(order)])
    assert first.equals(again)


class TestEnrolments:
    of = mapping(
        rules=[],
        source={
            "type": "coachview",
            "connection": "c",
            "columns": {"person_id": "persoonId", "training": "opleidingId"},
            "part_columns": {"training": "opleidingId"},
        },
        states={"ingeschreven": "active", "gepauzeerd": "suspended", "geannuleerd": "none"},
    )
    people = persons({}, {})

    def windows(self, *rows):
        said = listed(*({"person_id": "p2", "course": "BHV"} | row for row in rows))
        found = wanted_access(self.people, candidates(self.people, self.of), self.of, said)
        shown = found[["person_id", "target", "timestart", "timeend", "suspended", "code"]]
        day = 86400
        return [
            (person, target, (start + 3600) // day, (end + 3600) // day, suspended, code)
            for person, target, start, end, suspended, code in shown.itertuples(index=False, name=None)
        ]

    @pytest.mark.parametrize(
        ("rows", "given"),
        [
            ([{"state": "Geannuleerd"}], []),
            ([{"state": "Geannuleerd"}, {"state": "Geannuleerd", "until": "2027-01-01"}], []),
            ([{"state": "Geannuleerd"}, {"state": "Ingeschreven"}], [(0, 0, False, "")]),
            ([{"state": "Gepauzeerd"}, {}], [(0, 0, False, "")]),
            ([{"state": "Gepauzeerd"}, {"state": "Gepauzeerd", "from": "1970-01-03"}], [(0, 0, True, "")]),
            (
                [{"from": "1970-02-01", "until": "1970-02-10"}, {"from": "1970-01-11", "until": "1970-01-20"}],
                [(10, 41, False, "")],
            ),
            ([{"from": "1970-02-01"}, {"from": "1970-01-11", "until": "1970-01-20"}], [(10, 0, False, "")]),
            ([{"from": "1970-02-01", "until": "1970-02-10"}, {"state": "geannuleerd"}], [(31, 41, False, "")]),
            ([{"role": "student"}, {"role": "teacher"}], [(0, 0, False, "contradicts")]),
            ([{"state": "Onbekend"}], [(0, 0, False, "state_unknown")]),
            ([{"state": "Onbekend"}, {"state": "Geannuleerd"}], [(0, 0, False, "contradicts")]),
        ],
    )
    def test_a_training_that_is_followed_again_is_one_access(self, rows, given):
        for order in (rows, rows[::-1]):
            assert self.windows(*order) == [("p2", "BHV", *one) for one in given]

    def test_people_and_courses_are_kept_apart(self):
        rows = [{}, {"person_id": "p3", "state": "geannuleerd"}, {"course": "EHBO", "until": "1970-01-20"}]
        assert self.windows(*rows) == [("p2", "BHV", 0, 0, False, ""), ("p2", "EHBO", 0, 20, False, "")]
