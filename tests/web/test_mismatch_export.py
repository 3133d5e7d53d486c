"""The export: exactly what is filtered, harmless in a spreadsheet, masked for who may not see names."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from urllib.parse import parse_qs

import pytest
from matching.people import account_of
from openpyxl import load_workbook
from web.mismatched import BRACES, SCRIPT, compare, every_kind, named, without_idnumber
from web.test_mismatches import noord  # noqa: F401  # a fixture

from moodle_coupling.contract.safe_text import as_csv, guarded
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.web.base import forms
from moodle_coupling.web.base.tables import as_xlsx
from moodle_coupling.web.mismatches import export as mismatch_export

DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|' /C calc'!A0",
    "＝1+1",
    " =1",
    "\u00a0=1",
    "\ufeff=1",
    "\u200b+1",
    '"=1',
    ";=1",
]


@pytest.fixture
def ids(ledger):
    return compare(ledger, every_kind())


def export(visitor, suffix, query=""):
    """Press the button of an export, as the form of the list does with what is filtered in it."""
    return visitor.send_form(f"/mismatches/export.{suffix}", **parse_qs(query))


def rows_of_csv(answer, separator=",") -> list[dict[str, str]]:
    assert answer.status_code == 200
    text = answer.content.decode("utf-8-sig")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def rows_of_xlsx(answer) -> list[list]:
    assert answer.status_code == 200
    return [list(row) for row in load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True)]


class TestCsv:
    def test_exactly_what_is_filtered(self, visit, ledger, ids):
        decide(ledger, ids["P3"], 1, Choice(DecisionKind.REKEY, "anna", "a note", 23))
        answer = export(visit("user"), "csv", "proposal=re-key&status=all")
        (first, second) = rows_of_csv(answer)
        assert (first["Person id"], second["Person id"]) == ("P3", "P4")
        assert first["Decision"] == "Re-key"
        assert (first["Decided account"], first["Decided by"], first["Note"]) == ("23", "anna", "a note")
        assert second["Last name"] == SCRIPT
        assert second["Account: ID number"] == "E4X "
        assert second["Evidence"].startswith("No account has ID number 'e4x'")

    def test_more_than_are_read_at_a_time(self, visit, ledger, monkeypatch):
        monkeypatch.setattr(mismatch_export, "AT_ONCE", 7)
        compare(ledger, without_idnumber(52))
        found = rows_of_csv(export(visit("user"), "csv"))
        assert len({row["Person id"] for row in found}) == len(found) == 52

    def test_several_accounts(self, visit, ids):
        (row,) = rows_of_csv(export(visit("user"), "csv", "verdict=duplicate_account"))
        assert (row["Account"], row["Account: username"]) == ("29 | 30", "anna-bos7x | maria2")

    def test_an_orphan_is_an_account_and_no_person(self, visit, ids):
        (row,) = rows_of_csv(export(visit("user"), "csv", "verdict=orphan"))
        assert (row["Last name"], row["ID number"], row["Account: last name"]) == ("", "", "Weg")

    @pytest.mark.clock
    def test_dutch_has_semicolons(self, visit, ids):
        before = dt.datetime.now(dt.UTC)
        answer = export(visit("user", language="nl"), "csv", "verdict=held")
        after = dt.datetime.now(dt.UTC)
        (row,) = rows_of_csv(answer, ";")
        assert row["Wat er aan de hand is"] == "Door iemand anders in Moodle geblokkeerd"
        assert row["Toelichting"].startswith("Account 31 (anna-bos8x) heeft ID-nummer 'E8'")
        names = [f'attachment; filename="afwijkingen-{moment:%Y-%m-%d}.csv"' for moment in (before, after)]
        assert answer.headers["content-disposition"] in names  # midnight may have passed

    def test_a_name_that_is_a_formula(self, visit, ledger):
        someone = named(1, "=HYPERLINK(A1)", "@SUM(A1)")
        compare(ledger, ([someone], [account_of(someone, 21, idnumber="")]))
        (row,) = rows_of_csv(export(visit("user"), "csv"))
        assert (row["First name"], row["Last name"]) == ("'=HYPERLINK(A1)", "'@SUM(A1)")

    def test_nothing_found_is_a_head_alone(self, visit, ids):
        assert rows_of_csv(export(visit("user"), "csv", "status=gone")) == []


class TestXlsx:
    def test_exactly_what_is_filtered(self, visit, ids):
        head, *rows = rows_of_xlsx(export(visit("user"), "xlsx", "verdict=email_taken"))
        assert head[:3] == ["Number", "Environment", "What is the matter"]
        (row,) = rows
        found = dict(zip(head, row, strict=True))
        assert (found["Number"], found["Last name"], found["Account"]) == (ids["P5"], BRACES, "25 | 26")
        assert isinstance(found["First seen (UTC)"], dt.datetime)

    def test_a_name_that_is_a_formula_is_text(self, visit, ledger):
        someone = named(1, "=HYPERLINK(A1)", "\x01\x0bBos")
        compare(ledger, ([someone], [account_of(someone, 21, idnumber="")]))
        answer = export(visit("user"), "xlsx")
        sheet = load_workbook(io.BytesIO(answer.content)).active
        cell = next(cell for cell in sheet[2] if cell.value == "=HYPERLINK(A1)")
        assert (cell.data_type, cell.quotePrefix) == ("s", True)
        assert "\ufffd\ufffdBos" in [cell.value for cell in sheet[2]]

    def test_in_dutch(self, visit, ids):
        head, *_ = rows_of_xlsx(export(visit("user", language="nl"), "xlsx"))
        assert head[:2] == ["Nummer", "Omgeving"]


class TestCells:
    @pytest.mark.parametrize("text", DANGEROUS)
    def test_no_formula_in_csv(self, text):
        (line,) = csv.reader(io.StringIO("".join(as_csv(iter([[text]]), ","))[1:], newline=""))
        assert line[0].startswith("'")
        assert line[0].replace("'", "") == text.replace("'", "")

    @pytest.mark.parametrize("text", DANGEROUS)
    def test_no_formula_in_xlsx(self, text):
        with as_xlsx([([text], {})], "x", {}) as file:
            cell = load_workbook(file).active["A1"]
        assert (cell.data_type, cell.quotePrefix) == ("s", True)

    @pytest.mark.parametrize("text", ["", "Bos", "a=b", "E-7", "1", "x, y"])
    def test_what_is_no_formula_stays(self, text):
        assert guarded(text) == text

    def test_a_text_longer_than_a_cell(self):
        with as_xlsx([(["x" * 40_000], {})], "x", {}) as file:
            assert len(load_workbook(file).active["A1"].value) == 32_767


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_viewer_gets_no_names(visit, ledger, ids, suffix, language):
    decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "chief", "ask Jürgen", 21))
    answer = export(visit("viewer", language=language), suffix, "status=all")
    text = answer.content.decode("utf-8-sig") if suffix == "csv" else repr(rows_of_xlsx(answer))
    for name in ("Jürgen", "Meer", "jurgen", "bos@", "example.org", "alert(1)", "7*7", "Wim", "anna-bos"):
        assert name not in text
    assert "••••" in text
    assert "P1" in text


def test_it_is_noted_who_took_what_and_how_much(visit, ledger, ids, noord):  # noqa: F811
    export(visit("user"), "csv", "verdict=id_missing")
    export(visit("viewer"), "xlsx", "environment=demo")
    noted = [(one.environment, one.by, one.action, one.detail) for one in activity.recent(ledger)]
    assert sorted(noted) == [
        ("demo", "user", "export", "CSV: 1 mismatches"),
        ("demo", "viewer", "export", "XLSX: 9 mismatches"),
        ("noord", "user", "export", "CSV: 2 mismatches"),
    ]


class TestTheForm:
    def test_it_sends_what_is_filtered_and_proof_of_origin(self, visit, ids):
        page = visit("user").get("/mismatches?status=all&verdict=orphan&proposal=suspend")
        form = re.search(r'<form[^>]*action="/moodle/mismatches/export\.csv".*?</form>', page.text, re.DOTALL)[0]
        sent = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
        assert sorted(sent)[1:] == [("proposal", "suspend"), ("status", "all"), ("verdict", "orphan")]
        assert min(sent)[0] == forms.FIELD
        assert 'formaction="/moodle/mismatches/export.xlsx"' in form
        assert "hx-" not in form
        answer = visit("user").post("/mismatches/export.csv", data=dict(sent))
        assert [row["Status"] for row in rows_of_csv(answer)] == ["Open"]

    def test_a_search_is_sent_sealed(self, visit, ids):
        visitor = visit("user")
        found = visitor.send_form("/mismatches/filter", text=BRACES).headers["location"].partition("?")[2]
        assert [row["Last name"] for row in rows_of_csv(export(visitor, "csv", found))] == [BRACES]

    @pytest.mark.parametrize("suffix", ["csv", "xlsx"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    @pytest.mark.parametrize("origin", ["cross-site", "same-site", ""])
    def test_without_proof_of_origin_nothing_is_given_and_nothing_noted(
        self, visit, ledger, ids, suffix, method, origin
    ):
        headers = {"sec-fetch-site": origin} if origin else {}
        answer = visit("user").request(method, f"/mismatches/export.{suffix}?environment=demo", headers=headers)
        assert answer.status_code in {403, 404, 422}  # there is no such page, else no proof
        assert activity.recent(ledger) == []
