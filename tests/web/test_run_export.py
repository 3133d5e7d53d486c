"""Tables of a run: exactly what is filtered, with why and how to mend it; and the same tables on the command line."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
from ledger.frames import outcomes
from matching.people import account_of, person
from openpyxl import load_workbook
from web.mismatched import compare, every_kind
from web.test_runs import asked, loaded, plan_of, staged  # noqa: F401  # fixtures

from moodle_coupling.cli import main
from moodle_coupling.contract.frames import PLAN
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.decision_sheet import read_sheet
from moodle_coupling.web.base.access import MASK
from moodle_coupling.web.runs import export as run_export
from moodle_coupling.words.sentence import Sentence

NOW = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.UTC)


@pytest.fixture
def run(ledger, mappings):
    """A run that wrote two, rejected one for a name that is missing, and failed on one."""
    run = begin_run(ledger, "demo", "moodle_reconcile__demo", "manual__1", mode="full")
    missing = Sentence("rule.lastname_missing").written()
    loaded(
        ledger,
        run,
        outcomes([1, 2], at=NOW),
        outcomes([3], "rejected", at=NOW, code="lastname_missing", message=missing, verdict="", action="reject"),
        outcomes([4], "failed", at=NOW, code="unavailable", message="=1+1"),
    )
    end_run(ledger, run.id, RunState.DONE, counts={"done_create": 2, "rejected": 1})
    return run


def csv_of(answer, separator=","):
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=separator))


class TestPage:
    def test_rejects_with_reason_and_how_to_mend(self, visit, run):
        (row,) = csv_of(visit("user").send_form(f"/runs/{run.id}/export.csv", status="rejected"))
        assert (row["Person id"], row["Action"], row["Outcome"]) == ("p3", "Reject", "Rejected")
        assert row["Why"] == str(Sentence("rule.lastname_missing"))
        assert row["How to mend it"] == str(Sentence("rule.lastname_missing.mend"))

    def test_everyone_as_a_workbook(self, visit, run):
        answer = visit("user").send_form(f"/runs/{run.id}/export.xlsx")
        sheet = load_workbook(io.BytesIO(answer.content)).active
        head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
        assert [row[0] for row in rows] == ["p1", "p2", "p3", "p4"]
        assert [row[head.index("Account")] for row in rows] == [1001, 1002, 1003, 1004]
        assert sheet.auto_filter.ref == "A1:N5"
        risky = next(cell for cell in sheet[5] if cell.value == "=1+1")
        assert (risky.data_type, risky.quotePrefix) == ("s", True)

    def test_more_than_are_read_at_a_time(self, visit, run, monkeypatch):
        monkeypatch.setattr(run_export, "AT_ONCE", 3)
        assert len(csv_of(visit("user").send_form(f"/runs/{run.id}/export.csv"))) == 4

    def test_in_dutch(self, visit, run):
        rows = csv_of(visit("user", language="nl").send_form(f"/runs/{run.id}/export.csv", status="rejected"), ";")
        assert rows[0]["Uitkomst"] == "Geweigerd"

    def test_no_names_for_who_may_not_see_them(self, visit, run):
        rows = csv_of(visit("viewer").send_form(f"/runs/{run.id}/export.csv"))
        assert rows[0]["Username"] == MASK
        assert "Vries" not in str(rows)

    def test_the_plan(self, visit, ledger, asked):  # noqa: F811
        run, folder = asked(mode="dry run")
        known, new = person(1), person(2)
        staging.write_frame(folder, PLAN.name, plan_of((known, account_of(known, 21)), (new, None)))
        rows = csv_of(visit("user").send_form(f"/runs/{run.id}/export.csv", of="plan", action="create"))
        assert [row["Person id"] for row in rows] == [new["person_id"]]

    def test_a_plan_that_is_gone(self, visit, run):
        assert visit("user").send_form(f"/runs/{run.id}/export.csv", of="plan").status_code == 404

    def test_it_is_noted(self, visit, run, ledger):
        visit("user").send_form(f"/runs/{run.id}/export.csv")
        noted = activity.recent(ledger, "demo")[0]
        assert (noted.by, noted.action, noted.detail) == ("user", "export", "CSV: run manual__1")


class TestCommand:
    def test_rejects_of_the_latest_run(self, run, tmp_path):
        path = tmp_path / "rejects.csv"
        assert main(["export", "run", "demo", "--rejects", "--output", str(path)]) == 0
        (row,) = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""))
        assert (row["Person id"], row["Who"]) == ("p3", "Dirk van der Meer")

    def test_mismatches_that_can_be_decided_on(self, ledger, mappings, tmp_path):
        ids = compare(ledger, every_kind())
        path = tmp_path / "mismatches.xlsx"
        assert main(["export", "mismatches", "--output", str(path)]) == 0
        assert {int(line.number) for line in read_sheet(path.read_bytes(), path.name)} == set(ids.values())
        assert load_workbook(path).worksheets[0].data_validations.dataValidation

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["run", "demo", "--run", "none", "--output", "x.csv"], "has no run none"),
            (["run", "nowhere", "--output", "x.csv"], "There is no environment 'nowhere'. There are: demo."),
            (["run", "demo", "--plan", "--output", "x.csv"], "is not kept any more"),
            (["run", "demo", "--output", "x.pdf"], "must end in .csv or .xlsx"),
            (["run", "demo", "--output", "/nowhere/x.csv"], "cannot be written"),
        ],
    )
    def test_what_is_wrong_is_said(self, run, capsys, arguments, said):
        assert main(["export", *arguments]) == 1
        assert said in capsys.readouterr().err
