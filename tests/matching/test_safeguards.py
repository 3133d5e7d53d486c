"""When a plan must wait for a person's approval, and what that person is shown."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.people import account, account_of, accounts_of, links_frame, mapping, person, persons_frame, reasons_frame

from moodle_coupling.mapping import Safeguards
from moodle_coupling.matching.frames import PLAN_COLUMNS, Action, Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.safeguards import LIMITS, Facts, approval_body, evaluate, rows_behind, sample
from moodle_coupling.words.sentence import ENGLISH, Texts

CHANGES = {
    Action.CREATE: {"username": [None, "jan"], "idnumber": [None, "E1"]},
    Action.UPDATE: {"city": ["Delft", 'the "idnumber": [ of a "username"']},
    Action.LINK: {"idnumber": ["", "E1"]},
    Action.SUSPEND: {"suspended": [False, True]},
    Action.REACTIVATE: {"suspended": [True, False]},
}
REKEY = {"idnumber": ["P1", "E1"]}
RENAME = {"username": ["jan", "jan2"]}

DUTCH = Texts("nl")


def row(action: Action, changes: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    base = dict.fromkeys(PLAN_COLUMNS, "") | {
        "row": 1,
        "person_id": "P1",
        "account_id": None if action is Action.CREATE else 12,
        "verdict": "linked",
        "action": action.value,
        "firstname": "Zoë",
        "lastname": "Bos",
        "changes": json.dumps(changes or CHANGES.get(action, {})),
        "reasons": "[]",
        "other_accounts": "[]",
    }
    return base | values


def plan_of(*parts: tuple[int, dict[str, Any]]) -> pd.DataFrame:
    rows = [one for count, one in parts for _ in range(count)]
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).astype({"row": "Int64", "account_id": "Int64"})


def facts(links: int = 1000, now: int = 1000, before: int | None = 1000, *, ever_loaded: bool = True) -> Facts:
    return Facts(links=links, persons_now=now, persons_before=before, ever_loaded=ever_loaded)


def codes(plan: pd.DataFrame, of: Facts, **safeguards: Any) -> list[str]:
    return [each.code for each in evaluate(plan, of, Safeguards.model_validate(safeguards))]


def test_a_plan_within_all_limits_trips_nothing():
    plan = plan_of(
        (20, row(Action.SUSPEND)), (20, row(Action.UPDATE)), (10, row(Action.LINK)), (50, row(Action.CREATE))
    )
    assert codes(plan, facts()) == []


class TestTheFirstLoad:
    def test_waits_when_it_writes_anything(self):
        (tripped,) = evaluate(plan_of((1, row(Action.CREATE))), facts(0, 1, None, ever_loaded=False), Safeguards())
        assert tripped.code == "first_load"
        assert str(tripped.said) == "This is the first load of this Moodle: 1 write waits for approval."

    def test_that_writes_nothing_needs_no_approval(self):
        plan = plan_of((30, row(Action.REJECT)), (5, row(Action.NONE)))
        assert codes(plan, facts(0, 30, None, ever_loaded=False)) == []

    def test_is_not_asked_twice_for_being_all_creates(self):
        plan = plan_of((500, row(Action.CREATE)))
        of = facts(0, 500, None, ever_loaded=False)
        assert codes(plan, of) == ["first_load"]
        assert codes(plan, of, first_load=False) == []

    def test_is_watched_for_what_it_does_to_accounts_that_are_there(self):
        plan = plan_of((500, row(Action.LINK)))
        assert codes(plan, facts(0, 500, None, ever_loaded=False)) == ["first_load", "rekeys"]


class TestLimits:
    @pytest.mark.parametrize(
        ("code", "one", "count", "share"),
        [
            ("suspensions", row(Action.SUSPEND), 20, 0.05),
            ("updates", row(Action.UPDATE), 20, 0.3),
            ("updates", row(Action.REACTIVATE), 20, 0.3),
            ("rekeys", row(Action.LINK), 10, 0.02),
            ("rekeys", row(Action.LINK, REKEY), 10, 0.02),
            ("renames", row(Action.UPDATE, RENAME), 10, 0.02),
            ("creates", row(Action.CREATE), 50, 0.5),
        ],
    )
    @pytest.mark.parametrize("links", [60, 500, 20_000])
    def test_both_numbers_must_be_passed_in_a_small_school_and_in_a_large_one(
        self, code: str, one: dict[str, Any], count: int, share: float, links: int
    ):
        most = max(count, int(links * share))
        others = {name: "off" for name in LIMITS if name != code}
        assert codes(plan_of((most, one)), facts(links), **others) == []
        assert codes(plan_of((most + 1, one)), facts(links), **others) == [code]

    def test_a_rejection_happens_to_a_person_so_its_share_is_of_persons(self):
        plan = plan_of((101, row(Action.REJECT)), (1, row(Action.UPDATE)))
        assert codes(plan, facts(links=100_000, now=500, before=500)) == ["rejections"]
        assert codes(plan, facts(links=100, now=506, before=506)) == []

    def test_without_links_the_share_is_of_the_persons_in_scope(self):
        plan = plan_of((60, row(Action.SUSPEND)))
        (tripped,) = evaluate(plan, facts(0, 600, None), Safeguards())
        assert (tripped.total, tripped.share) == (600, 0.1)
        assert "60 of 600 persons (10 %)" in str(tripped.said)

    def test_words_inside_a_value_are_no_rekey_and_no_rename(self):
        assert codes(plan_of((300, row(Action.UPDATE))), facts()) == []

    def test_a_new_account_gets_an_idnumber_and_a_username_without_being_rekeyed_or_renamed(self):
        assert codes(plan_of((300, row(Action.CREATE))), facts()) == []

    def test_off_is_not_watched(self):
        plan = plan_of((900, row(Action.SUSPEND)))
        assert codes(plan, facts(), suspensions="off") == []

    def test_one_number_is_enough(self):
        assert codes(plan_of((1, row(Action.LINK))), facts(), rekeys={"count": 0}) == ["rekeys"]
        assert codes(plan_of((11, row(Action.SUSPEND))), facts(), suspensions={"share": 0.01}) == ["suspensions"]
        assert codes(plan_of((10, row(Action.SUSPEND))), facts(), suspensions={"share": 0.01}) == []


class TestTheSource:
    def test_an_empty_one_trips_even_a_plan_without_rows(self):
        (tripped,) = evaluate(plan_of(), facts(now=0), Safeguards())
        assert tripped.code == "source_empty"
        assert str(tripped.said).startswith("The source has no persons at all; before there were 1,000.")

    def test_an_empty_one_trips_by_the_accounts_there_are_when_no_run_is_remembered(self):
        assert codes(plan_of(), facts(links=5, now=0, before=None)) == ["source_empty"]

    def test_one_that_was_always_empty_is_nothing_new(self):
        assert codes(plan_of(), facts(0, 0, 0)) == []
        assert codes(plan_of(), facts(0, 0, None, ever_loaded=False)) == []

    def test_one_that_shrank_by_a_fifth_trips_also_when_nothing_is_written(self):
        (tripped,) = evaluate(plan_of((1, row(Action.NONE))), facts(now=800), Safeguards())
        assert (tripped.code, tripped.count, tripped.total, tripped.share) == ("source_shrunk", 200, 1000, 0.2)
        assert str(tripped.said) == (
            "The source has 200 persons fewer than the 1,000 of the last good run (20 %); 20 % or more needs approval."
        )
        assert codes(plan_of(), facts(now=801)) == []

    def test_one_that_grew_is_fine(self):
        assert codes(plan_of(), facts(now=5000)) == []

    def test_an_empty_one_still_counts_as_shrunk_when_emptiness_is_not_watched(self):
        assert codes(plan_of(), facts(now=0), source_empty=False) == ["source_shrunk"]
        assert codes(plan_of(), facts(now=0), source_empty=False, source_shrunk="off") == []


class TestSentences:
    def test_they_say_how_many_of_how_many_and_what_the_limit_is(self):
        (tripped,) = evaluate(plan_of((52, row(Action.SUSPEND))), facts(), Safeguards())
        assert str(tripped.said) == (
            "52 of 1,000 accounts (5.2 %) would be suspended; more than 20 and more than 5 % need approval."
        )
        assert DUTCH.say(tripped.said) == (
            "52 van 1.000 accounts (5,2 %) zouden worden geblokkeerd; bij meer dan 20 en meer dan 5 % is goedkeuring nodig."
        )

    def test_a_limit_of_one_number_names_that_one(self):
        plan = plan_of((52, row(Action.SUSPEND)))
        by_count = evaluate(plan, facts(), Safeguards.model_validate({"suspensions": {"count": 3}}))
        by_share = evaluate(plan, facts(), Safeguards.model_validate({"suspensions": {"share": 0.01}}))
        assert str(by_count[0].said).endswith("; more than 3 need approval.")
        assert str(by_share[0].said).endswith("; more than 1 % need approval.")

    def test_a_share_just_beyond_its_limit_does_not_read_as_the_limit(self):
        (tripped,) = evaluate(plan_of((26, row(Action.SUSPEND))), facts(links=519), Safeguards())
        assert "(5.01 %)" in str(tripped.said)

    @pytest.mark.parametrize(("links", "text"), [(100, "(30 %)"), (243, "(12.3 %)"), (2, "(1,500 %)")])
    def test_a_percentage_has_a_decimal_where_it_needs_one(self, links: int, text: str):
        (tripped,) = evaluate(plan_of((30, row(Action.SUSPEND))), facts(links=links), Safeguards())
        assert text in str(tripped.said)

    def test_one_is_said_as_one(self):
        watched = Safeguards.model_validate({"rejections": {"count": 0}})
        (tripped,) = evaluate(
            plan_of((1, row(Action.REJECT)), (1, row(Action.UPDATE))), facts(now=1, before=1), watched
        )
        assert str(tripped.said) == "1 of 1 person (100 %) is rejected; more than 0 need approval."
        assert (
            DUTCH.say(tripped.said) == "1 van 1 persoon (100 %) wordt geweigerd; bij meer dan 0 is goedkeuring nodig."
        )


class TestWhatIsShown:
    def test_at_most_ten_rows_from_all_over_the_plan(self):
        plan = plan_of(*((1, row(Action.SUSPEND, person_id=f"P{number}")) for number in range(100)))
        (tripped,) = evaluate(plan, facts(links=100), Safeguards())
        assert list(sample(plan, tripped.code)["person_id"]) == [f"P{number}" for number in range(0, 100, 10)]
        assert len(sample(plan, tripped.code, 200)) == 100

    def test_a_safeguard_on_the_source_has_no_rows(self):
        plan = plan_of((30, row(Action.SUSPEND)))
        empty = evaluate(plan, facts(now=0), Safeguards())[0]
        assert rows_behind(plan, empty.code).empty

    def test_the_page_names_people_only_where_it_may(self):
        plan = plan_of((30, row(Action.UPDATE, {"city": ["Delft", "Utrecht"]})), (1, row(Action.REJECT)))
        tripped = evaluate(plan, facts(links=30), Safeguards())
        named, ids = (approval_body(plan, tripped, ENGLISH, named=yes) for yes in (True, False))
        assert "* person P1, account 12 (Zoë Bos): update (city 'Delft' → 'Utrecht')" in named
        assert "* person P1, account 12: update (city)" in ids
        assert not [word for word in ("Zoë", "Bos", "Delft", "Utrecht") if word in ids]
        for body in (named, ids):
            assert str(tripped[0].said) in body
            assert "| update | 30 |" in body
            assert "| Linked | 31 |" in body

    def test_the_page_is_in_the_readers_language(self):
        plan = plan_of((30, row(Action.UPDATE, {"city": ["Delft", "Utrecht"]})), (1, row(Action.REJECT, verdict="")))
        body = approval_body(plan, evaluate(plan, facts(links=30), Safeguards()), DUTCH, named=False)
        assert "Het plan heeft 31 rijen." in body
        assert "| bijwerken | 30 |" in body
        assert "| geweigerd vóór het vergelijken | 1 |" in body
        assert "## Bijgewerkte accounts: 10 van 30\n\n* persoon P1, account 12: bijwerken (city)" in body

    def test_an_orphan_is_called_by_its_account_and_a_reject_by_its_reason(self):
        reasons = json.dumps([{"code": "email_missing", "field": "email", "message": "There is no e-mail."}])
        plan = plan_of(
            (25, row(Action.SUSPEND, person_id="", row=None)),
            (25, row(Action.REJECT, reasons=reasons, account_id=None)),
        )
        body = approval_body(plan, evaluate(plan, facts(50, 50, 50), Safeguards()), ENGLISH, named=True)
        assert "* account 12 (Zoë Bos): suspend (suspended false → true)" in body
        assert "* person P1 (Zoë Bos): reject, There is no e-mail." in body

    def test_what_a_name_tries_is_shown_and_not_done(self):
        plan = plan_of((30, row(Action.SUSPEND, lastname="<script>x</script>\n# [a](javascript:b) | c")))
        body = approval_body(plan, evaluate(plan, facts(30), Safeguards()), ENGLISH, named=True)
        assert "<script" not in body
        assert "[a]" not in body
        assert "\n# " not in body

    def test_a_real_plan_can_be_shown(self):
        persons = [person(1), person(2, city="Utrecht")]
        accounts = [account_of(persons[1], 12, city="Delft"), account(13, idnumber="E9")]
        plan = make_plan(
            persons_frame(persons),
            reasons_frame(),
            accounts_of(accounts),
            mapping(leavers={"policy": "suspend", "grace_days": 0}),
            remembered=Remembered(links=links_frame((13, "E9", False))),
            full=True,
        )
        tripped = evaluate(
            plan, facts(1, 2, None, ever_loaded=False), Safeguards.model_validate({"suspensions": {"count": 0}})
        )
        assert [each.code for each in tripped] == ["first_load", "suspensions"]
        body = approval_body(plan, tripped, ENGLISH, named=False)
        assert "## Suspensions: 1 of 1\n\n* person E9, account 13: suspend (suspended)" in body


ROWS = st.sampled_from(
    [row(action) for action in Action] + [row(Action.LINK, REKEY), row(Action.UPDATE, RENAME), row(Action.SUSPEND)]
)
COUNTS = st.integers(0, 60)
FACTS = st.builds(Facts, COUNTS, COUNTS, st.none() | COUNTS, st.booleans())
WATCHED = st.fixed_dictionaries({"count": st.integers(0, 30), "share": st.sampled_from([0, 0.05, 0.5, 1.5])})
SAFEGUARDS = st.fixed_dictionaries({name: st.just("off") | WATCHED for name in LIMITS}).map(Safeguards.model_validate)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=40), ROWS, FACTS, SAFEGUARDS)
def test_one_row_more_never_untrips_a_safeguard(
    rows: list[dict[str, Any]], more: dict[str, Any], of: Facts, safeguards: Safeguards
):
    before = {each.code for each in evaluate(plan_of(*((1, one) for one in rows)), of, safeguards)}
    after = {each.code for each in evaluate(plan_of(*((1, one) for one in [*rows, more])), of, safeguards)}
    assert before <= after


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=40), FACTS, SAFEGUARDS)
def test_what_trips_is_beyond_its_limit_and_has_its_rows(rows: list[dict[str, Any]], of: Facts, safeguards: Safeguards):
    plan = plan_of(*((1, one) for one in rows))
    for tripped in evaluate(plan, of, safeguards):
        assert tripped.count > tripped.limit_count or tripped.code == "source_shrunk"
        assert tripped.share >= tripped.limit_share
        assert "{" not in str(tripped.said) + DUTCH.say(tripped.said)
        if not tripped.code.startswith("source"):
            assert len(rows_behind(plan, tripped.code)) == tripped.count
