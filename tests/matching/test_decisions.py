"""What can be decided on each kind of mismatch, and the sentences that say what comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from matching.people import account, account_of, accounts_of, mapping, person, persons_frame, reasons_frame

from moodle_coupling.contract.verdicts import DECIDABLE, MISMATCHES, DecisionKind, Verdict
from moodle_coupling.matching.decisions import Option, mismatches_with_facts, options, proposed
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.words.sentence import Texts

DUTCH = Texts("nl")
ANNA = person(1)
STRANGER = account(11, email="anna1@example.org", lastname="Bos1")
OFF = ["do_not_touch", "ignore", "later"]
SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "id_missing": [STRANGER],
    "id_differs": [STRANGER | {"idnumber": "Z9"}],
    "id_other_scheme": [STRANGER | {"idnumber": "P1"}],
    "id_case": [account(11, idnumber="e1")],
    "id_reassigned": [account(11, idnumber="E1")],
    "email_taken": [account_of(ANNA, email="old@example.org"), account(12, email="anna1@example.org")],
    "ambiguous": [STRANGER | {"idnumber": "Z9"}, account(12, username="anna-bos1x")],
    "duplicate_account": [account_of(ANNA), account_of(ANNA, 12), account_of(ANNA, 13, suspended=True)],
    "held": [account_of(ANNA, suspended=True)],
    "orphan": [account(11, idnumber="Z9")],
}


def found(verdict: str, accounts: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The mismatch, found by a full comparison, with its facts read."""
    there = accounts_of(SITUATIONS[verdict] if accounts is None else accounts)
    persons = persons_frame([] if verdict == "orphan" else [ANNA])
    plan = make_plan(persons, reasons_frame(), there, mapping(), full=True)
    rows = mismatches_with_facts(plan, there)
    row: dict[str, Any] = rows[rows["verdict"] == verdict].iloc[0].to_dict()
    return row | {"facts": json.loads(row["facts"])}


def offered(verdict: str, accounts: list[dict[str, Any]] | None = None, *, shared: bool = False) -> list[Option]:
    return options(verdict, found(verdict, accounts)["facts"], shared_email=shared)


def kinds(choices: list[Option]) -> list[tuple[str, int | None]]:
    return [(str(option.kind), option.account_id) for option in choices]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("id_missing", [("link", 11)]),
        ("id_differs", [("rekey", 11), ("suspend", 11)]),
        ("id_other_scheme", [("rekey", 11)]),
        ("id_case", [("rekey", 11), ("create_separate", None)]),
        ("id_reassigned", [("link", 11), ("create_separate", None)]),
        ("email_taken", []),
        ("ambiguous", [("link", 12), ("rekey", 11)]),
        ("duplicate_account", [("link", 11), ("link", 12), ("link", 13), ("suspend", 11), ("suspend", 12)]),
        ("held", [("link", 11)]),
        ("orphan", [("suspend", 11)]),
    ],
)
def test_what_means_something_for_a_mismatch_is_offered_and_nothing_else(
    verdict: str, expected: list[tuple[str, int | None]]
) -> None:
    assert kinds(offered(verdict)) == [*expected, *((kind, None) for kind in OFF)]


def test_every_mismatch_can_be_decided_on_and_nothing_else() -> None:
    assert set(DECIDABLE) == {*MISMATCHES, Verdict.ORPHAN}
    assert options("linked", {"person": {}, "accounts": {}}, shared_email=False) == []


@pytest.mark.parametrize(
    ("values", "shared", "possible"),
    [
        ({}, False, False),
        ({"email": " ANNA1@Example.org "}, False, False),
        ({}, True, True),
        ({"email": "other@example.org", "username": "anna-bos1x"}, False, True),
    ],
)
def test_an_account_of_its_own_is_offered_only_where_moodle_would_take_it(
    values: dict[str, str], shared: bool, possible: bool
) -> None:
    facts = found("id_missing", [account(11, **({"email": "anna1@example.org"} | values))])["facts"]
    assert (
        DecisionKind.CREATE_SEPARATE in {o.kind for o in options("id_missing", facts, shared_email=shared)}
    ) is possible


def test_nobody_without_an_address_is_offered_an_account() -> None:
    facts = found("id_case")["facts"]
    facts["person"]["email"] = ""
    assert DecisionKind.CREATE_SEPARATE not in {o.kind for o in options("id_case", facts, shared_email=True)}


