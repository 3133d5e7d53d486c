"""A CSV file as people write it: encodings, delimiters, quotes, line ends, and what is wrong with it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.contract.columns import PERSON_COLUMNS
from moodle_coupling.errors import SourceError
from moodle_coupling.sources.files import csv_file
from moodle_coupling.sources.files.csv_file import read_regular
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.kinds import read_persons
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract

DUTCH = Texts("nl")


def read(folder: Path, content: str | bytes, written: str = "utf-8", **settings: object) -> Extract:
    data = content if isinstance(content, bytes) else content.encode(written)
    (folder / "persons.csv").write_bytes(data)
    return read_persons(FileSource(path="persons.csv", **settings), folder)


def test_gives_every_declared_column_in_its_dtype(tmp_path: Path) -> None:
    persons = read(tmp_path, "PersonId;Voornaam\n1;Jan\n").persons
    assert {name: str(dtype) for name, dtype in persons.dtypes.items()} == {c.name: c.dtype for c in PERSON_COLUMNS}
    assert persons.loc[0, "lastname"] == ""


def test_reads_a_header_without_persons(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam\n")
    assert len(extract.persons) == 0
    assert {name: str(dtype) for name, dtype in extract.persons.dtypes.items()} == {
        c.name: c.dtype for c in PERSON_COLUMNS
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_finds_out_encoding_delimiter_and_line_end(
    tmp_path: Path, encoding: str, delimiter: str, quoted: bool, newline: str
) -> None:
    rows = [["Persoons ID", "voor-naam", "E-MAIL"], ["1", "Zoë", "zoe@example.org"], ["2", "Søren", "s@example.org"]]
    if encoding == "cp1252":
        rows[2][1] = "Søren €"
    quote = '"' if quoted else ""
    text = newline.join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in rows) + newline
    extract = read(tmp_path, text.replace("Persoons ID", "Persoon-ID"), encoding)
    assert extract.persons["firstname"].tolist() == [rows[1][1], rows[2][1]]
    assert extract.persons["email1"].tolist() == ["zoe@example.org", "s@example.org"]
    assert extract.persons["row"].tolist() == [2, 3]


def test_keeps_text_as_text(tmp_path: Path) -> None:
    content = "PersonId;ExternId;Achternaam;Voornaam\n00123;1042.0;Null;NA\n1e5;;NULL;nan\n"
    persons = read(tmp_path, content).persons
    assert persons["person_id"].tolist() == ["00123", "1e5"]
    assert persons["extern_id"].tolist() == ["1042.0", ""]
    assert persons["lastname"].tolist() == ["Null", "NULL"]
    assert persons["firstname"].tolist() == ["NA", "nan"]


def test_counts_lines_as_an_editor_does_also_within_quotes(tmp_path: Path) -> None:
    content = 'PersonId;Voornaam\n1;"Jan\r\nPiet"\n\n2;"a ""b"" c"\n'
    extract = read(tmp_path, content)
    assert extract.persons["row"].tolist() == [2, 5]
    assert extract.persons["firstname"].tolist() == ["Jan\r\nPiet", 'a "b" c']
    assert extract.counts.blank == 1


def test_skips_and_counts_lines_without_text(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam\n1;Jan\n;\n  ;\t\n2;Piet\n\n")
    assert extract.persons["person_id"].tolist() == ["1", "2"]
    assert (extract.counts.records, extract.counts.persons, extract.counts.blank) == (5, 2, 3)


def test_honours_excels_own_delimiter_line(tmp_path: Path) -> None:
    extract = read(tmp_path, "sep=|\r\nPersonId|Voornaam\r\n1|Jan;Piet\r\n")
    assert extract.persons["firstname"].tolist() == ["Jan;Piet"]
    assert extract.persons["row"].tolist() == [3]


@pytest.mark.parametrize("quote", ["", '"'])
def test_leaves_out_a_line_with_another_number_of_cells(tmp_path: Path, quote: str) -> None:
    extract = read(tmp_path, f"PersonId;Voornaam\n1;{quote}Jan{quote}\n2;Piet;Jansen\n3\n4;Kees\n")
    assert extract.persons["person_id"].tolist() == ["1", "4"]
    assert [(left.line, left.code) for left in extract.left_out] == [
        (3, "wrong_number_of_cells"),
        (4, "wrong_number_of_cells"),
    ]
    assert "Line 3 has 3 cells and the header has 2" in str(extract.left_out[0].said)
    assert "Regel 4 heeft 1 cellen" in DUTCH.say(extract.left_out[1].said)
    assert extract.counts.left_out == 2


def test_leaves_out_a_line_with_text_after_a_closing_quote(tmp_path: Path) -> None:
    extract = read(tmp_path, 'PersonId;Voornaam\n1;"Jan "de Beer" Jansen"\n2;Piet\n')
    assert extract.persons["person_id"].tolist() == ["2"]
    assert [(left.line, left.code) for left in extract.left_out] == [(2, "stray_quote")]


def test_leaves_out_a_line_with_a_nul(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam;Achternaam;Plaats\n1;Ja\0n;Jansen;Utrecht\n2;Piet;Jansen;Utrecht\n")
    assert extract.persons["person_id"].tolist() == ["2"]
    assert [(left.line, left.code) for left in extract.left_out] == [(2, "nul_byte")]
    assert "column 2" in str(extract.left_out[0].said)


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('PersonId;Voornaam\n1;Jan\n2;"Piet\n3;Kees\n', 3, 3),
        ('PersonId;Voornaam\n1;Jan\n2;"Piet\n3;"Kees"\n', 3, 3),
        ('PersonId;Voornaam\n"1";"Jan\n2;"Piet"\n', 2, 5),
    ],
)
def test_an_unclosed_quote_is_an_error_where_it_opens(tmp_path: Path, content: str, line: int, column: int) -> None:
    with pytest.raises(SourceError, match=rf"persons\.csv, line {line}, column {column}: the quote opened here"):
        read(tmp_path, content)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="is empty: expected a header"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "encoding", "place"),
    [
        ("PersonId;Voornaam\n1;Zoë\n", "ascii", "line 2, column 5"),
    ],
)
def test_another_encoding_than_said_is_an_error_with_its_place(
    tmp_path: Path, content: str, encoding: str, place: str
) -> None:
    with pytest.raises(SourceError, match=place + ".*no text in " + encoding):
        read(tmp_path, content.encode("utf-8") + b"x", encoding=encoding)


def test_utf8_with_a_spoilt_byte_is_not_taken_for_cp1252(tmp_path: Path) -> None:
    content = "PersonId;Voornaam\n1;Zoë\n2;Søren\n3;Ren".encode() + b"\xe9e\n"
    with pytest.raises(SourceError, match=r"line 4, column 6: byte 0xE9 is not UTF-8, while the rest"):
        read(tmp_path, content)


def test_a_byte_that_cp1252_does_not_know_is_an_error_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 3, column 4: byte 0x9D is no text in cp1252"):
        read(tmp_path, b"PersonId;Voornaam\r\n1;Jan\r\n2;\xe9\x9d\r\n")


def test_utf16_without_its_mark_is_an_error_that_says_so(tmp_path: Path) -> None:
    content = "PersonId;Voornaam\n1;Jan\n".encode("utf-16-le")
    with pytest.raises(SourceError, match=r"set source\.encoding: utf-16-le"):
        read(tmp_path, content)
    assert read(tmp_path, content, encoding="utf-16-le").persons["firstname"].tolist() == ["Jan"]


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv does not exist \(source\.path\)"):
        read_persons(FileSource(path="nowhere.csv"), tmp_path)


def test_an_old_excel_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"old Excel file \(\.xls\)"):
        read(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest")


@pytest.mark.parametrize(
    "lines",
    [
        ["1;Jan;a@example.org;ja", "2;Zoë;;nee", "3;李;  x ;"],
        ["1;Jan;a@example.org;ja", "", "2;Zoë;;nee"],
        ["1;Jan;a@example.org;ja", ";;;", "2;Zoë;;nee"],
        ["1;Jan;a@example.org", "2;Zoë;;nee"],
        ['"1";"Jan";"a@example.org";"ja"', '2;"Zoë; x";;""', '3;"";"";'],
        ['"1";"Jan ""de Beer""";;ja', "2;Zoë;;nee"],
        ['1;Jan "de Beer";;ja', "2;Zoë;;nee"],
        ['1;"Jan', '2";;ja', "2;Zoë;;nee"],
        ['"";"";"";""', "2;Zoë;;nee"],
        ['1;"Jan"x;;ja', "2;Zoë;;nee"],
        ['1; "Jan";;ja', "2;Zoë;;nee"],
        ['1;"Jan" ;;ja', "2;Zoë;;nee"],
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_the_fast_reader_gives_what_the_careful_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], newline: str, last: bool
) -> None:
    content = newline.join(["PersonId;Voornaam;E-mail;Inactief", *lines]) + (newline if last else "")
    fast = read(tmp_path, content)
    monkeypatch.setattr(csv_file, "read_regular", lambda *_: None)
    careful = read(tmp_path, content)
    assert fast.persons.equals(careful.persons)
    assert (fast.left_out, fast.counts) == (careful.left_out, careful.counts)


