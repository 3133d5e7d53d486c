"""What is in a workbook, cell by cell, and what no library would write."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from sources.workbooks import HEADER, MAIN, cell, rows, sheet, styles, workbook

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.files.places import MEGABYTE, Caps
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.files.source import read_file

if TYPE_CHECKING:
    from moodle_coupling.sources.contract import Extract

CAPS = Caps(50 * MEGABYTE, 50 * MEGABYTE, 1_048_576, 16_384, 32_767)


def read(data: bytes, **said: Any) -> Extract:
    return read_file(data, FileSource(path="p.xlsx", **said), "p.xlsx", CAPS)


def cities(data: bytes) -> list[str]:
    return read(data).persons["city"].tolist()


def codes(extract: Extract) -> list[tuple[int, str]]:
    return [(left.line, left.code) for left in extract.left_out]


@pytest.mark.parametrize(
    ("format_", "number", "shown"),
    [
        ("00000", 42, "00042"), ('"P"0000', 43, "P0043"), ("00000_ ", 44, "00044"), ("[$-413]00000", 45, "00045"), ("0000-000", 46, "0000-046"),
        ("0000-000", 12345678, "12345-678"), ("00000;-00000", 7, "00007"), ("00000;-00000;@", 7, "00007"),
        ("000\\-00", 42, "000-42"), ("[Red]0000", 5, "0005"), ("[<100]000;00000", 42, "042"), ("[<100]000;00000", 420, "00420"),
        ("(000) 000", 123456, "(123) 456"), ("#-000", 42, "-042"), ("General", 42, "42"), ("0", 42, "42"), ("#,##0", 1042, "1042"), ("0.00", 42, "42"),
        ("0%", 1, "1"), ("0.00E+00", 42, "42"), ("@", 42, "42"), ('"€ "#,##0.00', 42, "42"), ("00000", -42, "-42"), ("00000", 12.5, "12.5"),
        ("00000", 1234567, "1234567"), ("yyyy-mm-dd", 45413, "2024-05-01"), ("dd-mm-yyyy hh:mm", 45413.5, "2024-05-01T12:00:00"),
        ("[$-413]d mmmm yyyy", 45413, "2024-05-01"), ("hh:mm", 0.5, "12:00:00"), ("yyyy", 1e300, "1e+300"), ('"dag "0', 3, "dag 3"), ("0000", 0, "0000"),
    ],
)  # fmt: skip
def test_a_number_is_what_its_format_shows(format_: str, number: float, shown: str) -> None:
    data = rows(f'{cell("A2", "1")}<c r="C2" s="1"><v>{number!r}</v></c>')
    assert cities(workbook(sheet(data), more={"xl/styles.xml": styles(format_)})) == [shown]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("1.234567890123457e+17", "1.234567890123457e+17"), ("1234567890123456", "1234567890123456.0"), ("123456789012345", "123456789012345"),
        ("9007199254740992", "9007199254740992.0"), ("1042.0", "1042"), ("0.1", "0.1"), ("-5", "-5"),
    ],
)  # fmt: skip
def test_a_number_of_more_than_15_digits_shows_that_it_lost_some(number: str, shown: str) -> None:
    assert cities(workbook(sheet(rows(f'{cell("A2", "1")}<c r="C2"><v>{number}</v></c>')))) == [shown]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Ede_x000D_", "Ede\r"), ("a_x005F_x000D_b", "a_x000D_b"), ("_x0041_", "A"), ("_xD83D__xDE00_", "😀"), ("_xD83D_", "\ufffd"), ("_x00_", "_x00_"),
        ("_X000D_", "_X000D_"), ("a_x000d_", "a\r"),
    ],
)  # fmt: skip
def test_excels_escapes_are_read(written: str, meant: str) -> None:
    shared = {"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>{written}</t></si></sst>'}
    one = f"{cell('A2', '1')}{cell('C2', written)}"
    other = f'{cell("A3", "2")}<c r="C3" t="s"><v>0</v></c>'
    third = f'{cell("A4", "3")}<c r="C4" t="str"><f>x</f><v>{written}</v></c>'
    assert cities(workbook(sheet(rows(one, other, third)), more=shared)) == [meant] * 3


def test_a_null_character_is_damage() -> None:
    extract = read(workbook(sheet(rows(cell("A2", "1") + cell("C2", "E_x0000_de"), cell("A3", "2")))))
    assert codes(extract) == [(2, "nul_byte")]


def test_rich_text_is_one_text_and_a_reading_aid_is_none() -> None:
    shared = (
        f'<sst xmlns="{MAIN}"><si><r><t>E</t></r><r><t>de</t></r><rPh sb="0" eb="1"><t>reading</t></rPh></si></sst>'
    )
    data = rows(f'{cell("A2", "1")}<c r="C2" t="s"><v>0</v></c>')
    assert cities(workbook(sheet(data), more={"xl/sharedStrings.xml": shared})) == ["Ede"]


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ('<c r="C2"><f>A1</f><v/></c>', "formula_without_value"),
        ('<c r="C2"><f>A1</f></c>', "formula_without_value"),
        ('<c r="C2" t="str"><f>A1</f></c>', "formula_without_value"),
        ('<c r="C2"><f t="shared" si="0"/></c>', "formula_without_value"),
        ('<c r="C2" t="str"><f>A1</f><v></v></c>', ""),
        ('<c r="C2" t="e"><f>A1</f><v>#N/A</v></c>', "cell_error"),
        ('<c r="C2" t="e"><v>#REF!</v></c>', "cell_error"),
        ('<c r="C2" t="inlineStr"><is><t>#REF!</t></is></c>', "cell_error"),
        (f'<c r="C2" t="inlineStr"><is><t>{"x" * 40_000}</t></is></c>', "cell_too_long"),
        ('<c r="C2" s="7"/>', ""),
    ],
)
def test_a_cell_that_has_no_value_is_not_empty(xml: str, code: str) -> None:
    extract = read(workbook(sheet(rows(cell("A2", "1") + xml, cell("A3", "2")))))
    assert codes(extract) == ([(2, code)] if code else [])
    assert extract.persons["person_id"].tolist() == (["2"] if code else ["1", "2"])


def test_a_formula_error_in_a_column_that_is_not_used_stops_nobody() -> None:
    header = HEADER + cell("D1", "Schoenmaat")
    data = f'<row r="1">{header}</row><row r="2">{cell("A2", "1")}<c r="D2" t="e"><v>#N/A</v></c></row>'
    assert read(workbook(sheet(data))).persons["person_id"].tolist() == ["1"]


def merged(*ranges: str) -> str:
    return "<mergeCells>" + "".join(f'<mergeCell ref="{each}"/>' for each in ranges) + "</mergeCells>"


def test_a_value_merged_downwards_counts_for_each_row() -> None:
    data = rows(
        cell("A2", "1") + cell("C2", "Ede"), cell("A3", "2"), cell("A4", "3") + cell("C4", "hidden"), cell("A5", "4")
    )
    assert cities(workbook(sheet(data, merged("C2:C4")))) == ["Ede", "Ede", "Ede", ""]


def test_a_value_merged_across_columns_or_with_the_heading_is_left_out() -> None:
    data = rows(cell("A2", "1") + cell("B2", "Jan"), cell("A3", "2") + cell("B3", "Kim"), cell("A4", "3"))
    extract = read(workbook(sheet(data, merged("B3:C3", "A1:A2", "B4:C4"))))
    assert codes(extract) == [(2, "merged_cells"), (3, "merged_cells")]
    assert extract.persons["person_id"].tolist() == ["3"]


def test_merged_titles_and_a_merge_of_the_whole_sheet_cost_nothing() -> None:
    data = f'<row r="1">{cell("A1", "Personen")}</row><row r="3">{HEADER.replace("1", "3")}</row><row r="4">{cell("A4", "1")}</row>'
    assert read(workbook(sheet(data, merged("A1:C1")))).persons["person_id"].tolist() == ["1"]
    whole = read(workbook(sheet(rows(cell("A2", "1")), merged("E1:XFD1048576"))))
    assert codes(whole) == []
    with pytest.raises(SourceError, match="more than 100000 merged cells"):
        read(workbook(sheet(rows(cell("A2", "1")), merged(*["A5:A6"] * 100_001))))


def test_a_hidden_sheet_is_read_only_when_it_is_named() -> None:
    one, two = (sheet(rows(cell("A2", id_))) for id_ in ("1", "2"))
    book = workbook(one, two, states={1: "veryHidden"})
    assert read(book).persons["person_id"].tolist() == ["2"]
    assert "hidden before it: 'Blad1'" in str(read(book).warnings[0])
    assert read(book, sheet="Blad1").persons["person_id"].tolist() == ["1"]
    with pytest.raises(SourceError, match=r"all its sheets are hidden \('Blad1'\)"):
        read(workbook(one, states={1: "hidden"}))


def test_damaged_styles_are_said() -> None:
    extract = read(workbook(sheet(rows(cell("A2", "1"))), more={"xl/styles.xml": "<styleSheet"}))
    assert extract.persons["person_id"].tolist() == ["1"]
    assert "its styles are damaged" in str(extract.warnings[0])


def test_days_since_1904_are_days_since_1904() -> None:
    data = rows(f'{cell("A2", "1")}<c r="C2" s="1"><v>43951</v></c>')
    book = workbook(sheet(data), about='<workbookPr date1904="1"/>', more={"xl/styles.xml": styles("yyyy-mm-dd")})
    assert cities(book) == ["2024-05-01"]


def test_a_title_above_the_table_is_passed_and_said() -> None:
    data = f'<row r="2">{cell("A2", "Personen per 1 mei")}</row><row r="5">{HEADER.replace("1", "5")}</row><row r="6">{cell("A6", "7")}</row>'
    extract = read(workbook(sheet(data)))
    assert (extract.persons["person_id"].tolist(), extract.persons["row"].tolist()) == (["7"], [6])
    assert "the table begins at row 5" in str(extract.warnings[0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (workbook(), "has no sheet with cells"),
        (workbook(sheet(rows('<c r="A2" t="s"><v>5</v></c>'))), "cannot be read as XLSX"),
        (workbook(sheet(rows('<c r="A2"><v>x</v></c>'))), "cannot be read as XLSX"),
        (workbook("<worksheet><sheetData>"), "cannot be read as XLSX"),
        (workbook(f'<!DOCTYPE x [<!ENTITY a "b">]>{sheet(rows(cell("A2", "1")))}'), "document type declaration"),
        (workbook(sheet(rows(cell("A2", "1"), first=2) + '<row r="2"/>')), "row 2 comes behind row 2"),
        (workbook(more={"xl/workbook.xml": "", "xl/workbook.bin": "x"}), "binary Excel workbook"),
        (workbook(more={"xl/workbook.xml": "", "content.xml": "x"}), "OpenDocument"),
        (workbook(more={"xl/workbook.xml": ""}), "a ZIP file without a workbook"),
    ],
)
def test_what_is_no_workbook_is_one_sentence(data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(data)


values = st.one_of(
    st.none(),
    st.text(st.characters(categories=["L", "N", "P"], exclude_characters="#='\ufffe\uffff"), min_size=1, max_size=6),
    st.integers(-(10**14), 10**14),
    st.booleans(),
    st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),  # noqa: DTZ001
    st.dates(dt.date(1950, 1, 1), dt.date(2100, 1, 1)),
)


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=8))
def test_whatever_openpyxl_writes_is_read_as_openpyxl_reads_it(column: list[Any]) -> None:
    book = Workbook()
    book.active.append(["PersonId", "Plaats"])
    for number, value in enumerate(column, 1):
        book.active.append([str(number), value])
    packed = io.BytesIO()
    book.save(packed)
    peer = [row[1] for row in load_workbook(packed, data_only=True).active.iter_rows(min_row=2, values_only=True)]
    assert cities(packed.getvalue()) == [as_seen(value) for value in peer]


def as_seen(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.isoformat() if value.time() != dt.time() else value.date().isoformat()
    return str(value)
