"""An idnumber that went to somebody else: nothing is written, and what is decided is carried out in a safe order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.people import (
    account,
    account_of,
    accounts_of,
    codes,
    decided_frame,
    links_frame,
    mapping,
    person,
    persons_frame,
    plan_of,
    reasons_frame,
)

from moodle_coupling.matching.decisions import mismatches_with_facts, options
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import which_to_remember
from moodle_coupling.words.sentence import Texts

FATIMA = person(1, firstname="Fatima", lastname="Yilmaz", email="fatima@example.org", username="fatima-yilmaz")
JAN = account(11, idnumber="E1", username="jan-jansen", firstname="Jan", lastname="Jansen", email="jan@example.org")
ASKED = "Account 11 (jan-jansen) has ID number 'E1', but seems to be somebody else's: "


def known_as(person_id: str, account_id: int = 11, idnumber: str = "E1", *, by_us: bool = False) -> Any:
    return links_frame((account_id, idnumber, by_us)).assign(person_id=person_id)


def test_nothing_is_written_to_an_account_that_is_somebody_elses():
    (row,) = plan_of([FATIMA], [JAN])
    assert (row["verdict"], row["action"], row["changes"], row["account_id"]) == ("id_reassigned", "none", {}, 11)
    assert row["evidence"] == f"{ASKED}first name, last name and e-mail address all differ."
    assert codes(row) == [("id_reassigned", "idnumber")]


def test_everybody_else_is_linked_as_before():
    eva, bob = person(2, firstname="Eva"), person(3, firstname="Bob")
    rows = plan_of([eva, FATIMA, bob], [account_of(eva, 12), JAN, account_of(bob, 13, firstname="Rob")])
    assert {row["idnumber"]: (row["verdict"], row["action"]) for row in rows} == {
        "E1": ("id_reassigned", "none"),
        "E2": ("linked", "none"),
        "E3": ("linked", "update"),
    }


DUTCH = Texts("nl")


@pytest.mark.parametrize("suspended_by_us", [True, False])
def test_it_is_neither_reactivated_nor_held(suspended_by_us: bool):
    (row,) = plan_of([FATIMA], [JAN | {"suspended": True}], links=links_frame((11, "E1", suspended_by_us)))
    assert (row["verdict"], row["action"], row["changes"]) == ("id_reassigned", "none", {})


def test_a_protected_account_stays_protected():
    (row,) = plan_of([FATIMA], [JAN | {"username": "admin"}])
    assert row["verdict"] == "protected"


def test_two_crossed_ids_leave_both_accounts_as_they_are():
    jan = person(1, firstname="Jan", lastname="Jansen", email="jan@example.org", username="jan-jansen")
    piet = person(2, firstname="Piet", lastname="Bos", email="piet@example.org", username="piet-bos")
    accounts = [account_of(jan, 10, idnumber="E2"), account_of(piet, 11, idnumber="E1")]
    rows = plan_of([jan, piet], accounts, full=True)
    assert [(row["verdict"], row["action"], row["account_id"]) for row in rows] == [
        ("id_reassigned", "none", 11),
        ("id_reassigned", "none", 10),
    ]
    assert [row["other_accounts"] for row in rows] == [[10], [11]]


@pytest.mark.parametrize(
    "values",
    [
        {"firstname": "Jan"},
        {"firstname": "J.", "lastname": "Jansen"},
        {"firstname": "Johannes"},
        {"lastname": "Yilmaz-Jansen"},
        {"lastname": "JANSÉN"},
        {"firstname": "Jansen", "lastname": "Jan"},
        {"email": " JAN@Example.org "},
        {"firstname": "", "lastname": "Yilmaz"},
        {"email": ""},
    ],
)
def test_who_agrees_in_anything_or_lacks_something_stays_linked(values: dict[str, str]):
    (row,) = plan_of([FATIMA | values], [JAN])
    assert row["verdict"] == "linked"


@pytest.mark.parametrize("hidden", ["firstname", "lastname", "email"])
def test_what_moodle_hides_does_not_differ(hidden: str):
    assert plan_of([FATIMA], [JAN | {hidden: ""}])[0]["verdict"] == "linked"


def test_without_names_of_accounts_nothing_can_be_said():
    there = accounts_of([JAN]).drop(columns=["firstname", "lastname"])
    plan = make_plan(persons_frame([FATIMA]), reasons_frame(), there, mapping())
    assert plan["verdict"].tolist() == ["linked"]


class TestWhatTheLedgerKnows:
    def test_another_person_id_and_another_name_is_asked_about_though_the_last_name_agrees(self):
        sister = FATIMA | {"lastname": "Jansen", "email": "jan@example.org"}
        (row,) = plan_of([sister], [JAN], links=known_as("P9"))
        assert row["verdict"] == "id_reassigned"
        assert row["evidence"] == f"{ASKED}this coupling knows it as person P9's, and the name differs."

    @pytest.mark.parametrize("known", ["", "P1"])
    def test_the_same_person_id_or_none_asks_nothing(self, known: str):
        sister = FATIMA | {"lastname": "Jansen"}
        assert plan_of([sister], [JAN], links=known_as(known))[0]["verdict"] == "linked"

    @pytest.mark.parametrize("values", [{}, {"firstname": "J."}, {"firstname": "Johannes"}, {"lastname": "Janssen"}])
    def test_a_source_that_numbered_its_people_anew_asks_nothing(self, values: dict[str, str]):
        same = FATIMA | {"firstname": "Jan", "lastname": "Jansen"} | values
        assert plan_of([same], [JAN], links=known_as("P9"))[0]["verdict"] == "linked"

    def test_a_link_made_on_another_idnumber_says_nothing(self):
        sister = FATIMA | {"lastname": "Jansen"}
        assert plan_of([sister], [JAN], links=known_as("P9", idnumber="E7"))[0]["verdict"] == "linked"


class TestDecisions:
    def obeyed(self, kind: str, *accounts: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        decided = decided_frame({"row": 1, "kind": kind, "account_id": 11 if kind == "link" else None})
        return plan_of([FATIMA], list(accounts or [JAN]), decided=decided, full=True, **options)

    def test_the_same_person_goes_on_as_linked(self):
        (row,) = self.obeyed("link")
        assert (row["action"], row["account_id"], row["decision"]) == ("update", 11, 1)
        assert row["changes"] == {
            "firstname": ["Jan", "Fatima"],
            "lastname": ["Jansen", "Yilmaz"],
            "email": ["jan@example.org", "fatima@example.org"],
        }

    def test_the_same_person_keeps_the_address_while_the_new_one_is_anothers(self):
        row = self.obeyed("link", JAN, account(12, email="Fatima@example.org"))[0]
        assert set(row["changes"]) == {"firstname", "lastname"}
        assert ("email_taken", "email") in codes(row)

    def test_of_another_person_only_the_number_is_taken_off_and_the_next_run_creates(self):
        rows = self.obeyed("create_separate")
        assert [(row["row"], row["account_id"], row["action"], row["changes"]) for row in rows] == [
            (1, None, "none", {}),
            (None, 11, "update", {"idnumber": ["E1", ""]}),
        ]
        assert {row["decision"] for row in rows} == {1}
        assert [row["idnumber"] for row in rows] == ["E1", ""]
        (row,) = plan_of([FATIMA], [JAN | {"idnumber": ""}], full=True, links=known_as("P9"))
        assert (row["verdict"], row["action"], row["username"]) == ("new", "create", "fatima-yilmaz")

    def test_both_crossed_numbers_taken_off_lead_each_person_to_the_own_account(self):
        jan = person(1, firstname="Jan", lastname="Jansen", email="jan@example.org", username="jan-jansen")
        piet = person(2, firstname="Piet", lastname="Bos", email="piet@example.org", username="piet-bos")
        accounts = [account_of(jan, 10, idnumber="E2"), account_of(piet, 11, idnumber="E1")]
        both = decided_frame({"row": 1, "kind": "create_separate"}, {"row": 2, "kind": "create_separate"})
        rows = plan_of([jan, piet], accounts, decided=both, full=True)
        assert [(row["account_id"], row["action"]) for row in rows] == [
            (None, "none"),
            (None, "none"),
            (10, "update"),
            (11, "update"),
        ]
        freed = [one | {"idnumber": ""} for one in accounts]
        after = plan_of([jan, piet], freed, full=True)
        assert [(row["verdict"], row["other_accounts"], row["proposal"]) for row in after] == [
            ("id_missing", [10], "link"),
            ("id_missing", [11], "link"),
        ]

    def test_a_protected_account_keeps_its_number(self):
        rows = self.obeyed("create_separate", JAN, protections={11: "anna"})
        assert [(row["verdict"], row["action"]) for row in rows] == [("protected", "none")]

    @pytest.mark.parametrize("kind", ["ignore", "do_not_touch", "later", "suspend", "rekey"])
    def test_whatever_else_is_decided_writes_nothing(self, kind: str):
        assert {row["action"] for row in self.obeyed(kind)} == {"none"}

    def test_a_person_who_waits_is_looked_at_by_the_next_run_again(self):
        frame = make_plan(persons_frame([FATIMA]), reasons_frame(), accounts_of([JAN]), mapping())
        outcomes = frame[["row", "account_id"]].assign(status="skipped", code="mismatch")
        assert not which_to_remember(frame, outcomes).any()


def facts_of(persons: list[dict[str, Any]], accounts: list[dict[str, Any]]) -> dict[str, Any]:
    there = accounts_of(accounts)
    plan = make_plan(persons_frame(persons), reasons_frame(), there, mapping(), full=True)
    found = mismatches_with_facts(plan, there)
    return dict(found[found["verdict"] == "id_reassigned"].iloc[0])


def test_the_facts_hold_both_sides_and_the_choices_say_what_comes_of_them():
    row = facts_of([FATIMA], [JAN])
    facts = json.loads(row["facts"])
    assert facts["person"]["firstname"] == "Fatima"
    assert facts["accounts"]["11"]["firstname"] == "Jan"
    offered = options("id_reassigned", facts, shared_email=False)
    assert [(str(one.kind), one.account_id) for one in offered] == [
        ("link", 11),
        ("create_separate", None),
        ("do_not_touch", None),
        ("ignore", None),
        ("later", None),
    ]
    assert str(offered[0].effect).startswith(
        "It is the same person: account 11 (jan-jansen) stays person P1 (extern id E1)'s"
    )
    assert DUTCH.say(offered[0].effect).startswith(
        "Het is dezelfde persoon: account 11 (jan-jansen) blijft van persoon P1"
    )
    assert str(offered[1].effect) == (
        "It is another person: ID number 'E1' is taken off account 11 (jan-jansen), of which nothing else changes, and the run "
        "after that makes a new account for person P1 (extern id E1)."
    )
    assert DUTCH.say(offered[1].effect).endswith(
        "en de run daarna maakt een nieuw account voor persoon P1 (extern id E1)."
    )


def test_the_number_is_not_taken_off_an_account_that_has_the_persons_own_address():
    sister = FATIMA | {"email": "jan@example.org"}
    there = accounts_of([JAN])
    from moodle_coupling.matching.frames import Remembered

    plan = make_plan(
        persons_frame([sister]), reasons_frame(), there, mapping(), remembered=Remembered(links=known_as("P9"))
    )
    facts = json.loads(mismatches_with_facts(plan, there)["facts"].iloc[0])
    offered = options("id_reassigned", facts, shared_email=False)
    assert "create_separate" not in {str(one.kind) for one in offered}
    decided = decided_frame({"row": 1, "kind": "create_separate"})
    (row,) = plan_of([sister], [JAN], decided=decided, links=known_as("P9"))
    assert (row["action"], codes(row)[-1][0]) == ("none", "decision_not_possible")


@pytest.mark.parametrize(
    ("links", "why"), [(None, "alle drie"), (known_as("P9"), "van persoon P9, en de naam verschilt")]
)
def test_the_evidence_is_told_in_dutch(links: Any, why: str):
    from moodle_coupling.matching.frames import Remembered

    there = accounts_of([JAN])
    plan = make_plan(persons_frame([FATIMA]), reasons_frame(), there, mapping(), remembered=Remembered(links=links))
    row = mismatches_with_facts(plan, there).iloc[0]
    said = DUTCH.say(row["evidence"])
    assert said.startswith("Account 11 (jan-jansen) heeft ID-nummer 'E1', maar lijkt van iemand anders te zijn: ")
    assert said.endswith(f"{why}.") or why in said


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.permutations(range(6)))
def test_the_order_of_rows_changes_nothing(persons: list[int], accounts: list[int]):
    people = [person(n, firstname=f"{'ABCDEF'[n - 1]}nna", lastname="QRSTUV"[n - 1] * 5) for n in range(1, 7)]
    there = [account(20 + n, idnumber=f"E{7 - n}", username=f"u{n}", email=f"anna{n}@example.org") for n in range(1, 7)]
    frames = [
        make_plan(persons_frame(some), reasons_frame(), accounts_of(known), mapping(), full=True)
        for some, known in ((people, there), ([people[i] for i in persons], [there[i] for i in accounts]))
    ]
    assert frames[0].equals(frames[1])
    assert "id_reassigned" in set(frames[0]["verdict"])
