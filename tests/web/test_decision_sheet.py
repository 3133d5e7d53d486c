"""A table of mismatches that goes to a spreadsheet and comes back with decisions."""

from __future__ import annotations

import csv
import io
import re

import pytest
from openpyxl import load_workbook
from web.mismatched import compare, every_kind, without_idnumber
from web.test_mismatch_export import export, rows_of_csv

from moodle_coupling.cli import main
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.errors import SourceError
from moodle_coupling.ledger.decisions import Choice, decide, decision_history
from moodle_coupling.orchestration.decision_sheet import Reader, Refused, assess, read_sheet, record
from moodle_coupling.web.base import forms

ALL = Reader(readable=["demo"], may_decide=lambda _: True, shared_email=lambda _: False)


@pytest.fixture
def ids(ledger):
    return compare(ledger, every_kind())


def exported(visitor, query=""):
    answer = export(visitor, "xlsx", query)
    assert answer.status_code == 200
    return load_workbook(io.BytesIO(answer.content))


def filled(book, decisions, *, heads=("Number", "Decision", "Decided account", "Note")):
    """Fill in decision, account and note by mismatch number, as somebody does in a spreadsheet; gives the file."""
    sheet = book.worksheets[0]
    places = {cell.value: cell.column for cell in sheet[1]}
    for row in sheet.iter_rows(min_row=2):
        number = row[places[heads[0]] - 1].value
        for head, value in zip(heads[1:], decisions.get(number, ()), strict=False):
            row[places[head] - 1].value = value
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def upload(visitor, data, name="mismatches.xlsx"):
    token = forms.token_for(visitor.role)
    return visitor.post("/mismatches/sheet", data={forms.FIELD: token}, files={"file": (name, data)})


def recorded(visitor, page):
    rows = re.search(r'name="rows" value="([^"]+)"', page.text)
    assert rows, page.text
    return visitor.send_form("/mismatches/sheet/record", rows=rows[1])


