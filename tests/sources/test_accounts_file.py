"""Accounts from a CSV file become one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moodle_coupling.errors import InputError
from moodle_coupling.sources.files.accounts_file import read_accounts_csv

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "id,username,email,idnumber"


def read(tmp_path: Path, text: str | bytes) -> list[dict[str, object]]:
    path = tmp_path / "accounts.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_accounts_csv(path).to_dict("records")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_usual_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    lines = f"{HEAD},firstname\n7,jan,jan@example.org,E7,Jan\n3,an,an@example.org,,An\n"
    rows = read(tmp_path, lines.replace(",", delimiter))
    assert [(row["id"], row["idnumber"], row["firstname"]) for row in rows] == [(3, "", "An"), (7, "E7", "Jan")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_any_usual_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    rows = read(tmp_path, f"{HEAD},lastname\r\n7,jan,jan@example.org,E7,Müller\r\n".encode(encoding))
    assert rows[0]["lastname"] == "Müller"


def test_values_are_kept_as_they_are_since_idnumbers_are_compared_exactly(tmp_path: Path) -> None:
    assert read(tmp_path, f'{HEAD}\n7,jan,jan@example.org," 007 "\n')[0]["idnumber"] == " 007 "


def test_quoted_newlines_and_blank_lines_are_no_trouble(tmp_path: Path) -> None:
    rows = read(tmp_path, f'{HEAD},city\n7,jan,j@example.org,E7,"Den\nHaag"\n\n')
    assert [row["city"] for row in rows] == ["Den\nHaag"]


@pytest.mark.parametrize("heading", ["profile_field_Klas", "Klas"])
def test_a_profile_field_keeps_its_letter_case_with_or_without_prefix(tmp_path: Path, heading: str) -> None:
    assert read(tmp_path, f"{HEAD},{heading}\n7,jan,j@example.org,E7,4B\n")[0]["profile_field_Klas"] == "4B"


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("0", False), ("", False), ("Yes", True), ("nee", False)])
def test_suspended_is_read_in_words_and_figures(tmp_path: Path, text: str, expected: bool) -> None:
    assert read(tmp_path, f"{HEAD},suspended\n7,jan,j@example.org,E7,{text}\n")[0]["suspended"] is expected


def test_headings_are_known_whatever_their_letter_case(tmp_path: Path) -> None:
    rows = read(tmp_path, "ID,Username,E-mail,ID number,First name\n7,jan,j@example.org,E7,Jan\n")
    assert rows[0] == {
        "id": 7,
        "username": "jan",
        "email": "j@example.org",
        "idnumber": "E7",
        "firstname": "Jan",
        "suspended": False,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,username,email\n", "no column idnumber"),
        (f"{HEAD}\nx,jan,j@example.org,E7\n", "line 2: id 'x'"),
        (f"{HEAD}\n7,a,a@example.org,E7\n7,b,b@example.org,E8\n", "line 3: account 7 is on line 2 already"),
        (f"{HEAD}\n7,a,a@example.org\n", "line 2: 3 values under 4 headings"),
        (f"{HEAD},suspended\n7,a,a@example.org,E,perhaps\n", "line 2: suspended is 'perhaps'"),
        ("id,username,email,idnumber,ID\n", "more than one column for id"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv cannot be read"):
        read_accounts_csv(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'{HEAD}\n7,"jan,j@example.org,E7\n8,an,a@example.org,E8\n', (2, 3)),
        (f"{HEAD}\n7,zoë-noëlle,z@example.org,E7\n".encode() + b"8,Zo\xeb,a@example.org,E8\n", (3, 5)),
    ],
)
def test_a_wrong_quote_or_byte_is_named_with_line_and_column(
    tmp_path: Path, text: str | bytes, place: tuple[int, int]
) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    said = str(refused.value)
    assert f"line {place[0]}" in said
    assert f"column {place[1]}" in said