SENTENCES = [
    ("id_missing", "link", 11, "Account 11 (user11) gets person P1 (extern id E1)'s ID number 'E1' and is kept up to date from the source.",
     "Account 11 (user11) krijgt ID-nummer 'E1' van persoon P1 (extern id E1) en wordt voortaan bijgehouden vanuit de bron."),
    ("id_differs", "rekey", 11, "Account 11 (user11) gets person P1 (extern id E1)'s ID number 'E1' instead of 'Z9' and is kept up to date from the source.",
     "Account 11 (user11) krijgt ID-nummer 'E1' van persoon P1 (extern id E1) in plaats van 'Z9' en wordt voortaan bijgehouden vanuit de bron."),
    ("ambiguous", "link", 12, "Account 12 (anna-bos1x) gets person P1 (extern id E1)'s ID number 'E1' and is kept up to date from the source; account 11 (user11) stays as it is.",
     "Account 12 (anna-bos1x) krijgt ID-nummer 'E1' van persoon P1 (extern id E1) en wordt voortaan bijgehouden vanuit de bron; aan account 11 (user11) verandert niets."),
    ("duplicate_account", "link", 12, "Account 12 (anna-bos1x) stays person P1 (extern id E1)'s and is kept up to date; ID number 'E1' is taken off account 11 (anna-bos1x) and account 13 (anna-bos1x), and nothing else of them changes.",
     "Account 12 (anna-bos1x) blijft van persoon P1 (extern id E1) en wordt bijgehouden; ID-nummer 'E1' wordt weggehaald bij account 11 (anna-bos1x) en account 13 (anna-bos1x), waaraan verder niets verandert."),
    ("held", "link", 11, "Account 11 (anna-bos1x) is reactivated and from then on kept up to date as person P1 (extern id E1)'s.",
     "Account 11 (anna-bos1x) wordt weer geactiveerd en voortaan bijgehouden als dat van persoon P1 (extern id E1)."),
    ("id_case", "create_separate", None, "Person P1 (extern id E1) gets a new account with ID number 'E1' and the next free username; nothing of account 11 (user11) changes.",
     "Persoon P1 (extern id E1) krijgt een nieuw account met ID-nummer 'E1' en de eerste vrije gebruikersnaam; aan account 11 (user11) verandert niets."),
    ("orphan", "suspend", 11, "Account 11 (user11) with ID number 'Z9' is suspended: nobody logs in with it, and nothing is deleted.",
     "Account 11 (user11) met ID-nummer 'Z9' wordt geblokkeerd: niemand logt ermee in, en er wordt niets verwijderd."),
    ("id_differs", "suspend", 11, "Account 11 (user11) with ID number 'Z9' is suspended: nobody logs in with it, and nothing is deleted; about person P1 (extern id E1) nothing is decided by that, so the next comparison asks again.",
     "Account 11 (user11) met ID-nummer 'Z9' wordt geblokkeerd: niemand logt ermee in, en er wordt niets verwijderd; over persoon P1 (extern id E1) is daarmee niets beslist, dus de volgende vergelijking vraagt het opnieuw."),
    ("id_missing", "do_not_touch", None, "Account 11 (user11) is never written, from now on and until someone takes the protection off; person P1 (extern id E1) gets no account.",
     "Account 11 (user11) wordt vanaf nu niet meer geschreven, totdat iemand de bescherming opheft; persoon P1 (extern id E1) krijgt geen account."),
    ("email_taken", "do_not_touch", None, "Account 11 (anna-bos1x) and account 12 (user12) are never written, from now on and until someone takes the protection off, so that nothing of person P1 (extern id E1) arrives there.",
     "Account 11 (anna-bos1x) en account 12 (user12) worden vanaf nu niet meer geschreven, totdat iemand de bescherming opheft, zodat niets van persoon P1 (extern id E1) daar aankomt."),
    ("orphan", "ignore", None, "Nothing is written for this; it is not asked again as long as account 11 (user11) stays as it is.",
     "Hiervoor wordt niets geschreven; het wordt niet opnieuw gevraagd zolang account 11 (user11) zo blijft."),
    ("email_taken", "ignore", None, "Account 11 (anna-bos1x) keeps its e-mail address and is kept up to date in all else; it is not asked again as long as person P1 (extern id E1) and account 11 (anna-bos1x) and account 12 (user12) stay as they are.",
     "Account 11 (anna-bos1x) houdt zijn e-mailadres en wordt verder wel bijgehouden; het wordt niet opnieuw gevraagd zolang persoon P1 (extern id E1) en account 11 (anna-bos1x) en account 12 (user12) zo blijven."),
    ("held", "later", None, "No run does anything for this: it stays open, with your note.",
     "Geen run doet hier iets voor: het blijft open, met uw notitie."),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "kind", "account_id", "english", "dutch"), SENTENCES)