@given(st.lists(st.text('ab";\n\r ', max_size=12), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_the_fast_reader_refuses_whatever_it_would_read_otherwise(lines: list[str], newline: str) -> None:
    body = newline.join(lines)
    fast = read_regular(body, ";", 2, {"a": 0, "b": 1})
    if fast is not None:
        rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=";", strict=True))
        assert rows == [list(row) for row in zip(*(fast.texts[name].to_pylist() for name in "ab"), strict=True)]
        assert fast.lines.tolist() == list(range(len(rows)))


@pytest.mark.parametrize("word", ["ja", "Ja", "JA", "true", "TRUE", "yes", "waar", "1", "x", "X", " ja "])
def test_reads_yes(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"PersonId;Inactief\n1;{word}\n").persons["inactive"].tolist() == [True]


@pytest.mark.parametrize("word", ["nee", "Nee", "false", "no", "onwaar", "0", "", " "])
def test_reads_no(tmp_path: Path, word: str) -> None:
    persons = read(tmp_path, f"PersonId;Inactief\n1;{word}\n").persons
    assert persons["inactive"].tolist() == [False]
    assert "inactive_unread" not in persons


def test_keeps_a_yes_or_no_that_is_neither(tmp_path: Path) -> None:
    persons = read(tmp_path, "PersonId;Inactief\n1;misschien\n2;ja\n").persons
    assert persons["inactive"].tolist() == [False, True]
    assert persons["inactive_unread"].tolist() == ["misschien", ""]


