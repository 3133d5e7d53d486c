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