def test_what_the_next_run_does_is_said_in_english_and_in_dutch(
    verdict: str, kind: str, account_id: int | None, english: str, dutch: str
) -> None:
    (option,) = [o for o in offered(verdict) if (o.kind, o.account_id) == (kind, account_id)]
    assert (str(option.effect), DUTCH.say(option.effect)) == (english, dutch)


def test_of_a_suspended_account_is_said_that_linking_does_not_reactivate_it() -> None:
    option = offered("id_missing", [STRANGER | {"suspended": True}])[0]
    assert str(option.effect).endswith("; it stays suspended, and the run after that asks about it.")
    assert DUTCH.say(option.effect).endswith("; het blijft geblokkeerd, en de run daarna vraagt wat daarmee moet.")


def test_of_many_accounts_ten_are_named() -> None:
    many = [account_of(ANNA, number) for number in range(11, 25)]
    option = offered("duplicate_account", many)[0]
    assert "account 21 (anna-bos1x) and 3 more" in str(option.effect)
    assert "account 21 (anna-bos1x) en nog 3" in DUTCH.say(option.effect)


@pytest.mark.parametrize(
    ("ids", "named"),
    [
        ({"person_id": "P1", "extern_id": ""}, "person P1"),
        ({"person_id": "", "extern_id": "E1"}, "person with extern id E1"),
        ({"person_id": "", "extern_id": ""}, "the person with ID number 'E1'"),
    ],
)
def test_a_person_is_called_by_what_there_is(ids: dict[str, str], named: str) -> None:
    facts = found("held")["facts"]
    facts["person"] |= ids
    assert named in str(options("held", facts, shared_email=False)[0].effect)


@pytest.mark.parametrize(
    ("verdict", "proposal", "expected"),
    [
        ("id_missing", "link", ("link", 11)),
        ("id_case", "re-key", ("rekey", 11)),
        ("id_other_scheme", "re-key", ("rekey", 11)),
        ("orphan", "suspend", ("suspend", 11)),
        ("id_missing", "", None),
        ("duplicate_account", "link", None),
    ],
)
def test_a_proposal_is_one_of_the_options(verdict: str, proposal: str, expected: tuple[str, int] | None) -> None:
    option = proposed(verdict, found(verdict)["facts"], proposal, shared_email=False)
    assert (None if option is None else (option.kind, option.account_id)) == expected


def test_what_matching_proposes_can_be_chosen() -> None:
    for verdict in ("id_missing", "id_other_scheme", "id_case", "orphan"):
        row = found(verdict)
        assert proposed(verdict, row["facts"], row["proposal"], shared_email=False) is not None


def test_accounts_that_were_not_read_are_named_by_number() -> None:
    facts = {"person": {"person_id": "7", "idnumber": "E7"}, "accounts": {"57": None}}
    link = options("id_missing", facts, shared_email=False)[0]
    assert str(link.effect) == "Account 57 gets person 7's ID number 'E7' and is kept up to date from the source."


def test_sources_that_do_not_agree_are_for_them_to_mend():
    said = reasons_frame((1, "sources_disagree", "", "all")).assign(said="Anna in HR, Piet in IT.")
    there = accounts_of([account_of(ANNA)])
    plan = make_plan(persons_frame([ANNA]), said, there, mapping(), full=True)
    (row,) = mismatches_with_facts(plan, there).to_dict("records")
    assert (row["verdict"], row["action"], row["evidence"]) == ("sources_disagree", "reject", "Anna in HR, Piet in IT.")
    facts = json.loads(row["facts"])
    assert facts["sources"] == "Anna in HR, Piet in IT."  # another sentence is another mismatch
    choices = options("sources_disagree", facts, shared_email=False)
    assert kinds(choices) == [("ignore", None), ("later", None)]
    assert str(choices[0].effect) == (
        "Nothing is written of person P1 (extern id E1); it is not asked again as long as the sources say the same."
    )
