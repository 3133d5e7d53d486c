"""Idnumbers that went to somebody else, and accounts that cannot be shown, on the pages."""

from __future__ import annotations

import pytest
from matching.people import account
from web.mismatched import compare, named
from web.test_mismatch_export import export, rows_of_csv
from web.test_mismatches import counted, listed, shown

from moodle_coupling.ledger.mismatches import get_mismatch


@pytest.fixture
def mismatch(ledger) -> int:
    """Fatima's idnumber is on Jan's account."""
    fatima = named(1, "Fatima", "Yilmaz")
    jan = account(21, idnumber="E1", username="jan-jansen", firstname="Jan", lastname="Jansen", email="jan@example.org")
    return compare(ledger, ([fatima], [jan]))["P1"]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "ID number is somebody else's now",
                "first name, last name and e-mail address all differ",
                "It is the same person: account 21 (jan-jansen) stays person P1 (extern id E1)'s",
                "It is another person: ID number 'E1' is taken off account 21 (jan-jansen)",
            ),
        ),
        (
            "nl",
            (
                "ID-nummer is nu van iemand anders",
                "voornaam, achternaam en e-mailadres verschillen alle drie",
                "Het is dezelfde persoon: account 21 (jan-jansen) blijft van persoon P1 (extern id E1)",
                "Het is iemand anders: ID-nummer 'E1' wordt weggehaald bij account 21 (jan-jansen)",
            ),
        ),
    ],
)
def test_the_page_shows_both_sides_and_what_can_be_decided(visit, mismatch, language, words):
    page = visit("user", language=language).get(f"/mismatches/{mismatch}")
    assert [one for one in (*words, "Fatima", "Jansen") if one not in shown(page)] == []
    assert page.text.count('name="choice"') == 5


def test_the_list_filters_and_counts_it_and_it_is_exported(visit, mismatch):
    page = visit("user").get("/mismatches?verdict=id_reassigned")
    assert (listed(page), counted(page, "verdict")) == ([mismatch], {"id_reassigned": 1})
    (row,) = rows_of_csv(export(visit("user"), "csv", "verdict=id_reassigned"))
    assert (row["Last name"], row["Account: last name"]) == ("Yilmaz", "Jansen")


def test_another_person_is_decided(visit, ledger, mismatch):
    sent = visit("user").send_form(
        f"/mismatches/{mismatch}/decide", version="1", view="page", choice="create_separate:"
    )
    assert sent.status_code == 303
    assert get_mismatch(ledger, mismatch)["status"] == "decided"


@pytest.mark.parametrize(("language", "meaning"), [("en", "seems to be somebody else's"), ("nl", "van iemand anders")])
def test_a_viewer_gets_the_meaning_and_no_names(visit, mismatch, language, meaning):
    page = visit("viewer", language=language).get(f"/mismatches/{mismatch}")
    assert meaning in shown(page)
    assert [name for name in ("Fatima", "Yilmaz", "Jan ", "Jansen", "example.org") if name in shown(page)] == []
