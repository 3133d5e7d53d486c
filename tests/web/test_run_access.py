"""Access to cohorts and courses on the pages of a run, and in the tables that are taken from them."""

from __future__ import annotations

import csv
import io

import pytest
from provisioning.test_access import cohort, course, plan
from web.storied import ACCESSED, access_outcomes
from web.test_runs import asked, links, shown, staged  # noqa: F401  # fixtures

from moodle_coupling.cli import main
from moodle_coupling.contract.frames import ACCESS_PLAN
from moodle_coupling.ledger.access import intention_key, settle_access
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.orchestration import staging

RECONCILE = "moodle_reconcile__demo"


@pytest.fixture
def run(ledger, mappings):
    """A run that gave a window, took back, was refused one, and of one does not know."""
    run, outcomes = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full"), access_outcomes()
    plan_intentions(ledger, run.id, [intention_key("access", at) for at in outcomes["position"]], digest="a plan")
    settle_access(ledger, run.id, "access", outcomes)
    end_run(ledger, run.id, RunState.DONE, counts=ACCESSED)
    return run


@pytest.fixture
def dry(asked):  # noqa: F811
    """A dry run whose plan gives two, takes one back and leaves two."""
    run, folder = asked(mode="dry run")
    rows = [
        cohort(61, person_id="p1", code="wanted"),
        course(61, person_id="p1", code="wanted", timestart=1798758000),
        cohort(62, "take_back", person_id="p2", code="no_longer"),
        cohort(63, "none", person_id="p3", code="given"),
        course(64, "none", person_id="p4", code="not_begun"),
    ]
    staging.write_frame(folder, ACCESS_PLAN.name, plan(*rows))
    return run


def table(page) -> list[str]:
    return shown(page).partition("Cohorts and courses")[2].partition("Row by row")[0].split()


def read(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_a_dry_run_shows_what_would_be_given_and_taken_back(visit, dry):
    page = visit("viewer").get(f"/runs/{dry.id}")
    assert table(page)[-8:] == ["total", "2", "0", "1", "1", "0", "0", "1"]
    where = links(page, "of=access_plan&kind=course")
    assert where
    rows = shown(visit("viewer").get(where[0].split("#")[0]))
    assert "2 rows" in rows
    assert "belongs in it and is not there yet" in rows
    assert "2026-12-31 23:00 UTC" in rows
    assert "the window has not begun" in rows
    assert "docenten" not in rows.partition("2 rows")[2]


def test_what_came_of_it_is_found_by_target_outcome_and_person(visit, run):
    page = visit("user").get(f"/runs/{run.id}?of=access")
    assert table(page)[-8:] == ["total", "1", "0", "1", "0", "1", "1", "0"]
    for query, people in (
        ("status=done", ["p1", "p1"]),
        ("action=take_back", ["p1"]),
        ("kind=course&target=BHV-2027", ["p1", "p2"]),
        ("code=target_missing", ["p1"]),
    ):
        fields = dict(part.split("=") for part in query.split("&"))
        rows = read(visit("user").send_form(f"/runs/{run.id}/export.csv", of="access", **fields))
        assert [row["Person id"] for row in rows] == people, query
        text = shown(visit("user").get(f"/runs/{run.id}?of=access&{query}"))
        assert f"{len(people)} row" in text
    (row,) = read(visit("user").send_form(f"/runs/{run.id}/export.csv", of="access", text="p2"))
    assert (row["Kind"], row["Until"], row["Outcome"]) == ("course", "2027-06-30 22:00 UTC", "Unknown")


def test_without_the_right_to_see_names_no_message_is_shown(visit, run):
    assert "no answer came" in shown(visit("user").get(f"/runs/{run.id}?of=access"))
    assert "no answer came" not in shown(visit("viewer").get(f"/runs/{run.id}?of=access"))


def test_on_the_command_line(run, tmp_path):
    path = tmp_path / "access.csv"
    assert main(["export", "run", "demo", "--access", "--rejects", "--output", str(path)]) == 0
    (row,) = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""))
    assert (row["Cohort or course"], row["Code"]) == ("geen", "target_missing")


def test_an_environment_says_what_its_last_run_did_with_access(visit, run):
    assert "Access 1 given 1 taken back 1 rejected 2 wait" in shown(visit("viewer").get("/environments/demo"))