def test_a_file_that_is_too_large_is_refused_before_it_is_read(visit, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__FILE_MEGABYTES", "1")
    monkeypatch.setattr("moodle_coupling.web.mismatches.sheet.read_sheet", lambda *_: pytest.fail("it was read"))
    visitor = visit("user")
    answer = upload(visitor, b"x" * (2 << 20))
    assert "file_megabytes" in visitor.get(answer.headers["location"].removeprefix("/moodle")).text


def standing(ledger, number):
    history = [one for one in decision_history(ledger, number) if one.lapsed_at is None]
    return (history[-1].kind, history[-1].account_id, history[-1].note, history[-1].by) if history else None


class TestTheWholeWay:
    def test_by_workbook(self, visit, ledger, ids):
        data = filled(
            exported(visit("user"), "status=all"),
            {
                ids["P1"]: ("Link", None, "seen her pass"),
                ids["P7"]: ("link", 29),
                ids["P8"]: ("Reactivate",),
                ids["P2"]: ("Ignore",),
            },
        )
        page = upload(visit("user"), data)
        assert page.status_code == 200
        assert "4 decisions in mismatches.xlsx" in page.text
        assert "Nothing is decided yet." in page.text
        assert standing(ledger, ids["P1"]) is None

        done = recorded(visit("user"), page)
        assert "4 mismatches decided" in done.text
        assert standing(ledger, ids["P1"]) == (DecisionKind.LINK, None, "seen her pass", "user")
        assert standing(ledger, ids["P7"])[:2] == (DecisionKind.LINK, 29)
        assert standing(ledger, ids["P8"])[0] == DecisionKind.LINK
        assert standing(ledger, ids["P2"])[0] == DecisionKind.IGNORE

        again = upload(visit("user"), data)  # the same file: now its versions are old, but for what it says itself
        assert "0 decisions" in again.text
        assert "4 rows say what stands already" in again.text

    def test_by_csv_in_dutch(self, visit, ledger, ids):
        answer = export(visit("user", language="nl"), "csv")
        rows = rows_of_csv(answer, ";")
        for row in rows:
            if row["Nummer"] == str(ids["P1"]):
                row["Beslissing"], row["Notitie"] = "Koppelen", "gebeld; klopt"
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
        page = upload(visit("user", language="nl"), text.getvalue().encode("utf-8-sig"), "afwijkingen.csv")
        assert "1 beslissing in afwijkingen.csv" in page.text
        recorded(visit("user", language="nl"), page)
        assert standing(ledger, ids["P1"])[::2] == (DecisionKind.LINK, "gebeld; klopt")

    def test_by_command(self, visit, ledger, ids, mappings, tmp_path, capsys):
        path = tmp_path / "decided.xlsx"
        path.write_bytes(filled(exported(visit("user")), {ids["P1"]: ("Link",), ids["P2"]: ("Nonsense",)}))
        assert main(["decide", str(path)]) == 1
        assert "1 decision can be recorded" in (said := capsys.readouterr().out)
        assert "'Nonsense' is no decision" in said
        assert "Nothing was recorded" in said
        assert standing(ledger, ids["P1"]) is None
        assert main(["decide", str(path), "--yes"]) == 1
        assert "1 decision recorded" in capsys.readouterr().out
        assert standing(ledger, ids["P1"])[0] == DecisionKind.LINK

    def test_two_thousand(self, visit, ledger):
        numbers = compare(ledger, without_idnumber(2000))
        data = filled(exported(visit("user")), dict.fromkeys(numbers.values(), ("Link", None, "")))
        found = assess(ledger, read_sheet(data, "x.xlsx"), ALL)
        assert (len(found.taken), found.refused) == (2000, ())
        assert len(record(ledger, found.taken, by="anna").decided) == 2000


class TestLeftOut:
    def refused(self, visit, ledger, decisions, *, file=None) -> dict[str, Refused]:
        data = file or filled(exported(visit("user"), "status=all"), decisions)
        return {one.number: one for one in assess(ledger, read_sheet(data, "x.xlsx"), ALL).refused}

    def one(self, visit, ledger, number, *values) -> tuple[str, str]:
        found = self.refused(visit, ledger, {number: values})[str(number)]
        return found.kind, found.why.code

    def test_decided_since(self, visit, ledger, ids):
        data = filled(exported(visit("user")), {ids["P1"]: ("Link",)})
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.IGNORE, by="bob"))
        (found,) = self.refused(visit, ledger, {}, file=data).values()
        assert (found.kind, found.why.code) == ("lapsed", "decision_sheet.changed")

    def test_decided_while_the_page_was_open(self, visit, ledger, ids):
        page = upload(visit("user"), filled(exported(visit("user")), {ids["P1"]: ("Link",), ids["P2"]: ("Ignore",)}))
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.LATER, by="bob"))
        done = recorded(visit("user"), page)
        assert "1 mismatch decided" in done.text
        assert "bob was first" in done.text
        assert standing(ledger, ids["P1"])[0] == DecisionKind.LATER

    def test_gone(self, visit, ledger, ids):
        data = filled(exported(visit("user")), {ids["P1"]: ("Link",)})
        compare(ledger, ([], []), run="manual__2")
        (found,) = self.refused(visit, ledger, {}, file=data).values()
        assert (found.kind, found.why.code) == ("lapsed", "mismatch.over.gone")

    def test_not_offered(self, visit, ledger, ids):
        assert self.one(visit, ledger, ids["P1"], "Suspend") == ("not_offered", "decision_sheet.not_offered")

    def test_which_account(self, visit, ledger, ids):
        assert self.one(visit, ledger, ids["P7"], "Link") == ("not_offered", "decision_sheet.which_account")
        assert self.one(visit, ledger, ids["P7"], "Link", 21) == ("not_offered", "decision_sheet.not_its_account")
        assert self.one(visit, ledger, ids["P1"], "Ignore", 21) == ("not_offered", "decision_sheet.no_account_meant")

    def test_what_is_no_decision(self, visit, ledger, ids):
        assert self.one(visit, ledger, ids["P1"], "Yes") == ("unreadable", "decision_sheet.no_such_decision")
        assert self.one(visit, ledger, ids["P1"], "Link", "x") == ("unreadable", "decision_sheet.no_account_number")
        assert self.one(visit, ledger, ids["P1"], "Link", 21, "n" * 2001) == ("unreadable", "decision_sheet.long_note")

    def test_unknown_and_another_environment(self, ledger, ids):
        head = "Number,Version (leave as it is),Decision\n"
        other = compare(ledger, without_idnumber(1), "secret")
        (theirs,) = other.values()
        found = assess(ledger, read_sheet(f"{head}999,1,Link\n{theirs},1,Link\nx,1,Link\n".encode(), "x.csv"), ALL)
        assert [(one.number, one.kind) for one in found.refused] == [
            ("999", "unknown"),
            (str(theirs), "unknown"),
            ("x", "unreadable"),
        ]

    def test_without_a_version(self, ledger, ids):
        data = f"Number;Version (leave as it is);Decision\n{ids['P1']};;Link\n".encode()
        (found,) = assess(ledger, read_sheet(data, "x.csv"), ALL).refused
        assert found.why.code == "decision_sheet.no_version"

    def test_contradicting_and_twice_the_same(self, ledger, ids):
        one, two = ids["P1"], ids["P2"]
        head = "Number,Version (leave as it is),Decision\n"
        data = f"{head}{one},1,Link\n{one},1,Ignore\n{two},1,Ignore\n{two},1,ignore\n"
        found = assess(ledger, read_sheet(data.encode(), "x.csv"), ALL)
        assert [(line.line, line.kind) for line in found.refused] == [(2, "contradicting"), (3, "contradicting")]
        assert [line.mismatch for line in found.taken] == [two]

    def test_barred(self, ledger, ids):
        nobody = Reader(readable=["demo"], may_decide=lambda _: False, shared_email=lambda _: False)
        data = f"Number,Version (leave as it is),Decision\n{ids['P1']},1,Link\n".encode()
        (found,) = assess(ledger, read_sheet(data, "x.csv"), nobody).refused
        assert found.kind == "barred"


