"""The plan of access: what is given, extended and taken back, and above all what is not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from access.made import COHORT, COURSE, NOW, accounts, given, mapping, members, targets, wanted
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from moodle_coupling.access.plan import Circumstances, plan_access, unlooked
from moodle_coupling.contract.columns import ACCESS_WRITES
from moodle_coupling.contract.frames import ACCESS_PLAN

FULL = Circumstances(now=NOW, full=True)
CHANGED = Circumstances(now=NOW)
COURSE_A = {"kind": COURSE, "target": "a", "role": "student"}
READ = targets({}, {"kind": COURSE})


def plan(
    want: pd.DataFrame | None = None,
    have: pd.DataFrame | None = None,
    *,
    there: pd.DataFrame | None = None,
    of: pd.DataFrame | None = None,
    read: pd.DataFrame = READ,
    under: Circumstances = FULL,
    **access: Any,
) -> pd.DataFrame:
    """Plan for person 2 with account 102, unless another is said."""
    found = plan_access(
        wanted() if want is None else want,
        accounts({"row": 2}) if of is None else of,
        read,
        members() if there is None else there,
        given() if have is None else have,
        mapping(**access).access,
        under,
    )
    assert ACCESS_PLAN.misfit(found) is None
    return found


def said(found: pd.DataFrame) -> list[tuple[str, str]]:
    return list(found[["action", "code"]].itertuples(index=False, name=None))


IN_A = members((COHORT, "a", 102), (COURSE, "a", 102))
COURSE_GIVEN = {"account_id": 102, **COURSE_A}


class TestGiving:
    def test_who_belongs_and_is_not_there_is_given_access(self):
        found = plan(wanted({"row": 2}, {"row": 2, **COURSE_A}))
        assert said(found) == [("give", "wanted"), ("give", "wanted")]
        assert list(found["account_id"]) == [102, 102]
        assert list(found["target_id"]) == [7, 7]
        assert list(found["role_id"]) == [0, 5]

    def test_who_is_made_by_the_same_run_is_given_it_too(self):
        of = accounts({"row": 2, "verdict": "new", "action": "create", "account_id": pd.NA})
        found = plan(wanted({"row": 2}), of=of)
        assert said(found) == [("give", "wanted")]
        assert found["account_id"].isna().all()

    def test_who_has_it_by_others_is_left_alone_and_it_is_not_ours(self):
        assert said(plan(wanted({"row": 2}), there=IN_A)) == [("none", "already_there")]

    def test_what_was_given_and_is_there_costs_nothing(self):
        assert said(plan(wanted({"row": 2}), given({"account_id": 102}), there=IN_A)) == [("none", "given")]

    def test_what_was_given_and_taken_away_by_hand_is_given_again(self):
        assert said(plan(wanted({"row": 2}), given({"account_id": 102}))) == [("give", "taken_by_hand")]

    def test_of_a_target_that_was_not_read_what_was_given_counts(self):
        found = plan(wanted({"row": 2}), given({"account_id": 102}), read=targets(), under=CHANGED)
        assert said(found) == [("none", "given")]

    def test_to_a_target_that_was_not_read_nothing_is_given(self):
        assert said(plan(wanted({"row": 2}), read=targets(), under=CHANGED)) == [("none", "not_looked")]

    @pytest.mark.parametrize(
        "change", [{"timestart": 5}, {"timeend": NOW + 5}, {"timeend": NOW - 5}, {"suspended": True}]
    )
    def test_another_window_is_written_over_the_enrolment(self, change):
        found = plan(wanted({"row": 2, **COURSE_A, **change}), given(COURSE_GIVEN), there=IN_A)
        assert said(found) == [("extend", "window_changed")]

    def test_the_window_of_an_enrolment_by_others_is_not_touched(self):
        assert said(plan(wanted({"row": 2, **COURSE_A, "timestart": 5}), there=IN_A)) == [("none", "already_there")]

    def test_another_role_needs_a_human(self):
        found = plan(
            wanted({"row": 2, **COURSE_A, "role": "teacher"}), given(COURSE_GIVEN), there=IN_A, roles={"teacher": 4}
        )
        assert said(found) == [("reject", "role_changed")]

    def test_a_role_of_unknown_number_is_not_guessed(self):
        assert said(plan(wanted({"row": 2, **COURSE_A, "role": "teacher"}))) == [("reject", "role_unknown")]

    def test_a_role_that_courses_show_needs_no_number_in_the_file(self):
        under = Circumstances(now=NOW, full=True, roles={"teacher": 4})
        found = plan(wanted({"row": 2, **COURSE_A, "role": "teacher"}), under=under)
        assert (said(found), found["role_id"][0]) == ([("give", "wanted")], 4)

    def test_a_number_that_the_site_contradicts_is_not_sent(self):
        under = Circumstances(now=NOW, full=True, roles={"student": 6})
        assert said(plan(wanted({"row": 2, **COURSE_A}), under=under)) == [("reject", "role_unknown")]

    def test_a_target_that_moodle_has_under_another_name_is_named(self):
        elsewhere = targets({"target_id": pd.NA, "code": "target_elsewhere", "alike": "Docenten (docs)"})
        found = plan(wanted({"row": 2}), read=elsewhere)
        assert (said(found), list(found["value"])) == ([("reject", "target_elsewhere")], ["Docenten (docs)"])

    @pytest.mark.parametrize("code", ["target_missing", "target_ambiguous", "no_manual_enrolment"])
    def test_a_target_that_cannot_be_written_to_is_a_reason(self, code):
        read = targets({"kind": COURSE, "code": code})
        assert said(plan(wanted({"row": 2, **COURSE_A}), read=read)) == [("reject", code)]

    def test_a_cohort_that_is_to_be_made_is_given_without_a_number(self):
        found = plan(wanted({"row": 2}), read=targets({"target_id": pd.NA, "create": True}))
        assert said(found) == [("give", "wanted")]
        assert found["target_id"].isna().all()


class TestWindow:
    before, after = {"timestart": NOW + 5}, {"timeend": NOW}

    def test_a_course_is_given_before_its_window_begins_for_moodle_keeps_the_window(self):
        assert said(plan(wanted({"row": 2, **COURSE_A, **self.before}))) == [("give", "wanted")]

    def test_a_course_whose_window_is_over_is_not_given_and_not_taken_back(self):
        row = {"row": 2, **COURSE_A, **self.after}
        assert said(plan(wanted(row))) == [("none", "window_ended")]
        assert said(plan(wanted(row), given({**COURSE_GIVEN, **self.after}), there=IN_A)) == [("none", "given")]

    def test_a_cohort_knows_no_dates_so_it_is_given_in_the_window_only(self):
        assert said(plan(wanted({"row": 2, **self.before}))) == [("none", "not_begun")]
        assert said(plan(wanted({"row": 2, **self.after}))) == [("none", "window_ended")]
        assert said(plan(wanted({"row": 2, "timestart": NOW, "timeend": NOW + 1}))) == [("give", "wanted")]

    def test_a_cohort_is_taken_back_when_the_window_is_over(self):
        found = plan(wanted({"row": 2, **self.after}), given({"account_id": 102, **self.after}), there=IN_A)
        assert said(found) == [("take_back", "window_ended")]

    def test_but_not_from_who_had_it_by_others(self):
        assert said(plan(wanted({"row": 2, **self.after}), there=IN_A)) == [("none", "window_ended")]


class TestTakingBack:
    def test_what_was_given_is_taken_back_from_who_no_longer_belongs(self):
        found = plan(have=given({"account_id": 102, "person_id": "p2", "idnumber": "x2"}), there=IN_A)
        assert said(found) == [("take_back", "no_longer")]
        assert (found["row"][0], found["person_id"][0], found["extern_id"][0], found["target_id"][0]) == (
            2,
            "p2",
            "x2",
            7,
        )

    def test_what_was_there_already_is_not(self):
        assert said(plan(have=given({"account_id": 102, "ours": False}), there=IN_A)) == []

    def test_nor_is_anything_when_the_mapping_says_never(self):
        assert said(plan(have=given({"account_id": 102}), there=IN_A, take_back="never")) == [
            ("none", "never_taken_back")
        ]

    def test_who_is_gone_already_costs_no_write(self):
        assert said(plan(have=given({"account_id": 102}))) == [("none", "gone_already")]

    def test_a_list_with_lines_left_out_takes_nothing_back(self):
        under = Circumstances(now=NOW, full=True, list_whole=False)
        assert said(plan(have=given({"account_id": 102}), there=IN_A, under=under)) == [("none", "somebody_left_out")]

    def test_a_reason_takes_nothing_back(self):
        found = plan(wanted({"row": 2, "code": "contradicts"}), given({"account_id": 102}), there=IN_A)
        assert said(found) == [("reject", "contradicts")]

    @pytest.mark.parametrize(("verdict", "code"), [("held", "held"), ("protected", "protected")])
    def test_an_account_that_is_not_ours_to_write_is_never_touched(self, verdict, code):
        of = accounts({"row": 2, "verdict": verdict})
        assert said(plan(wanted({"row": 2}), of=of)) == [("none", code)]
        assert said(plan(have=given({"account_id": 102}), there=IN_A, of=of)) == [("none", code)]

    def test_a_person_of_whom_it_is_not_clear_who_it_is_waits(self):
        of = accounts({"row": 2, "verdict": "id_reassigned"})
        assert said(plan(wanted({"row": 2}), of=of)) == [("reject", "no_account")]
        assert said(plan(have=given({"account_id": 102}), there=IN_A, of=of)) == [("none", "no_account")]


class TestLeavers:
    of = accounts({"row": 3})
    have = given({"account_id": 102, "idnumber": "x2"})

    def fate(self, under: Circumstances, **access: Any) -> list[tuple[str, str]]:
        return said(plan(have=self.have, there=IN_A, of=self.of, under=under, **access))

    def test_they_lose_it_once_their_days_of_grace_are_over(self):
        assert self.fate(Circumstances(now=NOW, full=True, gone=frozenset({"x2"}))) == [("take_back", "left")]

    def test_not_before(self):
        assert self.fate(FULL) == [("none", "grace")]

    def test_not_on_a_run_that_does_not_know_everyone(self):
        assert self.fate(Circumstances(now=NOW, gone=frozenset({"x2"}))) == [("none", "leaver_later")]

    def test_not_when_the_source_left_somebody_out_unless_it_names_them(self):
        facts = {"now": NOW, "full": True, "gone": frozenset({"x2"}), "everyone_known": False}
        assert self.fate(Circumstances(**facts)) == [("none", "somebody_left_out")]
        assert self.fate(Circumstances(**facts, explained=frozenset({"x2"}))) == [("take_back", "left")]

    def test_not_when_they_keep_it(self):
        under = Circumstances(now=NOW, full=True, gone=frozenset({"x2"}))
        assert self.fate(under, leavers="keep") == [("none", "leaver_keeps")]

    def test_not_from_a_protected_account(self):
        under = Circumstances(now=NOW, full=True, gone=frozenset({"x2"}), protected=frozenset({102}))
        assert self.fate(under) == [("none", "protected")]

    def test_a_run_for_some_persons_leaves_them_alone(self):
        assert self.fate(Circumstances(now=NOW, partial=True, gone=frozenset({"x2"}))) == []


class TestOwned:
    there = members((COHORT, "a", 102), (COHORT, "a", 555))

    def fate(self, under: Circumstances, **more: Any) -> list[tuple[str, str]]:
        have = given({"account_id": 102})
        return said(
            plan(
                wanted({"row": 2}),
                have,
                there=self.there,
                under=under,
                **({"take_back": "owned", "owned": ["a"]} | more),
            )
        )[1:]

    def test_a_stranger_is_taken_out_of_a_cohort_that_is_ours(self):
        assert self.fate(Circumstances(now=NOW, full=True, known=frozenset({555}))) == [
            ("take_back", "does_not_belong")
        ]

    def test_not_of_any_other_cohort(self):
        under = Circumstances(now=NOW, full=True, known=frozenset({555}))
        assert self.fate(under, owned=["b"]) == []

    @pytest.mark.parametrize(
        ("facts", "code"),
        [
            ({"protected": frozenset({555})}, "protected"),
            ({"known": frozenset()}, "account_unknown"),
            ({"idnumbers": {555: "x9"}}, "grace"),
            ({"idnumbers": {555: "x9"}, "everyone_known": False}, "somebody_left_out"),
        ],
    )
    def test_nor_who_may_belong_after_all(self, facts, code):
        under = Circumstances(**({"now": NOW, "full": True, "known": frozenset({555})} | facts))
        assert self.fate(under) == [("none", code)]

    def test_nor_on_a_run_for_what_changed(self):
        assert self.fate(Circumstances(now=NOW, known=frozenset({555}))) == []


class TestUnlooked:
    """What a run for what changed need not read."""

    access = mapping().access

    def quiet(self, want: pd.DataFrame, have: pd.DataFrame, **known: int) -> list[str]:
        found = unlooked(want, have, known, self.access, NOW)
        return list(found["target"])

    def test_a_target_where_all_is_as_given(self):
        assert self.quiet(wanted({"row": 2}), given({"account_id": 102}), x2=102) == ["a"]

    def test_and_any_that_only_a_list_named_that_was_not_read(self):
        want, have = wanted({"row": 3, "target": "b"}), given({"account_id": 102})
        known = {"x2": 102, "x3": 103}
        assert list(unlooked(want, have, known, self.access, NOW)["target"]) == []
        assert list(unlooked(want, have, known, self.access, NOW, list_read=False)["target"]) == ["a"]

    def test_and_one_where_somebody_was_found_before(self):
        assert self.quiet(wanted({"row": 2}), given({"account_id": 102, "ours": False}), x2=102) == ["a"]

    @pytest.mark.parametrize(
        ("want", "have"),
        [
            (wanted({"row": 2}), given()),
            (wanted(), given({"account_id": 102})),
            (wanted({"row": 2}, {"row": 3}), given({"account_id": 102})),
            (wanted({"row": 2, "timeend": NOW}), given({"account_id": 102, "timeend": NOW})),
        ],
        ids=["to give", "to take back", "somebody more", "a window that ended"],
    )
    def test_not_one_where_something_is_due(self, want, have):
        assert self.quiet(want, have, x2=102, x3=103) == []

    def test_who_left_is_no_reason_to_read(self):
        assert self.quiet(wanted({"row": 2}), given({"account_id": 102}, {"account_id": 777}), x2=102) == ["a"]


ROWS = st.integers(2, 6)
WINDOWS = st.sampled_from([0, NOW - 5, NOW + 5])
KINDS = st.sampled_from([(COHORT, ""), (COURSE, "student")])


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Some persons, what they should have, what they were given, and who is there."""
    rows = draw(st.lists(ROWS, unique=True, min_size=1))
    verdict = st.sampled_from(
        [("linked", "none"), ("held", "none"), ("protected", "none"), ("id_missing", "none"), ("linked", "update")]
    )
    of = accounts(
        *(
            {"row": row, "verdict": said_[0], "action": said_[1]}
            for row, said_ in zip(rows, draw(st.lists(verdict, min_size=len(rows), max_size=len(rows))), strict=True)
        )
    )
    want, have, there = {}, {}, set()
    for row in range(2, 8):
        for kind, role in ((COHORT, ""), (COURSE, "student")):
            for target in ("a", "b"):
                if draw(st.booleans()) and row in rows:
                    code = draw(st.sampled_from(["", "", "contradicts"]))
                    want[row, kind, target] = {
                        "row": row,
                        "kind": kind,
                        "target": target,
                        "role": role,
                        "timestart": draw(WINDOWS),
                        "timeend": draw(WINDOWS),
                        "code": code,
                    }
                if draw(st.booleans()):
                    have[row, kind, target] = {
                        "account_id": 100 + row,
                        "kind": kind,
                        "target": target,
                        "role": role,
                        "timeend": draw(WINDOWS),
                        "ours": draw(st.booleans()),
                        "idnumber": f"x{row}",
                    }
                if draw(st.booleans()):
                    there.add((kind, target, 100 + row))
    read = targets(
        *(
            {"kind": kind, "target": target, "code": draw(st.sampled_from(["", "", "target_missing"]))}
            for kind in (COHORT, COURSE)
            for target in ("a", "b")
            if draw(st.booleans())
        )
    )
    under = Circumstances(
        now=NOW,
        full=draw(st.booleans()),
        gone=frozenset({"x7"}),
        protected=frozenset({106}),
        known=frozenset(range(102, 108)),
    )
    owned = draw(st.booleans())
    access = (
        {"take_back": "owned", "owned": ["a"]} if owned else {"take_back": draw(st.sampled_from(["given", "never"]))}
    )
    return {
        "want": wanted(*want.values()),
        "have": given(*have.values()),
        "there": members(*sorted(there)),
        "of": of,
        "read": read,
        "under": under,
        **access,
    }


