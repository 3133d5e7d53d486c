"""A person on whom the sources do not agree, on the pages: what is told, to whom, and what can be decided."""

from __future__ import annotations

import pytest
from matching.people import account_of, reasons_frame
from web.mismatched import compare, named
from web.test_mismatch_export import export, rows_of_csv, rows_of_xlsx
from web.test_mismatches import counted, listed, shown
from web.test_runs import RECONCILE, table

from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.people.rules import sentence_of

SAID = "Ali Bos <a1.bos@example.org> in HR, Piet Puk <puk@example.org> in IT"
HIDDEN = ("Ali", "Bos", "Piet", "Puk", "example.org", "anna-bos")
DISAGREE = "verdict=sources_disagree"


@pytest.fixture
def mismatch(ledger) -> int:
    """The mismatch of person P1, who has an account; person P2 is well."""
    ali, eva = named(1, "Ali", "Bos"), named(2, "Eva", "Vos")
    side = [ali, eva], [account_of(ali, 21), account_of(eva, 22)]
    given = reasons_frame((1, "sources_disagree", "", "all")).assign(
        said=sentence_of("sources_disagree", "", SAID).written()
    )
    found = compare(ledger, side, reasons=given)
    assert list(found) == ["P1"]
    return found["P1"]


def test_the_list_tells_filters_and_counts_it(visit, mismatch):
    page = visit("user").get(f"/mismatches?{DISAGREE}")
    assert listed(page) == [mismatch]
    assert counted(page, "verdict") == {"sources_disagree": 1}
    assert "Sources do not agree on who this is" in shown(page)
    assert f"The sources do not agree on who this is: {SAID}." in shown(page)
    assert listed(visit("user").get("/mismatches?verdict=held")) == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                f"The sources do not agree on who this is: {SAID}. Two persons share an id there",
                "No account was compared.",
                "Ignore Nothing is written of person P1 (extern id E1); it is not asked again",
                "Decide later",
            ),
        ),
        (
            "nl",
            (
                f"De bronnen zijn het niet eens over wie dit is: {SAID}. Twee personen delen daar een id",
                "Er is geen account vergeleken.",
                "Negeren Van persoon P1 (extern id E1) wordt niets geschreven; het wordt niet opnieuw gevraagd",
                "Later beslissen",
            ),
        ),
    ],
)
def test_the_page_of_one_has_the_person_and_how_to_mend_it(visit, mismatch, language, words):
    page = visit("user", language=language).get(f"/mismatches/{mismatch}")
    assert [one for one in words if one not in shown(page)] == []
    assert page.text.count('name="choice"') == 2
    assert "a1.bos@example.org" in shown(page).partition(words[1])[0].rpartition(words[0])[2]


def test_ignoring_it_stands(visit, ledger, mismatch):
    sent = visit("user").send_form(f"/mismatches/{mismatch}/decide", version="1", view="page", choice="ignore:")
    assert sent.status_code == 303
    assert get_mismatch(ledger, mismatch)["status"] == "decided"


@pytest.mark.parametrize(
    ("language", "meaning"), [("en", "do not agree on who it is"), ("nl", "zijn het niet eens over wie dat is")]
)
def test_a_viewer_gets_the_meaning_and_no_names(visit, mismatch, language, meaning):
    visitor = visit("viewer", language=language)
    for path in ("/mismatches", f"/mismatches/{mismatch}", f"/people/demo/m{mismatch}"):
        page = visitor.get(path)
        assert page.status_code == 200
        assert meaning in shown(page)
        assert [name for name in HIDDEN if name in shown(page)] == []


def test_exports(visit, mismatch):
    (row,) = rows_of_csv(export(visit("user"), "csv", DISAGREE))
    assert (row["Person id"], row["Last name"], row["Account"]) == ("P1", "Bos", "")
    assert SAID in row["Evidence"]
    head, cells = rows_of_xlsx(export(visit("user", language="nl"), "xlsx", DISAGREE))
    found = dict(zip(head, cells, strict=True))
    assert found["Wat er aan de hand is"] == "Bronnen zijn het niet eens over wie dit is"
    assert found["Toelichting"].startswith("De bronnen zijn het niet eens over wie dit is: Ali Bos")
    for suffix in ("csv", "xlsx"):
        answer = export(visit("viewer"), suffix, DISAGREE)
        text = answer.content.decode("utf-8-sig") if suffix == "csv" else repr(rows_of_xlsx(answer))
        assert [name for name in HIDDEN if name in text] == []


def test_the_run_report_counts_it_as_disputed(visit, ledger):
    run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
    end_run(ledger, run.id, RunState.DONE, counts={"linked.skipped": 1, "sources_disagree.rejected": 2})
    assert table(visit("viewer").get(f"/runs/{run.id}"))["Disputed"] == ["·", "2", "·", "·", "·", "2"]
