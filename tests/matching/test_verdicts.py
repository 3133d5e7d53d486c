"""Each verdict of the design's table, with the action and the evidence that go with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from matching.people import account, account_of, codes, links_frame, mapping, person, plan_of, reasons_frame

ANNA = person(1)
SHARED = {"matching": {"shared_email": True}}
BY_EMAIL = {"username": {"recipe": "email"}}


@dataclass(frozen=True)
class Case:
    """Anna against these accounts: what her row says. ``says`` are words that the evidence must hold."""

    name: str
    accounts: list[dict[str, Any]]
    verdict: str
    action: str
    says: tuple[str, ...] = ()
    anna: dict[str, Any] = field(default_factory=dict)
    others: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    account_id: int | None = 11
    pointed: tuple[int, ...] = ()
    proposal: str = ""

    def __str__(self) -> str:
        return self.name


CASES = [
    # linked
    Case("the idnumber joins", [account_of(ANNA)], "linked", "none", ("11", "E1")),
    Case(
        "the idnumber joins whatever the username and e-mail",
        [account(11, idnumber="E1", firstname="Anna", lastname="Bos1")],
        "linked",
        "update",
        ("11", "E1"),
    ),
    Case(
        "a stranger with her username does not matter to a linked person",
        [account_of(ANNA, username="x"), account(12, username="anna-bos1x")],
        "linked",
        "none",
    ),
    # new
    Case("nobody", [account(12)], "new", "create", ("E1",), account_id=None),
    Case("no accounts at all", [], "new", "create", account_id=None),
    Case(
        "a namesake with an idnumber is no question",
        [account(12, username="anna-bos1x", idnumber="Z")],
        "new",
        "create",
        ("anna-bos1x2",),
        account_id=None,
    ),
    Case(
        "a shared address is no question while the names differ",
        [account(12, email="anna1@example.org", firstname="Bert", lastname="Bos1")],
        "new",
        "create",
        settings=SHARED,
        account_id=None,
    ),
    Case(
        "empty e-mail addresses do not meet",
        [account(12, email="")],
        "new",
        "reject",
        anna={"email": ""},
        account_id=None,
    ),
    # id_missing
    Case(
        "the e-mail points at an account without idnumber",
        [account(11, email="ANNA1@Example.org")],
        "id_missing",
        "none",
        ("11", "e-mail 'anna1@example.org'", "no ID number"),
        pointed=(11,),
    ),
    Case(
        "e-mail and surname agree, so a link is proposed",
        [account(11, email="anna1@example.org", lastname=" BÓS1")],
        "id_missing",
        "none",
        pointed=(11,),
        proposal="link",
    ),
    Case(
        "a blank idnumber is none",
        [account(11, email="anna1@example.org", idnumber="  ")],
        "id_missing",
        "none",
        pointed=(11,),
    ),
    Case(
        "a username made from a name is a question while that account has no idnumber",
        [account(11, username="Anna-Bos1x", lastname="Bos1")],
        "id_missing",
        "none",
        ("username 'anna-bos1x'",),
        pointed=(11,),
    ),
    Case(
        "both keys point at it",
        [account(11, username="anna-bos1x", email="anna1@example.org")],
        "id_missing",
        "none",
        ("e-mail 'anna1@example.org' and username 'anna-bos1x' point",),
        pointed=(11,),
    ),
    Case(
        "a shared address is a question when the names agree",
        [account(11, email="anna1@example.org", firstname="ANNA", lastname="Bös 1")],
        "id_missing",
        "none",
        settings=SHARED,
        pointed=(11,),
        proposal="link",
    ),
    Case(
        "the mapping links on e-mail",
        [account(11, email="anna1@example.org")],
        "id_missing",
        "link",
        settings={"matching": {"link_on": ["email"]}},
        pointed=(11,),
    ),
    Case(
        "the mapping links on username only",
        [account(11, email="anna1@example.org")],
        "id_missing",
        "none",
        settings={"matching": {"link_on": ["username"]}},
        pointed=(11,),
    ),
    Case(
        "an account that someone suspended is not linked unasked",
        [account(11, email="anna1@example.org", suspended=True)],
        "id_missing",
        "none",
        ("suspended",),
        settings={"matching": {"link_on": ["email"]}},
        pointed=(11,),
    ),
    # id_differs
    Case(
        "the e-mail points at an account with another idnumber",
        [account(11, email="anna1@example.org", idnumber="Z9")],
        "id_differs",
        "none",
        ("11", "'Z9'", "not known in the source"),
        pointed=(11,),
    ),
    Case(
        "that idnumber is another person's",
        [account(11, email="anna1@example.org", idnumber="E2")],
        "id_differs",
        "none",
        ("'E2'", "person P2"),
        others=[person(2)],
        pointed=(11,),
    ),
    Case(
        "that idnumber is of a person outside this Moodle",
        [account(11, email="anna1@example.org", idnumber="E2")],
        "id_differs",
        "none",
        ("person P2", "not in scope"),
        others=[person(2, in_scope=False)],
        pointed=(11,),
    ),
    Case(
        "a username that identifies points at another idnumber",
        [account(11, username="anna1@example.org", idnumber="Z9")],
        "id_differs",
        "none",
        ("username 'anna1@example.org'",),
        anna={"username": "anna1@example.org"},
        settings=BY_EMAIL,
        pointed=(11,),
    ),
    # id_other_scheme
    Case(
        "the account carries her other id",
        [account(11, email="anna1@example.org", idnumber="P1")],
        "id_other_scheme",
        "none",
        ("'P1'", "other id"),
        pointed=(11,),
        proposal="re-key",
    ),
    Case(
        "her other id is another person's idnumber: nothing is proposed",
        [account(11, email="anna1@example.org", idnumber="P1")],
        "id_other_scheme",
        "none",
        ("other id", "person P2"),
        others=[person(2, idnumber="P1")],
        pointed=(11,),
    ),
    Case(
        "the other id alone raises no question",
        [account(12, idnumber="P1")],
        "new",
        "create",
        account_id=None,
    ),
    # id_case
    Case(
        "the idnumber but for letter case",
        [account(11, idnumber="e1")],
        "id_case",
        "none",
        ("'e1'", "letter case"),
        pointed=(11,),
        proposal="re-key",
    ),
    Case(
        "the idnumber but for spaces, and the e-mail says so too",
        [account(11, idnumber=" E1 ", email="anna1@example.org")],
        "id_case",
        "none",
        ("' E1 '", "e-mail"),
        pointed=(11,),
        proposal="re-key",
    ),
    Case(
        "the near account is another person's exactly",
        [account(11, idnumber="e1")],
        "id_case",
        "none",
        ("person P2",),
        others=[person(2, idnumber="e1")],
        pointed=(11,),
    ),
    # email_taken
    Case(
        "her new address is another account's",
        [account_of(ANNA, email="old@example.org"), account(12, email="Anna1@Example.org")],
        "email_taken",
        "none",
        ("11", "12", "anna1@example.org"),
        pointed=(12,),
    ),
    Case(
        "the rest is written",
        [account_of(ANNA, email="old@example.org", lastname="Old"), account(12, email="anna1@example.org")],
        "email_taken",
        "update",
        pointed=(12,),
    ),
    Case(
        "addresses may be shared",
        [account_of(ANNA, email="old@example.org"), account(12, email="anna1@example.org")],
        "linked",
        "update",
        settings=SHARED,
    ),
    Case(
        "two accounts have the address already, one of them hers",
        [account_of(ANNA), account(12, email="anna1@example.org")],
        "linked",
        "none",
    ),
    Case(
        "addresses are not written to existing accounts",
        [account_of(ANNA, email="old@example.org"), account(12, email="anna1@example.org")],
        "linked",
        "none",
        settings={"write": {"email": "on_create"}},
    ),
    # ambiguous
    Case(
        "e-mail at one account, username at another",
        [account(12, email="anna1@example.org", idnumber="Z"), account(13, username="anna-bos1x")],
        "ambiguous",
        "none",
        ("12", "13", "e-mail", "username"),
        account_id=None,
        pointed=(12, 13),
    ),
    Case(
        "e-mail at one account, idnumber nearly at another",
        [account(12, email="anna1@example.org"), account(13, idnumber="e1")],
        "ambiguous",
        "none",
        ("12", "13"),
        account_id=None,
        pointed=(12, 13),
    ),
    Case(
        "two accounts with her address",
        [account(12, email="anna1@example.org"), account(13, email="anna1@example.org")],
        "ambiguous",
        "none",
        account_id=None,
        pointed=(12, 13),
        settings={"matching": {"link_on": ["email"]}},
    ),
    # duplicate_person
    Case(
        "two persons with one idnumber",
        [account_of(ANNA)],
        "duplicate_person",
        "reject",
        ("'E1'", "person P2"),
        others=[person(2, idnumber="E1")],
        account_id=None,
    ),
    Case(
        "two persons with one address",
        [],
        "duplicate_person",
        "reject",
        ("anna1@example.org", "person P2", "E2"),
        others=[person(2, email="ANNA1@example.org")],
        account_id=None,
    ),
    Case(
        "two persons with one address, where that is allowed",
        [],
        "new",
        "create",
        others=[person(2, email="ANNA1@example.org")],
        settings=SHARED,
        account_id=None,
    ),
    Case(
        "idnumbers that differ in letter case are not one",
        [],
        "new",
        "create",
        others=[person(2, idnumber="e1")],
        account_id=None,
    ),
    Case(
        "a person outside this Moodle is nobody's double",
        [],
        "new",
        "create",
        others=[person(2, email="anna1@example.org", idnumber="E1", in_scope=False)],
        account_id=None,
    ),
    # duplicate_account
    Case(
        "two accounts with her idnumber",
        [account_of(ANNA), account(12, idnumber="E1")],
        "duplicate_account",
        "none",
        ("'E1'", "account 11", "account 12"),
        account_id=None,
        pointed=(11, 12),
    ),
    # returned and held
    Case(
        "suspended by us",
        [account_of(ANNA, suspended=True)],
        "returned",
        "reactivate",
        ("suspended by this coupling",),
        options={"links": links_frame((11, "E1", True))},
    ),
    Case(
        "suspended by someone else",
        [account_of(ANNA, suspended=True, lastname="Old")],
        "held",
        "none",
        ("someone else",),
    ),
    Case(
        "linked by us, suspended by someone else",
        [account_of(ANNA, suspended=True)],
        "held",
        "none",
        options={"links": links_frame((11, "E1", False))},
    ),
    # protected
    Case("the admin", [account_of(ANNA, username="admin", lastname="Old")], "protected", "none", ("admin",)),
    Case("the guest", [account_of(ANNA, username="guest")], "protected", "none", ("guest",)),
    Case(
        "the service user",
        [account_of(ANNA, lastname="Old")],
        "protected",
        "none",
        ("service",),
        options={"service_userid": 11},
    ),
    Case(
        "marked do-not-touch by username",
        [account_of(ANNA, lastname="Old")],
        "protected",
        "none",
        ("do not touch",),
        settings={"matching": {"protected_usernames": ["anna-bos1x"]}},
    ),
    Case(
        "marked do-not-touch by idnumber, and suspended",
        [account_of(ANNA, suspended=True)],
        "protected",
        "none",
        settings={"matching": {"protected_idnumbers": ["E1"]}},
    ),
    Case(
        "a question at a protected account",
        [account(11, username="admin", email="anna1@example.org")],
        "protected",
        "none",
        ("e-mail", "admin"),
        pointed=(11,),
        settings={"matching": {"link_on": ["email"]}},
    ),
    Case("account number 2 is nobody special", [account_of(ANNA, 2)], "linked", "none", account_id=2),
]


PLANNED: dict[str, dict[str, Any]] = {}


def annas_row(case: Case) -> dict[str, Any]:
    """Anna's row of the plan, made once a case."""
    if case.name not in PLANNED:
        persons = [ANNA | case.anna, *case.others]
        PLANNED[case.name] = plan_of(persons, case.accounts, mapping(**case.settings), **case.options)[0]
    return PLANNED[case.name]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict_action_and_evidence(case: Case) -> None:
    anna = annas_row(case)
    assert (anna["verdict"], anna["action"]) == (case.verdict, case.action)
    assert anna["account_id"] == case.account_id
    assert anna["other_accounts"] == list(case.pointed)
    assert anna["proposal"] == case.proposal
    for words in case.says:
        assert words in anna["evidence"]
    assert anna["evidence"].endswith(".")