@settings(max_examples=40, deadline=None)
@drawn(situations())
def test_whatever_the_situation_nothing_is_written_that_is_not_ours_to_write(situation):
    found = plan(**situation)
    key = ["account_id", "kind", "target"]
    assert not found.dropna(subset="account_id").duplicated(key).any(), "one row per person and target"
    writes = found[found["action"].isin([action.value for action in ACCESS_WRITES])]
    of = situation["of"].set_index("row")
    untouched = set(of.index[of["verdict"].isin(["held", "protected", "id_missing"])] + 100) | {106}
    assert not set(writes["account_id"].dropna().astype(int)) & untouched
    have = situation["have"]
    ours = set(have.loc[have["ours"], key].itertuples(index=False, name=None))
    there = set(situation["there"][key].itertuples(index=False, name=None))
    for row in writes.to_dict("records"):
        at = (row["account_id"], row["kind"], row["target"])
        if row["action"] == "take_back":
            assert at in there
            assert situation["take_back"] != "never"
            assert at in ours or (row["target"] == "a" and row["kind"] == COHORT and situation["take_back"] == "owned")
        elif row["action"] == "extend":
            assert at in ours
        else:
            assert at not in there


@settings(max_examples=20, deadline=None)
@drawn(situations(), st.randoms(use_true_random=False))
def test_the_order_of_what_goes_in_changes_nothing(situation, random):
    first = plan(**situation)
    names = ("want", "have", "there", "of", "read")
    shuffled = {name: situation[name].sample(frac=1, random_state=random.randrange(1000)) for name in names}
    assert plan(**(situation | shuffled)).equals(first)


@settings(max_examples=30, deadline=None)
@drawn(situations())
def test_once_carried_out_the_same_plan_has_nothing_to_write(situation):
    found = plan(**situation)
    writes = found[found["action"].isin([action.value for action in ACCESS_WRITES])]
    key = ["account_id", "kind", "target"]
    back = set(writes.loc[writes["action"] == "take_back", key].itertuples(index=False, name=None))
    forth = writes[writes["action"] != "take_back"]
    have = situation["have"]
    touched = set(writes[key].itertuples(index=False, name=None))
    kept = have[[at not in touched for at in have[key].itertuples(index=False, name=None)]]
    there = set(situation["there"][["kind", "target", "account_id"]].itertuples(index=False, name=None))
    there -= {(kind, target, account) for account, kind, target in back}
    there |= set(forth[["kind", "target", "account_id"]].itertuples(index=False, name=None))
    after = given(*kept.to_dict("records"), *forth.assign(ours=True, target_id=7).to_dict("records"))
    again = plan(**(situation | {"have": after, "there": members(*sorted(there))}))
    assert not again["action"].isin([action.value for action in ACCESS_WRITES]).any()
