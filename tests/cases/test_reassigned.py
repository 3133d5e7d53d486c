"""Idnumbers that moved to somebody else, as a preview shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cases.conftest import Shown


def test_an_account_of_somebody_else_is_not_renamed(preview: Callable[..., Shown]) -> None:
    shown = preview("id-reassigned")
    row = shown.rows["A1"]
    assert (row["verdict"], row["action"], row["account_id"], row["changes"]) == ("id_reassigned", "none", 10, {})
    assert shown.codes("A1") == ["id_reassigned"]


def test_two_crossed_ids_rename_neither_account(preview: Callable[..., Shown]) -> None:
    rows = preview("ids-swapped").rows
    assert {id_: (row["verdict"], row["action"], row["account_id"], row["changes"]) for id_, row in rows.items()} == {
        "A1": ("id_reassigned", "none", 10, {}),
        "A2": ("id_reassigned", "none", 11, {}),
    }