@pytest.mark.parametrize("case", [case for case in CASES if case.action == "none"], ids=str)
def test_a_person_left_alone_has_no_changes(case: Case) -> None:
    assert annas_row(case)["changes"] == {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_verdict_that_is_not_plain_is_among_the_reasons_too(case: Case) -> None:
    anna = annas_row(case)
    told = [reason["message"] for reason in anna["reasons"] if reason["code"] == case.verdict]
    expected = [] if case.verdict in {"linked", "new", "returned"} else [anna["evidence"]]
    assert told == expected


def test_two_persons_who_point_at_one_account_are_named_to_each_other_and_not_linked() -> None:
    persons = [person(1), person(2, username="anna-bos1x")]
    settings = mapping(matching={"link_on": ["email", "username"]})
    accounts = [account(11, username="anna-bos1x", email="anna1@example.org", lastname="Bos1")]
    first, second = plan_of(persons, accounts, settings)
    assert (first["verdict"], second["verdict"]) == ("id_missing", "id_missing")
    assert (first["action"], second["action"]) == ("none", "none")
    assert (first["proposal"], second["proposal"]) == ("", "")
    assert "person P2" in first["evidence"]
    assert "person P1" in second["evidence"]


def test_the_question_of_a_rejected_double_keeps_others_from_being_linked() -> None:
    persons = [person(1), person(2, email="shared@example.org"), person(3, email="shared@example.org")]
    accounts = [account(11, username="anna-bos1x", email="shared@example.org")]
    rows = plan_of(persons, accounts, mapping(matching={"link_on": ["username"]}))
    assert [row["action"] for row in rows] == ["none", "reject", "reject"]
    assert "persons P2 (extern id E2) and P3" in rows[0]["evidence"]


def test_a_person_rejected_before_matching_has_no_verdict_and_keeps_its_reason() -> None:
    rows = plan_of([person(1, idnumber="")], [], reasons=reasons_frame((1, "idnumber_missing", "idnumber", "all")))
    assert [(row["verdict"], row["action"]) for row in rows] == [("", "reject")]
    assert codes(rows[0]) == [("idnumber_missing", "idnumber")]


def test_a_rejected_person_is_nobodys_double() -> None:
    persons = [person(1), person(2, idnumber="", email="anna1@example.org")]
    rows = plan_of(persons, [], reasons=reasons_frame((2, "idnumber_missing", "idnumber", "all")))
    assert [row["verdict"] for row in rows] == ["new", ""]


def test_an_address_that_moodle_refuses_makes_nobody_a_double() -> None:
    persons = [person(1, email="none@none"), person(2, email="none@none")]
    reasons = reasons_frame((1, "email_invalid", "email", "create"), (2, "email_invalid", "email", "create"))
    rows = plan_of(persons, [account_of(person(1))], reasons=reasons)
    assert [(row["verdict"], row["action"]) for row in rows] == [("linked", "none"), ("new", "reject")]


def test_a_person_outside_this_moodle_has_no_row() -> None:
    assert plan_of([person(1, in_scope=False)], [account_of(ANNA)]) == []


def test_a_source_with_one_idnumber_for_everyone_names_ten_and_counts_the_rest() -> None:
    rows = plan_of([person(number, idnumber="0") for number in range(1, 41)], [])
    assert {row["verdict"] for row in rows} == {"duplicate_person"}
    assert all("and 29 more" in row["evidence"] for row in rows)
    assert "P12 (" not in rows[0]["evidence"]


def test_an_active_person_in_scope_though_inactive_is_not_reactivated() -> None:
    persons = [person(1, inactive=True)]
    rows = plan_of(persons, [account_of(ANNA, suspended=True)], links=links_frame((11, "E1", True)))
    assert (rows[0]["verdict"], rows[0]["action"]) == ("linked", "none")
