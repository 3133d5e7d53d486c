"""An Excel workbook, cell by cell as a person sees it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from openpyxl import Workbook

from moodle_coupling.errors import SourceError
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.kinds import read_persons

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract


def read(folder: Path, rows: list[list[object]], **settings: object) -> Extract:
    book = Workbook()
    book.active.title = "Personen"
    for row in rows:
        book.active.append(row)
    for cell in (cell for row in book.active.iter_rows() for cell in row if cell.value == 42):
        cell.number_format = "00000"
    book.create_sheet("Leeg")
    book.save(folder / "persons.xlsx")
    return read_persons(FileSource(path="persons.xlsx", **settings), folder)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("00123", "00123"), ("1042.0", "1042.0"), (1042, "1042"), (1042.0, "1042"), (42, "00042"), (0.1, "0.1"),
        (dt.datetime(2024, 5, 1), "2024-05-01"), (dt.datetime(2024, 5, 1, 9, 30), "2024-05-01T09:30:00"),  # noqa: DTZ001
        (dt.date(2024, 5, 1), "2024-05-01"), (True, "true"), (None, ""), ("NULL", "NULL"),
        (123456789012345, "123456789012345"),
    ],
)  # fmt: skip
def test_reads_every_cell_as_text(tmp_path: Path, value: object, text: str) -> None:
    persons = read(tmp_path, [["PersonId", "Vrijveld1"], ["1", value]]).persons
    assert persons["free1"].tolist() == [text]
    assert str(persons["free1"].dtype) == "str"


def test_rows_are_excels_own_and_blank_ones_are_counted(tmp_path: Path) -> None:
    extract = read(tmp_path, [[None], ["PersonId", "Voornaam", None], ["1", "Jan"], [None, " "], ["2"]])
    assert extract.persons["row"].tolist() == [3, 5]
    assert extract.persons["firstname"].tolist() == ["Jan", ""]
    assert (extract.counts.records, extract.counts.blank) == (3, 1)


def test_leaves_out_text_beyond_the_header_and_formula_errors(tmp_path: Path) -> None:
    extract = read(tmp_path, [["PersonId", "Voornaam"], ["1", "Jan", "?"], ["2", "#N/A"], ["3", "Kees"]])
    assert extract.persons["person_id"].tolist() == ["3"]
    assert [(left.line, left.code) for left in extract.left_out] == [(2, "wrong_number_of_cells"), (3, "cell_error")]
    assert "#N/A" in str(extract.left_out[1].said)


def test_reads_the_sheet_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="sheet 'Leeg' is empty"):
        read(tmp_path, [["PersonId"], ["1"]], sheet="Leeg")
    with pytest.raises(SourceError, match=r"no sheet 'Persoonen' \(source.sheet\); did you mean 'Personen'\?"):
        read(tmp_path, [["PersonId"], ["1"]], sheet="Persoonen")


def test_a_zip_that_is_no_workbook_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "persons.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(SourceError, match="cannot be read as XLSX"):
        read_persons(FileSource(path="persons.xlsx"), tmp_path)


@pytest.mark.parametrize(("name", "content"), [("csv", b"PK\x03\x04"), ("xlsx", b"PersonId\n1\n")])
def test_a_format_that_the_file_is_not_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "persons").write_bytes(content)
    with pytest.raises(SourceError, match=f"source.format says {name}"):
        read_persons(FileSource(path="persons", format=name), tmp_path)
