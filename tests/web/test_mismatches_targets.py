"""Cohorts and courses that Moodle has under another name, on the pages, in the export and in a file that comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from web.mismatched import compare, every_kind
from web.test_decision_sheet import exported, filled, recorded, standing, upload
from web.test_mismatch_export import export, rows_of_csv
from web.test_mismatches import counted, listed, shown

from moodle_coupling.access.questions import Alike, Question, mismatches
from moodle_coupling.cli import main
from moodle_coupling.ledger.accounts import record_links  # noqa: F401
from moodle_coupling.ledger.decisions import protect, protections
from moodle_coupling.ledger.mismatches import MismatchFilter, get_mismatch, mismatch_page, record_mismatches
from moodle_coupling.ledger.removal import PersonIds, forget_person
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

COHORT = Question(
    "cohort",
    "Docenten 2027",
    "idnumber",
    (
        Alike(21, {"idnumber": "docenten-2027", "fullname": "Docenten"}),
        Alike(34, {"idnumber": "", "fullname": "docenten_2027"}),
    ),
)
COURSE = Question("course", "BHV", "idnumber", (Alike(7, {"shortname": "BHV", "fullname": "Bedrijfshulp"}),))
ASKED = "verdict=target_elsewhere"


def asked(ledger: Ledger) -> dict[str, int]:
    run = begin_run(ledger, "demo", "moodle_reconcile__demo", "manual__7", mode="full")
    found = mismatches([COHORT, COURSE], {COHORT.target: 12, COURSE.target: 1})
    record_mismatches(ledger, "demo", run.id, found, full=False)
    end_run(ledger, run.id, RunState.DONE, counts={"done_none": 1})
    rows = mismatch_page(ledger, MismatchFilter(verdicts=["target_elsewhere"]), sort="id", descending=False).rows
    return dict(zip(rows["subject"], (int(number) for number in rows["id"]), strict=True))


@pytest.fixture
def ids(ledger: Ledger) -> dict[str, int]:
    return asked(ledger)


@pytest.fixture
def cohort(ids: dict[str, int]) -> int:
    return ids["cohort Docenten 2027"]


@pytest.fixture
def course(ids: dict[str, int]) -> int:
    return ids["course BHV"]


def test_the_list_counts_searches_and_shows_it_beside_the_people(visit, ledger, cohort, course):
    compare(ledger, every_kind(), run="manual__8")
    page = visit("user").get(f"/mismatches?{ASKED}&sort=name&desc=0")
    assert listed(page) == [course, cohort]
    assert counted(page, "verdict")["target_elsewhere"] == 2
    assert "Cohort or course under another name" in shown(page)
    assert "12 persons belong there" in shown(page)
    found = visit("user").send_form("/mismatches/filter", text="docenten")
    assert listed(visit("user").get(found.headers["location"].removeprefix("/moodle"))) == [cohort]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Cohort Docenten 2027",
                "Cohort 'Docenten 2027' is named in the mapping or the list",
                "Docenten (docenten-2027), number 21 and docenten_2027, number 34",
                "Named as Cohort 21 Cohort 34",
                "It is number 21 From the next run on cohort 'Docenten 2027' stands for Docenten (docenten-2027), number 21",
                "It is number 34",
                "None of these Cohort 'Docenten 2027' stands for nothing here",
            ),
        ),
        (
            "nl",
            (
                "Cohort 'Docenten 2027' staat in het mappingbestand of de lijst",
                "Genoemd als Cohort 21 Cohort 34",
                "Het is nummer 21 Vanaf de volgende run staat cohort 'Docenten 2027' voor Docenten (docenten-2027), nummer 21",
                "Geen van deze Cohort 'Docenten 2027' staat hier voor niets",
            ),
        ),
    ],
)
@pytest.mark.parametrize("role", ["user", "viewer"])
def test_the_page_of_one_shows_what_may_be_meant_to_whoever_may_see_it(visit, cohort, language, words, role):
    page = visit(role, language=language).get(f"/mismatches/{cohort}")
    text = shown(page)
    buttons = ("It is", "Het is", "None of", "Geen van")
    assert [one for one in words if one not in text and (role == "user" or not one.startswith(buttons))] == []
    assert "/people/demo/" not in page.text
    assert page.text.count('name="choice"') == (4 if role == "user" else 0)


def test_a_decision_stands_says_what_it_does_and_can_be_taken_back(visit, ledger, cohort):
    visitor = visit("op")
    sent = visitor.send_form(f"/mismatches/{cohort}/decide", version="1", view="page", choice="stands_for:34")
    assert sent.status_code == 303
    assert standing(ledger, cohort)[:2] == ("stands_for", 34)
    page = visitor.get(f"/mismatches/{cohort}")
    assert "It is number 34" in shown(page)
    assert "From the next run on the name stands for it" in shown(page)
    assert "Apply now" not in shown(page)
    assert visitor.send_form(f"/mismatches/{cohort}/withdraw", version="2").status_code == 303
    assert get_mismatch(ledger, cohort)["status"] == "open"


def test_one_that_it_does_not_point_at_cannot_be_chosen(visit, ledger, cohort):
    sent = visit("user").send_form(f"/mismatches/{cohort}/decide", version="1", view="page", choice="stands_for:7")
    assert sent.status_code == 409
    assert standing(ledger, cohort) is None


def test_many_are_decided_at_once_where_there_is_one_to_choose(visit, ledger, cohort, course):
    visitor = visit("user")
    page = visitor.send_form("/mismatches/decide", scope="ticked", tick=[str(cohort), str(course)])
    assert "Say of 1 name that it is this one" in shown(page)
    assert "1 points at several accounts" in shown(page)
    assert "None of these, for 2 names" in shown(page)
    visitor.send_form("/mismatches/decide", kind="stands_for", rows=f"{course}:1,{cohort}:1")
    assert (standing(ledger, course)[:2], standing(ledger, cohort)) == (("stands_for", 7), None)


def test_it_goes_out_in_the_export_and_comes_back_decided(visit, ledger, cohort, course):
    (row,) = [one for one in rows_of_csv(export(visit("user"), "csv", ASKED)) if one["Number"] == str(cohort)]
    assert (row["ID number"], row["Account"], row["Account: ID number"]) == (
        "Docenten 2027",
        "21 | 34",
        "docenten-2027 | ",
    )
    data = filled(
        exported(visit("user"), ASKED), {cohort: ("It is this one", 34, "nagevraagd"), course: ("Geen van deze",)}
    )
    recorded(visit("user"), upload(visit("user"), data))
    assert standing(ledger, cohort)[:3] == ("stands_for", 34, "nagevraagd")
    assert standing(ledger, course)[:2] == ("ignore", None)


def test_the_command_decides_by_file(visit, ledger, cohort, tmp_path, capsys):
    file = tmp_path / "back.xlsx"
    file.write_bytes(filled(exported(visit("user"), ASKED), {cohort: ("It is this one", 21)}))
    assert main(["decide", str(file), "--yes"]) == 0
    assert standing(ledger, cohort)[:2] == ("stands_for", 21)
    assert "It is this one: 1 (Cohort or course under another name)" in capsys.readouterr().out
    file.write_bytes(filled(exported(visit("user"), f"{ASKED}&status=all"), {cohort: ("It is this one", 7)}))
    assert main(["decide", str(file), "--yes"]) == 1


def test_its_numbers_are_no_accounts(visit, ledger, cohort):
    protect(ledger, "demo", 21, by="ann")
    page = visit("user").get(f"/mismatches/{cohort}")
    assert "is not to be touched" not in shown(page)
    assert visit("user").send_form(f"/mismatches/{cohort}/unprotect", account="21").status_code == 404
    assert list(protections(ledger, "demo")["account_id"]) == [21]
    assert visit("user").get(f"/people/demo/m{cohort}").status_code == 404
    assert visit("user").send_form("/people", text="docenten").text.find(f"m{cohort}") == -1


def test_a_full_comparison_of_persons_leaves_it_open_and_the_other_way_round(visit, ledger, cohort):
    compare(ledger, every_kind(), run="manual__8")
    assert get_mismatch(ledger, cohort)["status"] == "open"
    before = mismatch_page(ledger, MismatchFilter(statuses=["open"])).total
    asked(ledger)
    assert mismatch_page(ledger, MismatchFilter(statuses=["open"])).total == before


def test_forgetting_somebody_takes_no_question_away_and_leaves_no_mention(ledger, cohort, course):
    person = PersonIds(person_ids=("P1",), emails=("zoe@example.org",), idnumbers=("21", "Docent"))
    alike = (Alike(3, {"idnumber": "Zoe@example.org", "fullname": "Z"}),)
    names = ("ZOE@example.org", "Groep van zoe@example.org")
    run = begin_run(ledger, "demo", "moodle_reconcile__demo", "manual__7", mode="full")
    found = mismatches([Question("cohort", name, "idnumber", alike) for name in names], {})
    record_mismatches(ledger, "demo", run.id, found, full=False)
    forget_person(ledger, "demo", person)
    rows = mismatch_page(ledger, MismatchFilter(verdicts=["target_elsewhere"]), sort="id", descending=False).rows
    assert list(rows["status"]) == ["open", "open", "gone", "gone"]
    assert "zoe@example.org" not in "".join([*rows["facts"], *rows["evidence"], *rows["subject"]]).lower()
