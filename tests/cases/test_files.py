"""What a file or a table says: cells, ids, flags, lines and particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_yes_and_no_as_databases_and_programs_write_them(preview: Callable) -> None:
    shown = preview("booleans")
    assert {id_: row["action"] for id_, row in shown.rows.items()} == {"A1": "create", "A3": "create"}
    assert "3 of 5 persons do not belong in this Moodle" in shown.said


def test_an_invisible_character_changes_no_flag_and_a_control_character_is_none(preview: Callable) -> None:
    shown = preview("invisible-flags")
    assert {id_: row["action"] for id_, row in shown.rows.items()} == {"I1": "reject", "I6": "create"}
    assert shown.codes("I1") == ["inactive_unclear"]


def test_a_bit_of_mysql_is_yes_or_no(preview: Callable) -> None:
    shown = preview("mysql-bit")
    assert {id_: row["action"] for id_, row in shown.rows.items()} == {"A1": "create"}
    assert "could not be read" not in shown.said


@pytest.mark.parametrize(("file", "persons"), [("persons.csv", 3), ("persons.xlsx", 2), ("persons.parquet", 1)])
def test_an_id_that_has_lost_digits_is_no_id(preview: Callable, file: str, persons: int) -> None:
    shown = preview("number-ids", file)
    rows = [row for row in shown.rows.values() if "idnumber_spoilt" in [reason["code"] for reason in row["reasons"]]]
    assert [row["action"] for row in rows] == ["reject"] * persons
    assert all("xport the column as text" in row["reasons"][0]["message"] for row in rows)


def test_text_in_another_encoding_does_not_overwrite_moodles(preview: Callable) -> None:
    row = preview("mojibake").rows["A1"]
    assert (row["verdict"], row["action"], row["changes"]) == ("linked", "none", {})
    assert {(reason["code"], reason["field"]) for reason in row["reasons"]} == {
        ("text_damaged", field) for field in ("firstname", "lastname", "city", "profile_field_cf1")
    }


def test_particles_stand_once_and_close_to_the_surname(preview: Callable) -> None:
    shown = preview("particles")
    assert [shown.rows[f"P{number}"]["lastname"] for number in range(1, 7)] == [
        "van den Berg", "De Vries", "van der Berg", "Smit", "'s-Gravenzande", "al-Hassan",
    ]  # fmt: skip
    assert {row["action"] for row in shown.rows.values()} == {"create"}
    assert shown.rows["P1"]["username"] == "eva-vanden-berg"


STYLES = ["plain", "bookview", "chartsheet", "emptyfill", "extlst", "strict"]


@pytest.mark.parametrize("book", STYLES)
def test_faulty_styles_views_and_charts_do_not_stop_the_values(preview: Callable, book: str) -> None:
    row = preview("bad-style-xlsx", f"{book}.xlsx").rows["A1"]
    assert (row["firstname"], row["lastname"], row["changes"]["city"]) == ("Jan", "Jansen", [None, "Ede"])


def test_a_formula_without_a_saved_value_is_not_empty(preview: Callable) -> None:
    shown = preview("formula-without-value", "persons.xlsx")
    assert [row["changes"] for row in shown.rows.values()] == [{}]
    assert "line 2: Row 2, column 6: the formula has no saved value" in shown.said


def test_a_cell_merged_over_two_rows_counts_for_both(preview: Callable) -> None:
    shown = preview("merged-cells", "persons.xlsx")
    assert {id_: (row["action"], row["changes"]) for id_, row in shown.rows.items()} == {
        "A1": ("none", {}),
        "A2": ("none", {}),
    }


def test_the_first_sheet_that_a_person_sees_is_read_and_that_is_said(preview: Callable) -> None:
    shown = preview("hidden-first-sheet", "persons.xlsx")
    assert list(shown.rows) == ["B1"]
    assert "sheet 'Deelnemers' is read; hidden before it: 'Sheet'" in shown.said


def test_a_carriage_return_of_excel_is_no_eight_letters(preview: Callable) -> None:
    shown = preview("x000d", "persons.xlsx")
    one, two = shown.rows["A1"], shown.rows["A2"]
    assert (one["lastname"], one["username"], one["changes"]["city"][1]) == ("Jansen", "jan-jansen", "Ede")
    assert (two["email"], two["action"]) == ("kim@example.org", "create")


def test_an_id_is_what_excel_shows(preview: Callable) -> None:
    assert list(preview("zero-formats", "persons.xlsx").rows) == ["00042", "P0043", "00044", "00045", "0000-046"]


def test_texts_that_excel_wrote_are_the_same_in_csv(preview: Callable) -> None:
    shown = preview("excel-texts-in-csv")
    assert list(shown.rows) == ["00123"]
    assert [f"line {line}:" in shown.said for line in (3, 4, 5)] == [True] * 3


def test_ctrl_z_is_the_end_of_a_file_of_dos(preview: Callable) -> None:
    assert list(preview("dos-end").rows) == ["A1"]


def test_empty_cells_behind_the_last_heading_mean_nothing(preview: Callable) -> None:
    shown = preview("trailing-delimiter")
    assert {id_: row["action"] for id_, row in shown.rows.items()} == {"A1": "create", "A2": "create"}
    assert "left out" not in shown.said


def test_a_line_that_is_there_twice_is_one_person(preview: Callable) -> None:
    shown = preview("identical-lines")
    assert {id_: row["action"] for id_, row in shown.rows.items()} == {"A1": "none"}
    assert "counts once" in shown.said


def test_a_renamed_heading_empties_nothing(preview: Callable) -> None:
    shown = preview("missing-column")
    assert shown.status == 1
    assert shown.rows == {}
    for column, heading in (
        ("city", "Plaatsnaam"),
        ("free1", "Vrij veld een"),
        ("infix", "Tussenvoegsel(s)"),
        ("inactive", "Inactief (j/n)"),
    ):
        assert f"- {column} (" in shown.said
        assert f"did you mean '{heading}'? Then say source.columns.{column}: {heading}" in shown.said