class TestFiles:
    @pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"Number,Decision\n1,Link\n", b"PK\x03\x04 no workbook"])
    def test_no_such_table(self, data):
        with pytest.raises(SourceError):
            read_sheet(data, "x")

    def test_what_is_missing_is_named(self):
        with pytest.raises(SourceError, match="Version"):
            read_sheet(b"Number,Decision\n1,Link\n", "x.csv")

    def test_a_bad_file_is_told_on_the_page(self, visit, ids):
        answer = upload(visit("user"), b"nonsense", "photo.csv")
        assert answer.status_code == 303
        assert "photo.csv is no table of mismatches" in visit("user").get("/mismatches/sheet").text or answer.cookies

    def test_columns_in_any_order_below_a_title(self):
        data = "My list\n\nDecision;Nummer;Note;Version (leave as it is)\nLink;7;x;3\n"
        (line,) = read_sheet(data.encode(), "x.csv")
        assert (line.line, line.number, line.version, line.decision, line.note) == (4, "7", "3", "Link", "x")


class TestTheWorkbook:
    def test_choices_in_the_cells(self, visit, ids):
        book = exported(visit("user"), "status=all")
        sheet = book.worksheets[0]
        heads = {cell.value: cell.column_letter for cell in sheet[1]}
        row = {sheet.cell(at, 1).value: at for at in range(2, sheet.max_row + 1)}
        lists = book["Lists"]

        def offered(head, number):
            place = f"{heads[head]}{row[number]}"
            rules = [rule for rule in sheet.data_validations.dataValidation if place in rule.sqref]
            return [cell.value for rule in rules for (cell,) in lists[rule.formula1.split("!")[1].replace("$", "")]]

        assert offered("Decision", ids["P1"])[:1] == ["Link"]
        assert "Reactivate" in offered("Decision", ids["P8"])
        assert offered("Decided account", ids["P7"]) == [29, 30]
        assert offered("Decided account", ids["P1"]) == []
        assert lists.sheet_state == "hidden"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert sheet.freeze_panes == "B2"
        assert sheet.column_dimensions[heads["Version (leave as it is)"]].hidden


class TestWhoMay:
    def test_a_viewer_may_not(self, visit, ids):
        assert 'type="file"' not in visit("viewer").get("/mismatches/sheet").text
        assert upload(visit("viewer"), b"Number\n").status_code == 403
        assert visit("viewer").send_form("/mismatches/sheet/record", rows="x").status_code == 403

    def test_what_was_shown_to_another_is_not_taken(self, visit, ledger, ids):
        page = upload(visit("user"), filled(exported(visit("user")), {ids["P1"]: ("Link",)}))
        assert recorded(visit("admin"), page).status_code == 403
        assert visit("user").send_form("/mismatches/sheet/record", rows="forged").status_code == 400
        assert standing(ledger, ids["P1"]) is None

    def test_a_viewer_is_not_offered_the_page(self, visit, ids):
        assert "/mismatches/sheet" not in visit("viewer").get("/mismatches").text
        assert "/mismatches/sheet" in visit("user").get("/mismatches").text