@pytest.mark.parametrize("last", ["", "\n", "\r\n"], ids=ascii)
@pytest.mark.parametrize("quoted", ["", '"'])
@pytest.mark.parametrize("end", ["\x1a", "\x1a\x1a\0\0", "\x1a\r\n"], ids=ascii)
def test_ctrl_z_at_the_end_is_no_line(tmp_path: Path, end: str, quoted: str, last: str) -> None:
    extract = read(tmp_path, f"PersonId;Voornaam\n1;{quoted}Jan{quoted}{last}{end}")
    assert extract.persons["firstname"].tolist() == ["Jan"]
    assert (extract.left_out, extract.counts.blank) == ((), 0)


def test_ctrl_z_elsewhere_is_a_letter_like_any_other(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam\n1;J\x1aan\n2;Kim\n")
    assert extract.persons["person_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("body", "persons"),
    [
        ("1;Jan;\n2;Kim;\n", ["1", "2"]),
        ("1;Jan;;;\n2;Kim;;;\n", ["1", "2"]),
        ("1;Jan;\n2;Kim\n", ["1", "2"]),
        ('1;"Jan"; \n2;Kim;\t\n', ["1", "2"]),
        ("1;Jan;x\n2;Kim;\n", ["2"]),
    ],
)
def test_empty_cells_behind_the_last_heading_mean_nothing(tmp_path: Path, body: str, persons: list[str]) -> None:
    assert read(tmp_path, f"PersonId;Voornaam\n{body}").persons["person_id"].tolist() == persons


def test_empty_headings_at_the_end_need_no_cells_and_ignore_those_there_are(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam;;\n1;Jan\n2;Kim;x\n3;Noor;;\n")
    assert extract.persons["person_id"].tolist() == ["1", "2", "3"]
    assert read(tmp_path, "PersonId;Voornaam;;\n1;Jan\n2;Kim\n").persons["person_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize("delimiter", [";", ","])
def test_a_title_above_the_table_is_passed_and_said(tmp_path: Path, delimiter: str) -> None:
    content = f"Personen per 1 mei\n\nAfdeling{delimiter}ICT\nPersonId;Voornaam\n1;Jan\n2;Kim\n".replace(";", delimiter)
    extract = read(tmp_path, content)
    assert (extract.persons["person_id"].tolist(), extract.persons["row"].tolist()) == (["1", "2"], [5, 6])
    assert "the table begins at line 4" in str(extract.warnings[0])


def test_a_title_that_sounds_like_an_id_is_no_header(tmp_path: Path) -> None:
    extract = read(tmp_path, "Lijst\nPersonId;is het nummer\nPersonId;Voornaam\n1;Jan\n")
    assert extract.persons["firstname"].tolist() == ["Jan"]


def test_lines_that_are_there_twice_count_once_and_others_stay_doubles(tmp_path: Path) -> None:
    extract = read(tmp_path, "PersonId;Voornaam\n1;Jan\n1;Jan\n1;Piet\n2;Kim\n;Niemand\n;Niemand\n1;Jan\n")
    assert extract.persons["row"].tolist() == [2, 4, 5, 6, 7]
    counts = extract.counts
    assert (counts.records, counts.persons, counts.repeated, counts.left_out) == (7, 5, 2, 0)
    assert "2 lines are equal in every cell to one before them and count once (lines 3, 8)" in str(extract.warnings[0])


@pytest.mark.parametrize(
    ("column", "written", "meant"),
    [
        ("ExternId", '"=""00123"""', "00123"),
        ("ExternId", '="00123"', "00123"),
        ("ExternId", "'00124", "00124"),
        ("ExternId", "'A124", "A124"),
        ("Plaats", "'00124", "00124"),
        ("Plaats", "'+31612345678", "+31612345678"),
        ("Plaats", "'=1+1", "=1+1"),
        ("Plaats", "'s-Gravenhage", "'s-Gravenhage"),
        ("Plaats", "'t Harde", "'t Harde"),
        ("Plaats", "'68-generatie", "'68-generatie"),
        ("Plaats", "#12", "#12"),
        ("Plaats", "=A1", "=A1"),
    ],
)
def test_what_excel_writes_to_keep_a_text_a_text_is_no_part_of_it(
    tmp_path: Path, column: str, written: str, meant: str
) -> None:
    persons = read(tmp_path, f"PersonId;{column}\n1;{written}\n").persons
    assert persons["extern_id" if column == "ExternId" else "city"].tolist() == [meant]


@pytest.mark.parametrize("error", ["#N/A", "#N/B", "#REF!", "#VERW!", "#NAAM?", "#DIV/0!", "########", "##", " #N/A "])
def test_an_error_of_a_spreadsheet_leaves_the_line_out(tmp_path: Path, error: str) -> None:
    extract = read(tmp_path, f"PersonId;Plaats\n1;{error}\n2;Ede\n")
    assert extract.persons["person_id"].tolist() == ["2"]
    assert [(left.line, left.code) for left in extract.left_out] == [(2, "cell_error")]
