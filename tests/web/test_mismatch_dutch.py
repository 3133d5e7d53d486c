"""The evidence in Dutch: what matching found, said once more."""

from __future__ import annotations

import pytest
from matching.people import account, account_of
from web.mismatched import every_kind, judged, named

from moodle_coupling.contract.verdicts import DECIDABLE
from moodle_coupling.ledger.cells import records
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.people.rules import sentence_of
from moodle_coupling.words.sentence import ENGLISH, Texts

DUTCH = Texts("nl")


def said(side) -> dict[str, str]:
    """Give the Dutch of each mismatch, by person_id; of an orphan by its account."""
    return {
        row["person_id"] if row["verdict"] != "orphan" else str(row["account_id"]): DUTCH.say(evidence_of(row))
        for row in records(judged(side))
    }


SENTENCES = {
    "P1": "Geen account heeft ID-nummer 'E1'; het e-mailadres 'j1.bos@example.org' hoort bij account 21 (jurgen), dat geen ID-nummer heeft.",
    "P2": "Geen account heeft ID-nummer 'E2'; het e-mailadres 'a2.bos@example.org' hoort bij account 22 (anna-bos2x), dat ID-nummer 'A-99' heeft, dat in de bron niet voorkomt.",
    "P3": "Geen account heeft ID-nummer 'E3'; het e-mailadres 'ł3.bos@example.org' hoort bij account 23 (anna-bos3x), dat ID-nummer 'P3' heeft: het andere id van deze persoon.",
    "P4": "Geen account heeft ID-nummer 'e4x', maar account 24 (anna-bos4x) heeft 'E4X ': hetzelfde op hoofdletters of spaties na; het e-mailadres 'a4.bos@example.org' hoort daar ook bij.",
    "P5": "Account 25 (anna-bos5x) heeft ID-nummer 'E5', maar het e-mailadres 'o5.bos@example.org' is van account 26 (user26).",
    "P6": "Geen account heeft ID-nummer 'E6'; het e-mailadres 's6.bos@example.org' hoort bij account 27 (iemand) zonder ID-nummer, maar de gebruikersnaam 'anna-bos6x' hoort bij account 28 (anna-bos6x) zonder ID-nummer.",
    "P7": "ID-nummer 'E7' staat bij account 29 (anna-bos7x) en account 30 (maria2).",
    "P8": "Account 31 (anna-bos8x) heeft ID-nummer 'E8', maar is geblokkeerd door iemand anders dan deze koppeling.",
    "33": "Account 33 (weg) heeft ID-nummer 'GONE-1', en dat is van niemand in de bron.",
}


def test_every_verdict():
    assert said(every_kind()) == SENTENCES


def test_sources_that_do_not_agree():
    said_by = "Ali Bos <ali@example.org> in HR, Piet Puk <puk@example.org> in IT"
    evidence = sentence_of("sources_disagree", "", said_by).written()
    assert DUTCH.say(evidence) == (
        f"De bronnen zijn het niet eens over wie dit is: {said_by}. Twee personen delen daar een id: verbeter het id in een van de "
        "bronnen."
    )


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ({}, "dat is het ID-nummer van persoon P9 (extern id E9)"),
        ({"in_scope": False}, "dat is het ID-nummer van persoon P9 (extern id E9) (buiten deze Moodle)"),
        ({"person_id": ""}, "dat is het ID-nummer van persoon met extern id E9"),
        ({"person_id": "", "extern_id": ""}, "dat is het ID-nummer van persoon op rij 9"),
    ],
)
def test_whose_the_idnumber_is(owner, words):
    someone, other = named(1, "Anna", "Bos"), named(9, "Bram", "Bos", **owner)
    found = said(([someone, other], [account_of(someone, 21, idnumber="E9", username="een")]))
    assert found["P1"].endswith(f"dat ID-nummer 'E9' heeft; {words}.")


def test_who_else_points_at_it():
    people = [named(number, "Anna", "Bos", username="anna-bos") for number in (1, 2, 3)]
    found = said((people, [account(21, username="anna-bos")]))
    assert found["P1"].endswith(
        "dat geen ID-nummer heeft; personen P2 (extern id E2) en P3 (extern id E3) horen daar ook bij."
    )


def test_who_else_points_at_one_of_several():
    first, second = named(1, "Anna", "Bos", username="anna-bos"), named(2, "Bram", "Bos", username="anna-bos")
    found = said(
        ([first, second], [account(21, username="anna-bos"), account_of(first, 22, idnumber="", username="x")])
    )
    assert found["P1"].endswith("; persoon P2 (extern id E2) hoort ook bij een ervan.")


def test_whose_the_other_accounts_are():
    someone, owner = named(1, "Anna", "Bos"), named(2, "Bram", "Bos")
    found = said(
        (
            [someone, owner],
            [account_of(someone, 21, email="old@example.org"), account_of(owner, 22, email=someone["email"])],
        )
    )
    assert found["P1"].endswith("is van account 22 (anna-bos2x) van persoon P2 (extern id E2).")


@pytest.mark.parametrize(
    ("inactive", "words"), [(True, "die weg is (inactief in de bron)"), (False, "die buiten deze Moodle valt")]
)
def test_an_account_of_somebody_who_is_out(inactive, words):
    out = named(5, "Bram", "Bos", in_scope=False, inactive=inactive)
    found = said(([named(1, "Anna", "Bos"), out], [account_of(out, 33)]))
    assert (
        found["33"]
        == f"Account 33 (anna-bos5x) heeft ID-nummer 'E5', dat alleen persoon P5 (extern id E5) heeft, {words}."
    )


def test_a_suspended_account_without_idnumber():
    someone = named(1, "Anna", "Bos")
    found = said(([someone], [account_of(someone, 21, idnumber="", suspended=True)]))
    assert "dat geen ID-nummer heeft en geblokkeerd is" in found["P1"]


@pytest.mark.parametrize("verdict", DECIDABLE)
def test_what_a_run_of_an_earlier_version_wrote_is_shown_as_it_is(verdict: str):
    row = {"verdict": verdict, "evidence": "No account has idnumber 'E1'; it is {odd}.", "idnumber": "E1"}
    assert DUTCH.say(evidence_of(row)) == ENGLISH.say(evidence_of(row)) == row["evidence"]
