"""What a file or a table says: cells, ids, flags, lines and particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
