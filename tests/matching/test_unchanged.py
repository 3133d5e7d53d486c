"""Who is looked at in a run for what changed, and of whom the next run may say that nothing did."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.people import account, account_of, accounts_of, mapping, person, persons_frame, reasons_frame

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.evidence import UNCHANGED
from moodle_coupling.matching.frames import PLAN_COLUMNS, Action
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import (
    Split,
    links_to_forget,
    split_unchanged,
    unchanged_rows,
    which_to_remember,
    with_unchanged,
)
from moodle_coupling.words.sentence import ENGLISH


def known(*links: tuple[str, int, str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(links), columns=["idnumber", "account_id", "fingerprint"])
    return frame.astype({"idnumber": "str", "account_id": "int64", "fingerprint": "str"})


def split(persons: list[dict[str, Any]], prints: list[str], *links: tuple[str, int, str], reasons: Any = None) -> Split:
    frame = persons_frame(persons)
    given_ = reasons_frame() if reasons is None else reasons
    return split_unchanged(frame, given_, pd.Series(prints, index=frame.index, dtype="str"), known(*links))


def looked(parts: Split) -> list[int]:
    return list(parts.look["row"])


class TestWhoIsLookedAt:
    def test_nobody_when_everyone_is_as_last_written(self):
        parts = split([person(1), person(2)], ["a", "b"], ("E1", 11, "a"), ("E2", 12, "b"))
        assert parts.look.empty
        assert list(parts.skipped["row"]) == [1, 2]

    def test_who_changed_who_is_new_and_of_whom_nothing_is_known(self):
        persons = [person(number) for number in range(1, 5)]
        parts = split(persons, list("abcd"), ("E1", 11, "a"), ("E2", 12, "x"), ("E3", 13, ""))
        assert looked(parts) == [2, 3, 4]

    def test_an_idnumber_that_the_ledger_has_twice_is_not_trusted(self):
        assert looked(split([person(1)], ["a"], ("E1", 11, "a"), ("E1", 12, "a"))) == [1]

    def test_an_idnumber_is_known_exactly_or_not(self):
        assert looked(split([person(1)], ["a"], ("e1", 11, "a"))) == [1]

    def test_who_is_rejected_for_a_reason_but_not_who_has_a_remark(self):
        reasons = reasons_frame((1, "idnumber_zero", "idnumber", "all"), (2, "city_has_tags", "city", "create"))
        links = (("E1", 11, "a"), ("E2", 12, "b"))
        assert looked(split([person(1), person(2)], ["a", "b"], *links, reasons=reasons)) == [1]

    @pytest.mark.parametrize(
        "shared",
        [{"email": "ANNA1@example.org"}, {"username": "anna-bos1x"}, {"idnumber": "e1"}, {"other_id": "E1"}],
    )
    def test_who_shares_something_with_someone_who_changed(self, shared: dict[str, str]):
        persons = [person(1), person(2, **shared), person(3)]
        idnumber = shared.get("idnumber", "E2")
        links = (("E1", 11, "a"), (idnumber, 12, "changed"), ("E3", 13, "c"))
        assert looked(split(persons, ["a", "b", "c"], *links)) == [1, 2]

    def test_doubles_in_the_source_also_when_both_are_as_last_written(self):
        persons = [person(1), person(2, idnumber="E1"), person(3)]
        assert looked(split(persons, ["a", "a", "c"], ("E1", 11, "a"), ("E3", 13, "c"))) == [1, 2]

    def test_nobody_out_of_scope_who_is_a_bystander_all_the_same(self):
        persons = [person(1), person(2, in_scope=False), person(3)]
        parts = split(persons, ["a", "b", "c"], ("E1", 11, "a"))
        assert looked(parts) == [3]
        assert list(parts.outside["row"]) == [2]
        assert list(parts.bystanders["row"]) == [1, 2]

    def test_a_source_without_persons_has_nobody(self):
        parts = split([], [], ("E1", 11, "a"))
        assert parts.look.empty
        assert parts.skipped.empty


VALUES = st.sampled_from(["A", "a", "B", "C", ""])
PEOPLE = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {"idnumber": VALUES, "email": VALUES, "username": VALUES, "other_id": VALUES, "in_scope": st.booleans()}
        ),
        st.sampled_from(["x", "y"]),
    ),
    max_size=6,
)
KNOWN = st.lists(st.tuples(VALUES, st.integers(1, 9), st.sampled_from(["x", "y", ""])), max_size=5)


@settings(deadline=None, max_examples=80)
@given(PEOPLE, KNOWN)
def test_nobody_is_skipped_whose_fingerprint_is_another_and_nobody_is_lost(
    people: list[tuple[dict[str, Any], str]], links: list[tuple[str, int, str]]
):
    persons = [person(number, **values) for number, (values, _) in enumerate(people, 1)]
    prints = {number: name for number, (_, name) in enumerate(people, 1)}
    parts = split(persons, list(prints.values()), *links)
    everyone = [*parts.look["row"], *parts.skipped["row"], *parts.outside["row"]]
    assert sorted(everyone) == sorted(prints)
    remembered = {idnumber: name for idnumber, _, name in links}
    for row, idnumber in zip(parts.skipped["row"], parts.skipped["idnumber"], strict=True):
        assert remembered[idnumber] == prints[row] != ""
    for column in ("idnumber", "email", "username"):
        shared = set(parts.look[column].str.lower()) & set(parts.skipped[column].str.lower())
        assert not shared - {""}


class TestOneRowPerPerson:
    def test_the_skipped_have_the_columns_and_kinds_of_a_plan(self):
        persons = [person(1), person(2)]
        plan = make_plan(persons_frame(persons[1:]), reasons_frame(), accounts_of([]), mapping())
        rows = unchanged_rows(persons_frame(persons[:1]), known(("E1", 11, "a")))
        assert list(rows.columns) == list(PLAN_COLUMNS)
        pd.testing.assert_series_equal(rows.dtypes, plan.dtypes)
        (row,) = rows.to_dict("records")
        assert (row["account_id"], row["verdict"], row["action"]) == (11, "linked", "none")
        assert (row["changes"], row["reasons"], row["other_accounts"]) == ("{}", "[]", "[]")
        assert row["evidence"] == UNCHANGED
        assert row["username"] == ""

    def test_a_username_that_the_ledger_brings_is_told(self):
        rows = unchanged_rows(persons_frame([person(1)]), known(("E1", 11, "a")).assign(username="anna"))
        assert rows["username"].iloc[0] == "anna"

    def test_persons_stand_by_row_and_orphans_after_them(self):
        persons = [person(1), person(2), person(3)]
        accounts = [account_of(persons[1], 12), account(19, idnumber="E9")]
        plan = make_plan(persons_frame(persons[1:2]), reasons_frame(), accounts_of(accounts), mapping(), full=True)
        skipped = persons_frame([persons[2], persons[0]])
        together = with_unchanged(plan, unchanged_rows(skipped, known(("E1", 11, "a"), ("E3", 13, "c"))))
        assert list(together["account_id"]) == [11, 12, 13, 19]
        assert list(together["row"].dropna()) == [1, 2, 3]
        assert list(together.index) == [0, 1, 2, 3]

    def test_with_nobody_skipped_the_plan_stays(self):
        plan = make_plan(persons_frame([person(1)]), reasons_frame(), accounts_of([]), mapping())
        assert with_unchanged(plan, unchanged_rows(persons_frame([]), known())) is plan


def test_an_account_of_someone_who_is_not_looked_at_is_known_as_theirs():
    new, skipped = person(1, other_id=""), person(2)
    theirs = account_of(skipped, 12, email=new["email"])
    told = make_plan(
        persons_frame([new]), reasons_frame(), accounts_of([theirs]), mapping(), bystanders=persons_frame([skipped])
    )
    alone = make_plan(persons_frame([new]), reasons_frame(), accounts_of([theirs]), mapping())
    assert len(told) == len(alone) == 1
    assert "that is the ID number of person P2" in ENGLISH.say(told["evidence"].iloc[0])
    assert "not known in the source" in ENGLISH.say(alone["evidence"].iloc[0])


def row(number: int, action: Action, verdict: Verdict, **values: Any) -> dict[str, Any]:
    base = dict.fromkeys(PLAN_COLUMNS, "") | {
        "row": number,
        "idnumber": f"E{number}",
        "account_id": number + 10,
        "action": action.value,
        "verdict": verdict.value,
        "reasons": "[]",
    }
    return base | values


def plan_of(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(PLAN_COLUMNS)).astype({"row": "Int64", "account_id": "Int64"})


def outcomes_of(plan: pd.DataFrame, *outcomes: tuple[str, str]) -> pd.DataFrame:
    some = plan[["row", "account_id"]].iloc[: len(outcomes)].copy()
    some["status"], some["code"] = [each[0] for each in outcomes], [each[1] for each in outcomes]
    return some.iloc[::-1].reset_index(drop=True)


TAKEN = json.dumps([{"code": "email_taken", "field": "email", "message": "It belongs to another account."}])
REMEMBERED = [
    (Action.CREATE, Verdict.NEW, "done", ""),
    (Action.UPDATE, Verdict.LINKED, "done", ""),
    (Action.LINK, Verdict.ID_MISSING, "done", ""),
    (Action.REACTIVATE, Verdict.RETURNED, "done", ""),
    (Action.NONE, Verdict.LINKED, "skipped", "nothing_to_do"),
]
NOT_REMEMBERED = [
    (Action.CREATE, Verdict.NEW, "done", "already_there"),
    (Action.CREATE, Verdict.NEW, "rejected", "username_taken"),
    (Action.UPDATE, Verdict.LINKED, "failed", "lost"),
    (Action.UPDATE, Verdict.LINKED, "unknown", "lost"),
    (Action.UPDATE, Verdict.EMAIL_TAKEN, "done", ""),
    (Action.NONE, Verdict.EMAIL_TAKEN, "skipped", "mismatch"),
    (Action.NONE, Verdict.HELD, "skipped", "mismatch"),
    (Action.NONE, Verdict.DUPLICATE_ACCOUNT, "skipped", "mismatch"),
    (Action.NONE, Verdict.RETURNED, "skipped", "nothing_to_do"),
    (Action.REJECT, Verdict.DUPLICATE_PERSON, "rejected", "duplicate_person"),
    (Action.SUSPEND, Verdict.ORPHAN, "done", ""),
]


class TestWhatIsRemembered:
    @pytest.mark.parametrize(("action", "verdict", "status", "code"), REMEMBERED)
    def test_who_is_now_as_the_source_has_them(self, action: Action, verdict: Verdict, status: str, code: str):
        plan = plan_of(row(1, action, verdict))
        outcomes = outcomes_of(plan, (status, code))
        assert list(which_to_remember(plan, outcomes)) == [True]
        assert links_to_forget(plan, outcomes, known(("E1", 11, "a"))).empty

    @pytest.mark.parametrize(("action", "verdict", "status", "code"), NOT_REMEMBERED)
    def test_nobody_else_and_what_was_remembered_of_them_is_forgotten(
        self, action: Action, verdict: Verdict, status: str, code: str
    ):
        orphan = verdict is Verdict.ORPHAN
        plan = plan_of(row(1, action, verdict, row=None if orphan else 1))
        outcomes = outcomes_of(plan, (status, code))
        assert list(which_to_remember(plan, outcomes)) == [False]
        forgotten = links_to_forget(plan, outcomes, known(("E1", 99, "a"), ("E2", 12, "b")))
        # The link stays what the ledger has it to be: a mismatch proves nothing about whose account it is.
        assert forgotten.to_dict("records") == [{"idnumber": "E1", "account_id": 99, "fingerprint": ""}]

    def test_not_who_was_reactivated_while_the_new_address_is_anothers(self):
        plan = plan_of(row(1, Action.REACTIVATE, Verdict.RETURNED, reasons=TAKEN))
        assert list(which_to_remember(plan, outcomes_of(plan, ("done", "")))) == [False]

    def test_what_has_no_outcome_yet_is_neither_remembered_nor_forgotten(self):
        plan = plan_of(row(1, Action.UPDATE, Verdict.LINKED), row(2, Action.UPDATE, Verdict.LINKED))
        outcomes = outcomes_of(plan, ("done", ""))
        assert list(which_to_remember(plan, outcomes)) == [True, False]
        assert links_to_forget(plan, outcomes, known(("E2", 12, "b"))).empty

    def test_who_was_not_looked_at_stays_remembered_without_being_written_again(self):
        plan = unchanged_rows(persons_frame([person(1)]), known(("E1", 11, "a")))
        outcomes = outcomes_of(plan, ("skipped", "nothing_to_do"))
        assert list(which_to_remember(plan, outcomes)) == [False]
        assert links_to_forget(plan, outcomes, known(("E1", 11, "a"))).empty

    def test_outcomes_are_found_by_person_and_by_account_whatever_their_order(self):
        plan = plan_of(
            row(1, Action.UPDATE, Verdict.LINKED),
            row(2, Action.UPDATE, Verdict.LINKED),
            row(3, Action.SUSPEND, Verdict.ORPHAN, row=None, account_id=1),
        )
        outcomes = outcomes_of(plan, ("done", ""), ("failed", "lost"), ("done", ""))
        assert list(which_to_remember(plan, outcomes)) == [True, False, False]
        links = known(("E1", 11, "a"), ("E2", 12, "b"), ("E3", 1, "c"), ("E4", 14, ""))
        assert list(links_to_forget(plan, outcomes, links)["idnumber"]) == ["E2", "E3"]
